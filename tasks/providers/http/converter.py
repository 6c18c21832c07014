"""Turns an event of an HTTP service into a canonical one, as the mapping of its provider says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping as Object
from datetime import datetime
from typing import Any

from tasks.model import clock
from tasks.model.errors import BadPayload
from tasks.model.event import Identity, Message, Normalised
from tasks.providers.http import moments
from tasks.providers.http.expressions import NoValue, search
from tasks.providers.http.options import HttpOptions, Mapping
from tasks.providers.openstack import wire
from tasks.providers.openstack.cleansing import cleanse
from tasks.providers.openstack.values import TEXT_LIMIT, text

#: The wire format's name in the ledger.
HTTP = "http"
#: The type of an event whose own cannot be read.
UNKNOWN = "unknown"


class HttpConverter:
    """The converter of one provider (:class:`tasks.providers.contracts.Converter`).

    Without options it reads events that have the keys ``message_id``, ``event_type`` and ``timestamp``.
    """

    def __init__(self, options: HttpOptions | None = None) -> None:
        self.source = "HTTP" if options is None else options.source
        self._mapping = Mapping(format="iso") if options is None else options.mapping

    def unwrap(self, body: bytes | str | dict[str, Any]) -> list[Message]:
        """The one message that a body is, free of secrets.

        ``payload`` is what the mapping says; the whole event is kept beside it, so that it can be converted again
        after the mapping was corrected. Raises :class:`BadPayload` for what is no JSON object.
        """
        row, source = wire.read(body)
        if not isinstance(row, dict):
            raise BadPayload(f"the event is no object but a {type(row).__name__}. Correct events in providers.yaml")
        cleanse(row, source)
        mapping = self._mapping
        content: dict[str, Any] = {
            "message_id": _found(mapping.message_id, row),
            "event_type": _found(mapping.event_type, row),
            "timestamp": _found(mapping.timestamp, row),
            "payload": row if mapping.payload is None else _found(mapping.payload, row),
        }
        if mapping.payload is not None:
            content["row"] = row
        return [Message(HTTP, content)]

    def identify(self, message: Message) -> Identity:
        """Who a message is and whom it concerns. Never fails.

        Without an id it is known by its content; without a readable time it happened now.
        """
        row = _row(message)
        raw = text(_found(self._mapping.event_type, row)) or UNKNOWN
        kind, ref = (text(_found(e, row)) for e in (self._mapping.resource_kind, self._mapping.resource_id))
        return Identity(
            message_id=self._id(row) or _digest(row),
            raw_event_type=raw,
            event_type=raw,
            occurred_at=self._moment(row) or clock.now(),
            resource_kind=kind if kind and ref else None,
            resource_id=ref if kind and ref else None,
        )

    def convert(self, message: Message) -> Normalised:
        """The canonical facts. Raises :class:`BadPayload` naming the part of the mapping that finds nothing fit."""
        row, mapping = _row(message), self._mapping
        event_type = self._needed("event_type", row)
        self._needed("message_id", row)
        occurred_at = self._moment(row)
        if occurred_at is None:
            what = _described(self._sought("timestamp", row))
            raise BadPayload(f"{self._part('timestamp')} finds no moment written as {mapping.format} but {what}")
        if mapping.payload is not None and not isinstance(payload := self._sought("payload", row), dict):
            raise BadPayload(f"{self._part('payload')} finds no object but {_described(payload)}")
        kind, ref = self._optional("resource_kind", row), self._optional("resource_id", row)
        return Normalised(
            event_type=event_type,
            raw_event_type=event_type,
            message_id=self._id(row) or _digest(row),
            occurred_at=occurred_at,
            resource_kind=kind if kind and ref else None,
            resource_id=ref if kind and ref else None,
            tenant_id=self._optional("tenant_id", row),
            actor=self._optional("actor", row),
            host=self._optional("host", row),
            request_id=self._optional("request_id", row),
        )

    def _id(self, row: Object[str, Any]) -> str | None:
        given = _found(self._mapping.message_id, row)
        return _digest(given) if isinstance(given, str) and len(given) > TEXT_LIMIT else text(given)

    def _moment(self, row: Object[str, Any]) -> datetime | None:
        return moments.read(_found(self._mapping.timestamp, row), self._mapping.format)

    def _needed(self, name: str, row: Object[str, Any]) -> str:
        value = self._sought(name, row)
        found = text(value)
        if found is None:
            raise BadPayload(f"{self._part(name)} finds no text but {_described(value)}")
        return found

    def _optional(self, name: str, row: Object[str, Any]) -> str | None:
        value = self._sought(name, row)
        if isinstance(value, dict | list | bool):
            raise BadPayload(f"{self._part(name)} finds no text but {_described(value)}")
        return text(value)

    def _sought(self, name: str, row: Object[str, Any]) -> Any:
        expression = getattr(self._mapping, name)
        try:
            return None if expression is None else search(expression, row)
        except NoValue as error:
            raise BadPayload(f"{self._part(name)} cannot be applied: {error}") from None

    def _part(self, name: str) -> str:
        return f"mapping.{name} ({getattr(self._mapping, name)})"


def _row(message: Message) -> Object[str, Any]:
    """The event as the service gave it."""
    content = message.content
    row = content["row"] if "row" in content else content.get("payload")
    return row if isinstance(row, dict) else {}


def _found(expression: str | None, row: Object[str, Any]) -> Any:
    try:
        return None if expression is None else search(expression, row)
    except NoValue:
        return None


def _digest(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _described(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    return f"{value!r:.60}"
