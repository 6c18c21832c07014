"""Turns CloudEvents into canonical events, by the options of the provider that pushes them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from tasks.model import clock
from tasks.model.errors import BadPayload
from tasks.model.event import Identity, Message, Normalised, ObjectRef
from tasks.providers import cloudevents
from tasks.providers.openstack import wire
from tasks.providers.openstack.cleansing import cleanse
from tasks.providers.openstack.values import moment, text
from tasks.providers.webhook.options import WebhookOptions
from tasks.providers.webhook.subjects import SubjectPattern

FORM = "cloudevents"
#: A longer identity is kept as its digest: it goes into an index.
_IDENTITY_LIMIT = 400
_DATA = ("data", "data_base64")


class WebhookConverter:
    """The converter of CloudEvents (:class:`tasks.providers.contracts.Converter`)."""

    source: ClassVar[str] = "WEBHOOK"

    def __init__(self, options: WebhookOptions | None = None) -> None:
        self._options = options or WebhookOptions()
        self._patterns = [SubjectPattern(one.subject, one.kind) for one in self._options.objects]

    def unwrap(self, body: bytes | str | dict[str, Any]) -> list[Message]:
        """The CloudEvent in a body, free of secrets.

        Raises :class:`BadPayload` for a body that cannot be read, or that is no CloudEvent.
        """
        value, source = wire.read(body)
        if not isinstance(value, dict):
            raise BadPayload(f"the body is JSON but no CloudEvent: {type(value).__name__}")
        cloudevents.check(value)
        data = _data(value)
        identity = f"{value['source']} {value['id']}"
        content: dict[str, Any] = {
            "message_id": identity,
            "event_type": value["type"],
            "timestamp": value.get("time"),
            "payload": data if isinstance(data, dict) else {} if data is None else {"value": data},
            "cloudevent": {name: given for name, given in value.items() if name not in _DATA},
            "context": {},
        }
        # What was packed is in no text that was read before.
        cleanse(content, source if "data_base64" not in value else f"{source}\\")
        if content["message_id"] != identity or len(identity) > _IDENTITY_LIMIT:
            # With a secret masked, or cut, two events could have one name.
            content["message_id"] = f"sha256:{hashlib.sha256(identity.encode('utf-8', 'replace')).hexdigest()}"
        return [Message(FORM, content)]

    def identify(self, message: Message) -> Identity:
        """Who a message is: source and id together are unique. Without a time it happened now. Never fails."""
        content = message.content
        event_type = text(content.get("event_type")) or "unknown"
        found = self._object(content)
        return Identity(
            message_id=str(content.get("message_id")),
            raw_event_type=event_type,
            event_type=event_type,
            occurred_at=_occurred_at(content),
            resource_kind=found.kind if found else None,
            resource_id=found.id if found else None,
        )

    def convert(self, message: Message) -> Normalised:
        """The canonical facts. Raises :class:`BadPayload` where the message has no type."""
        who = self.identify(message)
        if who.event_type == "unknown":
            raise BadPayload("the CloudEvent names no type")
        tenant = self._named(self._options.tenant, message.content)
        return Normalised(
            event_type=who.event_type,
            raw_event_type=who.raw_event_type,
            message_id=who.message_id,
            occurred_at=who.occurred_at,
            resource_kind=who.resource_kind,
            resource_id=who.resource_id,
            parents={"project": tenant} if tenant else {},
            tenant_id=tenant,
            actor=self._named(self._options.actor, message.content),
        )

    def _object(self, content: Mapping[str, Any]) -> ObjectRef | None:
        attributes = content.get("cloudevent")
        subject = attributes.get("subject") if isinstance(attributes, dict) else None
        if not isinstance(subject, str):
            return None
        return next((found for pattern in self._patterns if (found := pattern.read(subject)) is not None), None)

    def _named(self, path: str | None, content: Mapping[str, Any]) -> str | None:
        """The text that an option's path leads to."""
        if path is None:
            return None
        first, *rest = path.split(".")
        value: Any = content.get("payload")
        if not rest:
            value, rest = content.get("cloudevent"), [first]
        for part in rest:
            value = value.get(part) if isinstance(value, dict) else None
        return text(value)


def _data(value: Mapping[str, Any]) -> Any:
    """The data of a CloudEvent, read where it is JSON in a text."""
    if "data_base64" not in value:
        return value.get("data")
    try:
        packed = cloudevents.data_of(value)
    except BadPayload:
        # Bytes of some other sort are the sender's good right; they are kept as they came.
        return {"data_base64": value["data_base64"]}
    try:
        return wire.read(packed)[0] if packed else None
    except BadPayload:
        return packed


def _occurred_at(content: Mapping[str, Any]) -> datetime:
    return moment(content.get("timestamp")) or clock.now()
