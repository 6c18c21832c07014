"""Turns OpenStack notifications, raw or by way of Ceilometer, into canonical events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from tasks.model import clock
from tasks.model.errors import BadPayload
from tasks.model.event import Identity, Message, Normalised
from tasks.providers.openstack import envelope, twins
from tasks.providers.openstack.origin import actor_of, chain_of, details_of, host_of, request_of, tenant_of
from tasks.providers.openstack.parents import parents_of
from tasks.providers.openstack.payloads import Opened, open_payload
from tasks.providers.openstack.shapes import UNKNOWN, Shape, shape_of
from tasks.providers.openstack.values import TEXT_LIMIT, mapping, moment, text

#: How much of a payload that makes no event is quoted in the error, in characters.
_QUOTE = 200


class OpenStackConverter:
    """The converter of OpenStack's notifications (:class:`tasks.providers.contracts.Converter`)."""

    source: ClassVar[str] = "OPENSTACK"

    def unwrap(self, body: bytes | str | dict[str, Any]) -> list[Message]:
        """The messages in a body, free of secrets.

        Raises :class:`BadPayload` for a body that cannot be read, or that holds no notification.
        """
        return envelope.unwrap(body)

    def identify(self, message: Message) -> Identity:
        """Who a message is and whom it concerns. Never fails.

        Without an id of its own a message is known by its content; without a readable time it happened
        now.
        """
        content = message.content
        raw, shape = _type(content)
        payload = mapping(content.get("payload"))
        opened = open_payload(shape, payload)
        telemetry = message.form == envelope.TELEMETRY
        twin = twins.twin_of(shape, opened, content, telemetry=telemetry) if shape.twin else None
        return Identity(
            message_id=_message_id(content),
            raw_event_type=raw,
            event_type=shape.event_type,
            occurred_at=_occurred_at(content),
            resource_kind=opened.kind,
            resource_id=opened.id,
            twin=twin,
            variant=twins.variant_of(payload) if twin else "",
        )

    def convert(self, message: Message) -> Normalised:
        """The canonical facts of a message.

        Raises :class:`BadPayload` where it has no type, or a payload that is no object.
        """
        content = message.content
        raw, shape = _type(content)
        if raw == UNKNOWN:
            raise BadPayload("the message names no event_type")
        payload = content.get("payload")
        if not isinstance(payload, dict):
            raise BadPayload(f"the payload of {raw} is no object but {_described(payload)}")
        return _normalised(content, raw, shape, open_payload(shape, payload))


def _normalised(content: Mapping[str, Any], raw: str, shape: Shape, opened: Opened) -> Normalised:
    return Normalised(
        event_type=shape.event_type,
        raw_event_type=raw,
        message_id=_message_id(content),
        occurred_at=_occurred_at(content),
        resource_kind=opened.kind,
        resource_id=opened.id,
        parents=parents_of(opened),
        tenant_id=tenant_of(opened, content),
        actor=actor_of(opened, content),
        host=host_of(opened, content),
        phase=shape.phase,
        group=shape.group,
        level=shape.level,
        request_id=request_of(opened, content),
        chain_id=chain_of(opened),
        details=details_of(opened),
    )


def _type(content: Mapping[str, Any]) -> tuple[str, Shape]:
    raw = text(content.get("event_type")) or UNKNOWN
    return raw, shape_of(raw)


def _message_id(content: Mapping[str, Any]) -> str:
    given = content.get("message_id")
    found = text(given)
    if found is not None and not (isinstance(given, str) and len(given) > TEXT_LIMIT):
        return found
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _occurred_at(content: Mapping[str, Any]) -> datetime:
    return moment(content.get("timestamp")) or clock.now()


def _described(payload: object) -> str:
    if payload is None:
        return "null"
    if isinstance(payload, str):
        return f"a text: {payload[:_QUOTE]!r}"
    if isinstance(payload, list):
        return f"a list of {len(payload)}"
    return f"a {type(payload).__name__}"
