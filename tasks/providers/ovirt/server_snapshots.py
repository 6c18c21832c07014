"""Snapshots of VMs: made once for an effect, and deleted by their age."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tasks.model import clock
from tasks.model.errors import Transient
from tasks.providers.openstack.attributes import text
from tasks.providers.openstack.server_snapshots import spoken
from tasks.providers.ovirt.acting import InTheWay, Work
from tasks.providers.ovirt.attributes import Found, at
from tasks.providers.ovirt.failures import EngineRefusal
from tasks.providers.ovirt.kinds import is_id
from tasks.providers.ovirt.presence import says_gone

#: Snapshots that one operation deletes at the most, and how long it goes on, in seconds.
MOST_DELETED, LONGEST = 50, 120.0
#: Seconds until the engine may be done with the snapshot that it is at.
PAUSE = 30.0
_NAME = 200
#: What the description of a snapshot that Catchment made ends in.
_OURS = re.compile(r"\(catchment [0-9a-f]{24}\)")


def snapshot(work: Work, params: Mapping[str, Any]) -> str:
    """Take a snapshot of the VM's disks. Its description ends in a word made of the effect's key."""
    vm = work.vm()
    name = f"{(text(params.get('name')) or text(vm.get('name')) or work.ref.id)[:_NAME]} (catchment {work.word})"
    for found in work.snapshots():
        if found.get("description") == name:
            return f"the snapshot {name!r} ({text(found.get('id'))}) of {work.ref} was there already"
    made: list[Found] = []
    body = {"description": name, "persist_memorystate": False}
    said = work.change(
        "take a snapshot of",
        lambda _: made.append(work.send("POST", f"{work.path}/snapshots", body)),
        lambda _: None,
        busy=lambda _: _locked(work),
    )
    return f"{said}: the snapshot {name!r} ({text(made[0].get('id'))})"


def delete(work: Work, params: Mapping[str, Any]) -> str:
    """Delete the VM's snapshots older than ``older_than`` (a timedelta), the newest of them first.

    ``made_by`` is ``catchment`` or ``anyone``. Raises ``Transient`` where the engine is at one of them and takes the
    next one later: it merges one at a time.
    """
    work.vm()
    before = clock.now() - params["older_than"]
    anyone = params.get("made_by") == "anyone"
    old = [found for found in work.snapshots() if _is_old(found, before) and (anyone or _is_ours(found))]
    old.sort(key=lambda found: at(found.get("date")) or before, reverse=True)
    gone, kept = _delete(work, [str(found["id"]) for found in old[:MOST_DELETED]])
    waiting = len(old) - gone - kept
    parts = [f"deleted {gone} snapshot{'s' * (gone != 1)} of {work.ref} older than {spoken(params['older_than'])}"]
    parts += [f"{kept} in use"] if kept else []
    parts += [f"{waiting} more are left for another time"] if waiting else []
    return ", ".join(parts)


def _delete(work: Work, keys: list[str]) -> tuple[int, int]:
    """Delete snapshots; returns how many the engine was asked to delete, and how many are in use."""
    gone = kept = 0
    until = time.monotonic() + LONGEST
    for key in keys:
        if time.monotonic() > until:
            raise Transient(f"{work.cloud}: deleted {gone} snapshots of {work.ref}; the others at the next try")
        try:
            with work.asking(f"delete the snapshot {key} of"):
                _ask(work, key)
            gone += 1
        except InTheWay as refusal:
            reason = _locked(work)
            if reason is not None:
                raise Transient(
                    f"{work.cloud}: deleted {gone} snapshots of {work.ref}, and it is busy ({reason}); "
                    "the others at the next try",
                    PAUSE,
                ) from refusal
            kept += 1
    return gone, kept


def _ask(work: Work, key: str) -> None:
    try:
        work.send("DELETE", f"{work.path}/snapshots/{key}")
    except EngineRefusal as refusal:
        # Somebody was quicker: that is what was wanted. A VM that is gone shows at the next request.
        if not says_gone(work.engine, refusal):
            raise
        work.vm()


def _locked(work: Work) -> str | None:
    """What the engine is at, where it is at the VM's disks."""
    if work.vm().get("status") == "image_locked":
        return "image_locked"
    locked = any(found.get("snapshot_status") == "locked" for found in work.snapshots())
    return "a snapshot is locked" if locked else None


def _is_old(found: Found, before: datetime) -> bool:
    """Whether it is a snapshot in its own right, and made before that moment."""
    made = at(found.get("date"))
    regular = found.get("snapshot_type", "regular") == "regular" and is_id(text(found.get("id")) or "")
    return regular and made is not None and made < before


def _is_ours(found: Found) -> bool:
    return bool(_OURS.search(text(found.get("description")) or ""))
