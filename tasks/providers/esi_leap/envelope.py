"""Takes a body of ESI Leap out of its wrappings: bus messages in both formats, and rows of its event history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.model.event import Message
from tasks.providers.openstack import envelope

#: The form of a row of ``GET /v1/events``, which has no payload.
ROW = "esi_event"

_SUFFIX = "_object.data"
_ABOUT = ("name", "namespace", "version")


def unwrap(body: bytes | str | dict[str, Any]) -> list[Message]:
    """The messages in a body, free of secrets, with the fields of a versioned object as their payload.

    Raises :class:`tasks.model.errors.BadPayload` for a body that cannot be read, or that holds no notification.
    """
    return [_opened(message) for message in envelope.unwrap(body)]


def data_of(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of a versioned object of whatever service; else the payload itself (spec esi 2)."""
    key = next((key for key in payload if key.endswith(_SUFFIX)), None)
    data = payload[key] if key is not None else None
    return data if isinstance(data, dict) else payload


def _opened(message: Message) -> Message:
    content = message.content
    payload = content.get("payload")
    if payload is None and "event_time" in content:
        return _row(content)
    if isinstance(payload, dict):
        data = data_of(payload)
        if data is not payload:
            prefix = next(key for key in payload if key.endswith(_SUFFIX)).removesuffix("data")
            content["object"] = {name: payload.get(f"{prefix}{name}") for name in _ABOUT}
            content["payload"] = data
    return message


def _row(content: dict[str, Any]) -> Message:
    """A row of the event history in the shape of a notification. The service numbers its rows; that is the id."""
    row = {key: value for key, value in content.items() if key != "context"}
    number = row.get("id")
    known = isinstance(number, int) and not isinstance(number, bool)
    made = {
        "message_id": f"event:{number}" if known else None,
        "event_type": row.get("event_type"),
        "timestamp": row.get("event_time"),
        "payload": row,
        "context": {},
    }
    return Message(ROW, made)
