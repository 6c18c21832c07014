"""Recognises one fact in two messages: nova may send it unversioned and versioned (spec capture 2.3).

Both forms of a fact leave the same host within the same request. What else both payloads tell is added
where a request repeats a fact, so that two facts are never taken for one. Ceilometer makes its events of
the unversioned form (spec capture 2.5); where their traits tell enough, they are recognised as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from tasks.providers.openstack.origin import context_of, publisher_of
from tasks.providers.openstack.payloads import Opened, data_of
from tasks.providers.openstack.shapes import Shape
from tasks.providers.openstack.values import mapping, text

UNVERSIONED = "unversioned"
VERSIONED = "versioned"

_PLAIN_LIMIT = 240
_UPDATE = "compute.instance.update"
_STATES = ("old_state", "state", "old_task_state", "new_task_state")
_MARKS = ("display_name", "old_display_name", "host", "node")
#: Facts that a request may repeat and whose traits do not tell one from the next.
_UNTOLD_BY_TRAITS = frozenset({_UPDATE, "compute.instance.volume.attach", "compute.instance.volume.detach"})
#: Families whose unversioned sender may sign with the name of the object in place of its own host.
_WITHOUT_HOST = frozenset({"aggregate", "server_group", "volume", "host"})


def variant_of(payload: Mapping[str, Any]) -> str:
    """Which form nova chose for a payload."""
    return VERSIONED if "nova_object.data" in payload else UNVERSIONED


def twin_of(shape: Shape, opened: Opened, content: Mapping[str, Any], *, telemetry: bool = False) -> str | None:
    """What both forms of a fact have in common; None where no request or no object is named.

    ``telemetry`` says that the payload is Ceilometer's traits.
    """
    if telemetry:
        payload = opened.payload
        if shape.event_type in _UNTOLD_BY_TRAITS or text(payload.get("service")) is None:
            return None
        content = {"publisher_id": payload.get("service"), "context": {"request_id": payload.get("request_id")}}
    request = text(context_of(content).get("request_id"))
    name = opened.id or text(opened.payload.get("name"))
    if not shape.twin or request is None or name is None:
        return None
    parts: list[str | None] = [shape.event_type, name, request]
    if opened.kind not in _WITHOUT_HOST:
        parts.append(publisher_of(content)[1])
    if opened.kind == "server":
        payload = opened.payload
        parts.append(text(payload.get("volume_id")))
        if shape.event_type == _UPDATE:
            states = data_of(mapping(payload.get("state_update"))) or payload
            parts += [text(states.get(key)) for key in _STATES]
            parts += [text(payload.get(key)) for key in _MARKS]
    elif opened.kind == "keypair":
        parts.append(text(opened.payload.get("user_id")))
    plain = "|".join(part or "" for part in parts)
    return plain if len(plain) <= _PLAIN_LIMIT else hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()
