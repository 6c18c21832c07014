"""Snapshots of servers: images that are made once for an effect, and deleted by their age."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import quote

from tasks.model import clock
from tasks.model.errors import Permanent, Transient
from tasks.model.event import ObjectRef
from tasks.providers.openstack.acting import InTheWay, Work, acting
from tasks.providers.openstack.values import moment, text

#: Images that one operation deletes at the most, those that it finds, and how long it goes on, in seconds.
MOST_DELETED, MOST_FOUND, LONGEST = 50, 1000, 120.0
_PAGE = 500
#: What an image made by Catchment says of itself: the server, and the effect that it was made for.
OF_SERVER, OF_EFFECT = "catchment_server", "catchment_effect"
#: Images in these states are as good as not there.
_GONE = frozenset({"deleted", "pending_delete", "killed"})
_NAME, _PROPERTY = 200, 255


def snapshot(work: Work, params: Mapping[str, Any]) -> str:
    """Make an image of the server. Its name ends in a word made of the effect's key, so a second try finds it."""
    server = work.server()
    word = hashlib.blake2b(work.attempt.key.encode("utf-8", "replace"), digest_size=6).hexdigest()
    name = f"{(params.get('name') or text(server.name) or work.ref.id)[:_NAME]}-{word}"
    marks = {OF_SERVER: server.id, OF_EFFECT: work.attempt.key.encode("ascii", "replace").decode()[:_PROPERTY]}
    for image in _images(work, server, name=name):
        if marks.items() <= (image.properties or {}).items():
            return f"the image {image.name} ({image.id}) of {work.ref} was there already"
    made: list[str] = []
    said = work.change(
        "take a snapshot of", lambda found: made.append(found.create_image(work.compute, name, marks)), lambda _: None
    )
    return f"{said}: the image {name} ({made[0]})"


def delete(work: Work, params: Mapping[str, Any]) -> str:
    """Delete the server's snapshots older than ``older_than`` (a timedelta), the newest of them first.

    ``made_by`` is ``catchment`` or ``anyone``. Protected images stay, as do those in use and the image that the
    server runs from. Raises ``Permanent`` where anybody's snapshots of a shelved server are meant: one of them
    is the server.
    """
    server = work.server()
    anyone = params.get("made_by") == "anyone"
    if anyone and (str(server.status).startswith("SHELVED") or str(server.task_state).startswith("shelving")):
        raise Permanent(
            f"{work.cloud}: {work.ref} is shelved, and what is left of it is one of its snapshots: none was deleted. "
            "Unshelve it first, or leave `made_by` at catchment"
        )
    before = clock.now() - params["older_than"]
    old = [image for image in _images(work, server, before) if _is_of(image, server, before, anyone)]
    old.sort(key=lambda image: str(image.created_at), reverse=True)
    gone, kept = _delete(work, [image for image in old if not image.is_protected][:MOST_DELETED])
    protected = sum(bool(image.is_protected) for image in old)
    waiting = len(old) - protected - gone - kept
    parts = [f"deleted {gone} snapshot{'s' * (gone != 1)} of {work.ref} older than {spoken(params['older_than'])}"]
    parts += [f"{protected} protected"] if protected else []
    parts += [f"{kept} in use"] if kept else []
    parts += [f"{waiting} more are left for another time"] if waiting else []
    return ", ".join(parts)


def _delete(work: Work, images: list[Any]) -> tuple[int, int]:
    """Delete images; returns how many are gone and how many are in use. Raises ``Transient`` when time is up."""
    gone = kept = 0
    until = time.monotonic() + LONGEST
    for image in images:
        if time.monotonic() > until:
            raise Transient(f"{work.cloud}: deleted {gone} snapshots of {work.ref}; the others at the next try")
        try:
            with acting(work.cloud, "image", ObjectRef("image", image.id), f"delete the image {image.id}"):
                work.service("image").delete_image(quote(image.id, safe=""), ignore_missing=True)
            gone += 1
        except InTheWay:
            kept += 1
    return gone, kept


def _is_of(image: Any, server: Any, before: datetime, anyone: bool) -> bool:
    """Whether an image is a snapshot of the server, old enough, and not what the server runs from."""
    properties = image.properties or {}
    ours = properties.get(OF_SERVER) == server.id
    theirs = image.instance_uuid == server.id and properties.get("image_type") == "snapshot"
    made = moment(image.created_at)
    base = getattr(server.image, "id", None)
    return (ours or (anyone and theirs)) and made is not None and made < before and image.id != base


def _images(work: Work, server: Any, before: datetime | None = None, **query: Any) -> Iterator[Any]:
    """Images of the user's own project and of the server's, made before that moment."""
    if before is not None:
        query |= {"created_at": f"lt:{before.strftime('%Y-%m-%dT%H:%M:%SZ')}", "sort": "created_at:desc"}
    with work.asking("list the images of", "image"):
        images = work.service("image")
        for owner in dict.fromkeys((server.project_id, images.get_project_id())):
            for image in islice(images.images(owner=owner, limit=_PAGE, **query), MOST_FOUND):
                if image.owner == owner and text(image.id) and image.status not in _GONE:
                    yield image


def spoken(span: timedelta) -> str:
    """A span in the largest unit that fits it."""
    seconds = int(span.total_seconds())
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"
