"""Takes a body out of its wrappings: one body in, the messages that it carries out (spec capture 2).

Known are the flat oslo 1.0 form, the oslo 2.0 envelope, the Service Telemetry Framework's wrapping of
that envelope, Ceilometer's batches of events, an event of the Ceilometer or Panko API, a CloudEvent whose
data is any of them, and a body that was written down as JSON text once more.
"""

from __future__ import annotations

from typing import Any

from tasks.model.errors import BadPayload
from tasks.model.event import Message
from tasks.providers import cloudevents
from tasks.providers.openstack import wire
from tasks.providers.openstack.cleansing import cleanse

OSLO = "oslo"
TELEMETRY = "telemetry"

#: How many wrappings are taken off before a body counts as nonsense; real ones have four at most.
_WRAPPINGS = 6
#: How many events one telemetry batch may carry.
_BATCH_LIMIT = 10_000
_CONTEXT = "_context_"
#: Without one of these an object is no notification at all.
_MARKS = ("event_type", "message_id", "payload")


def unwrap(body: bytes | str | dict[str, Any]) -> list[Message]:
    """The messages in a body, free of secrets, in the order in which they stand there.

    Raises :class:`BadPayload` for a body that cannot be read, or that holds no notification.
    """
    notification, context, source = _open(body)
    payload = notification.get("payload")
    if isinstance(payload, list) and _is_batch(notification, payload):
        if len(payload) > _BATCH_LIMIT:
            raise BadPayload(f"the message carries {len(payload)} events, more than the {_BATCH_LIMIT} that are taken")
        return [_telemetry(element, source) for element in payload]
    if isinstance(notification.get("traits"), list) and payload is None:
        return [_telemetry(notification, source)]
    if not any(mark in notification for mark in _MARKS):
        raise BadPayload(f"the body is an object without any of {', '.join(_MARKS)}: not a notification")
    return [_oslo(notification, context, source)]


def _open(body: object) -> tuple[dict[str, Any], dict[str, Any], str]:
    value, source = wire.read(body)
    context: dict[str, Any] = {}
    for _ in range(_WRAPPINGS):
        if isinstance(value, str):
            value, source = wire.read(value)
            continue
        if not isinstance(value, dict):
            raise BadPayload(f"the body is JSON but no object: {type(value).__name__}")
        request = value.get("request")
        if isinstance(request, dict) and "oslo.message" in request:
            if isinstance(value.get("context"), dict):
                context = value["context"]
            value = request
        if cloudevents.is_cloudevent(value) and not any(mark in value for mark in _MARKS):
            # Some forward notifications as CloudEvents, which then are one more wrapping.
            cloudevents.check(value)
            value = cloudevents.data_of(value)
            continue
        if "oslo.message" not in value:
            return value, context, source
        value = value["oslo.message"]
        if not isinstance(value, (str, dict)):
            raise BadPayload("the envelope's oslo.message is neither text nor an object")
    raise BadPayload(f"the body is wrapped more than {_WRAPPINGS} times")


def _is_batch(notification: dict[str, Any], payload: list[Any]) -> bool:
    if notification.get("event_type") == "event":
        return True
    return bool(payload) and all(isinstance(e, dict) and isinstance(e.get("traits"), list) for e in payload)


def _oslo(notification: dict[str, Any], outer: dict[str, Any], source: str) -> Message:
    content: dict[str, Any] = {}
    context = outer
    for key, value in notification.items():
        if key.startswith(_CONTEXT):
            context[key[len(_CONTEXT) :]] = value
        elif key == "context" and isinstance(value, dict):
            context.update(value)
        elif key != "_unique_id":  # names one sending, and would give one notification two identities
            content[key] = value
    content["context"] = context
    cleanse(content, source)
    return Message(OSLO, content)


def _telemetry(event: Any, source: str) -> Message:
    """One event of Ceilometer or Panko in the shape of a notification: its traits are the payload.

    What is no such event becomes a message all the same, one that cannot be converted: its neighbours
    in the batch go on, and it is seen.
    """
    if not isinstance(event, dict) or not isinstance(event.get("traits"), list):
        content: dict[str, Any] = {"event_type": "event", "payload": [event], "context": {}}
        cleanse(content, source)
        return Message(TELEMETRY, content)
    content = {
        "message_id": event.get("message_id"),
        "event_type": event.get("event_type"),
        "timestamp": event.get("generated"),
        "payload": _traits(event["traits"]),
        "context": {},
    }
    if event.get("raw"):
        content["raw"] = event["raw"]
    cleanse(content, source)
    return Message(TELEMETRY, content)


def _traits(traits: list[Any]) -> dict[str, Any]:
    """Traits as one flat object: the API sends objects, the bus triples (spec capture 2.5)."""
    flat: dict[str, Any] = {}
    for trait in traits:
        if isinstance(trait, dict):
            name, value = trait.get("name"), trait.get("value")
        elif isinstance(trait, list) and len(trait) == 3:
            name, _, value = trait
        else:
            continue
        if isinstance(name, str) and value is not None:
            flat[name] = value
    return flat
