"""Turns what ESI Leap tells, on the bus or in its event history, into canonical events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from tasks.model import clock
from tasks.model.clock import rfc3339
from tasks.model.errors import BadPayload
from tasks.model.event import ESI_LEAP, Identity, Message, Normalised
from tasks.providers.esi_leap import envelope
from tasks.providers.openstack.origin import context_of
from tasks.providers.openstack.values import TEXT_LIMIT, first, mapping, moment, text

UNKNOWN = "unknown"
#: Objects that inventory knows under these words, by the second part of an event type.
KINDS = frozenset({"lease", "offer", "node"})
#: Services whose types name their object in the second place; all others' events name no object here.
_SERVICES = frozenset({"esi_leap", "baremetal"})
_PHASES = frozenset({"start", "end", "error", "success"})
#: Where an action is filed on the timeline.
_GROUPS = {"fulfill": "addition", "create": "addition", "delete": "deletion", "update": "configuration"}
_ID_KEYS = ("uuid", "object_uuid")
#: Further facts, and the payload's word for each.
_TEXTS = {
    "name": "name",
    "purpose": "purpose",
    "status": "status",
    "resource_type": "resource_type",
    "node_name": "node_name",
    "node_provision_state": "node_provision_state",
    "node_power_state": "node_power_state",
}
_MOMENTS = ("start_time", "end_time", "fulfill_time", "expire_time")
_TYPE_LIMIT = 255
#: The two tellings of one happening, whose times lie milliseconds apart (spec esi 3).
_BUS, _HISTORY = "bus", "history"
_TWIN_LIMIT = 400


class Shape(NamedTuple):
    """All that an event type alone says of its events."""

    kind: str | None
    phase: str | None
    group: str
    level: str


class LeapConverter:
    """The converter of ESI Leap's notifications (:class:`tasks.providers.contracts.Converter`)."""

    source: ClassVar[str] = ESI_LEAP

    def unwrap(self, body: bytes | str | dict[str, Any]) -> list[Message]:
        """The messages in a body, free of secrets: a caller's token among them (spec esi 2).

        Raises :class:`BadPayload` for a body that cannot be read, or that holds no notification.
        """
        return envelope.unwrap(body)

    def identify(self, message: Message) -> Identity:
        """Who a message is and whom it concerns. Never fails."""
        content = message.content
        event_type = _type(content)
        shape = shape_of(event_type)
        key = first(mapping(content.get("payload")), _ID_KEYS) if shape.kind else None
        twin = f"{event_type}|{key}" if key else None
        return Identity(
            message_id=_message_id(content),
            raw_event_type=event_type,
            event_type=event_type,
            occurred_at=_occurred_at(content),
            resource_kind=shape.kind if key else None,
            resource_id=key,
            twin=twin if twin and len(twin) <= _TWIN_LIMIT else None,
            variant=_HISTORY if message.form == envelope.ROW else _BUS,
        )

    def convert(self, message: Message) -> Normalised:
        """The canonical facts of a message.

        Raises :class:`BadPayload` where it has no type, or a payload that is no object.
        """
        content = message.content
        event_type = _type(content)
        if event_type == UNKNOWN:
            raise BadPayload("the message names no event_type")
        payload = content.get("payload")
        if not isinstance(payload, dict):
            raise BadPayload(f"the payload of {event_type} is no object but a {type(payload).__name__}")
        shape = shape_of(event_type)
        key = first(payload, _ID_KEYS) if shape.kind else None
        context = context_of(content)
        return Normalised(
            event_type=event_type,
            raw_event_type=event_type,
            message_id=_message_id(content),
            occurred_at=_occurred_at(content),
            resource_kind=shape.kind if key else None,
            resource_id=key,
            parents=_parents(shape.kind, payload),
            tenant_id=first(payload, ("project_id", "lessee_id")) or text(context.get("project_id")),
            actor=first(context, ("user_name", "user_id", "user")),
            phase=shape.phase,
            group=shape.group,
            level=shape.level,
            request_id=text(context.get("request_id")),
            details=_details(payload),
        )


@lru_cache(maxsize=1024)
def shape_of(event_type: str) -> Shape:
    """The shape of an event type: ``esi_leap.<object>.<action>.<phase>`` (spec esi 1)."""
    segments = event_type.lower().split(".")
    named = segments[1] if len(segments) > 2 and segments[0] in _SERVICES else None
    phase = segments[-1] if segments[-1] in _PHASES else None
    group = _GROUPS.get(segments[2], "other") if named and len(segments) > 3 else "other"
    level = "critical" if group != "other" and phase in ("end", "error") else "detail"
    return Shape(named if named in KINDS else None, phase, group, level)


def _parents(kind: str | None, payload: Mapping[str, Any]) -> dict[str, str]:
    """The node, the offer, the lessee's and the owner's project, and the lease that a sub-lease is of."""
    named = {
        "node": first(payload, ("node_uuid", "resource_uuid")),
        "offer": text(payload.get("offer_uuid")),
        "project": first(payload, ("project_id", "lessee_id")),
        "owner": text(payload.get("owner_id")),
        "lease": text(payload.get("parent_lease_uuid")),
    }
    return {word: key for word, key in named.items() if key and (word != kind or word == "lease")}


def _details(payload: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, word in _TEXTS.items():
        value = text(payload.get(word))
        if value is not None:
            found[name] = value
    for name in _MOMENTS:
        at = moment(payload.get(name))
        if at is not None:
            found[name] = rfc3339(at)
    return found


def _type(content: Mapping[str, Any]) -> str:
    return (text(content.get("event_type")) or UNKNOWN)[:_TYPE_LIMIT]


def _message_id(content: Mapping[str, Any]) -> str:
    given = content.get("message_id")
    found = text(given)
    if found is not None and not (isinstance(given, str) and len(given) > TEXT_LIMIT):
        return found
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _occurred_at(content: Mapping[str, Any]) -> datetime:
    return moment(content.get("timestamp")) or clock.now()
