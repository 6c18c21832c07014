"""The forms in which events are pushed: what a request's headers and body hold, as notifications.

CloudEvents 1.0 come structured, as a batch, or binary with their attributes in ``ce-`` headers. Everything
else is JSON: what Ceilometer's HTTP publisher posts, and notifications as oslo.messaging writes them, ESI
Leap's among them, one or a list.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import unquote

from fastapi import HTTPException
from starlette.datastructures import Headers

from tasks.model.errors import BadPayload
from tasks.model.event import Notification
from tasks.providers import cloudevents
from tasks.providers.openstack import wire
from tasks.providers.openstack.cleansing import DEPTH_LIMIT

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PLAIN = "application/json"

_PREFIX = "ce-"
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,64}")
#: Around a notification stand a list and a few wrappings.
_DEPTH = DEPTH_LIMIT + 10


def notifications_of(headers: Headers, body: bytes, road: str, *, limit: int, most: int) -> list[Notification]:
    """The notifications of a push, each as its sender wrote it.

    ``limit`` is the size of one notification in bytes, ``most`` how many there may be. Raises
    ``HTTPException``: 400 for a body that cannot be read, 413 for too much, 415 for a form that is not
    known, 422 for JSON that has no notification in it.
    """
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException(415, "a push is not compressed: leave out Content-Encoding")
    binary = f"{_PREFIX}{cloudevents.MARK}" in headers and not media.startswith("application/cloudevents")
    if not binary and media not in (STRUCTURED, BATCH) and not _is_plain(media):
        raise HTTPException(
            415,
            f"the media type is none of {STRUCTURED}, {BATCH} and {PLAIN}, and there are no {_PREFIX} headers",
            headers={"Accept": f"{STRUCTURED}, {BATCH}, {PLAIN}"},
        )
    single = binary or media == STRUCTURED
    if single and len(body) > limit:
        raise _too_large(limit)
    value = _binary(headers, media, body) if binary else _json(body)
    if media == BATCH and not isinstance(value, list) and not binary:
        raise HTTPException(422, "a batch of CloudEvents is a JSON list")
    if not isinstance(value, dict if single else (dict, list)):
        raise HTTPException(422, "the body is JSON, but neither a notification nor a list of them")
    elements = value if isinstance(value, list) else [value]
    if isinstance(value, dict) and len(body) > limit:
        raise _too_large(limit)
    if len(elements) > most:
        raise HTTPException(413, f"the request holds {len(elements)} notifications; at most {most} are taken at once")
    large = len(body) > limit
    return [Notification(_element(element, limit if large else None), road) for element in elements]


def _is_plain(media: str) -> bool:
    return media == PLAIN or (media.endswith("+json") and not media.startswith("application/cloudevents"))


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"one notification has at most {limit} bytes (catch.body_limit_bytes)")


def _element(element: Any, limit: int | None) -> dict[str, Any] | str:
    """A notification as the catcher takes it: an object, or text where it is no object or may be too long."""
    if isinstance(element, dict) and limit is None:
        return element
    written = json.dumps(element)
    return written if not isinstance(element, dict) or len(written) > (limit or 0) else element


def _json(body: bytes) -> Any:
    try:
        value, _ = wire.read(body)
    except BadPayload as error:
        raise HTTPException(400, str(error)) from None
    _shallow(value)
    return value


def _shallow(value: Any) -> None:
    """Raise 400 where a value is nested deeper than any notification is."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _DEPTH:
            raise HTTPException(400, f"the body is nested more than {_DEPTH} deep")
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]


def _binary(headers: Headers, media: str, body: bytes) -> dict[str, Any]:
    """A CloudEvent in binary mode, put into its JSON form."""
    event: dict[str, Any] = {
        name.removeprefix(_PREFIX): unquote(given)
        for name, given in headers.items()
        if name.startswith(_PREFIX) and _ATTRIBUTE.fullmatch(name.removeprefix(_PREFIX))
    }
    event.pop("data", None)
    if media:
        event["datacontenttype"] = headers["content-type"]
    if not body:
        return event
    if not media or media == PLAIN or media.endswith("+json"):
        return {**event, "data": _json(body)}
    if media.startswith("text/"):
        try:
            return {**event, "data": body.decode("utf-8")}
        except UnicodeDecodeError:
            pass  # Some other character set: kept as the bytes that came.
    return {**event, "data_base64": base64.b64encode(body).decode("ascii")}
