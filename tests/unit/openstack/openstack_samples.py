"""Small notifications of our own making, in every wire form."""

from __future__ import annotations

import json
from typing import Any

VM = "3f1c0a52-0000-4000-8000-000000000001"
PROJECT = "aa11bb22cc33dd44ee55ff6677889900"
USER = "00998877665544332211ffeeddccbbaa"
REQUEST = "req-0f0f0f0f-1111-4222-8333-444444444444"
CONTEXT = {
    "_context_user_name": "erin",
    "_context_user_id": USER,
    "_context_project_id": PROJECT,
    "_context_request_id": REQUEST,
}


def notification(event_type: str, payload: Any, **more: Any) -> dict[str, Any]:
    """A flat oslo 1.0 notification."""
    return {
        "message_id": "5b0c7d8e-0000-4000-8000-00000000abcd",
        "publisher_id": "compute.node7.example",
        "event_type": event_type,
        "priority": "INFO",
        "payload": payload,
        "timestamp": "2026-03-04 10:11:12.131415",
        "_unique_id": "0123456789abcdef",
        **CONTEXT,
        **more,
    }


def envelope(inner: dict[str, Any]) -> dict[str, Any]:
    """The oslo 2.0 envelope around a notification."""
    return {"oslo.version": "2.0", "oslo.message": json.dumps(inner)}


def versioned(event_type: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A nova notification with a versioned payload."""
    payload = {
        "nova_object.name": "SomePayload",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.8",
        "nova_object.data": data,
    }
    return notification(event_type, payload, **{"publisher_id": "nova-compute:node7.example", **more})


def telemetry_batch(*events: Any) -> dict[str, Any]:
    """Ceilometer's notification that carries events."""
    return {
        "message_id": "99999999-0000-4000-8000-000000000000",
        "publisher_id": "telemetry.publisher.ctl0",
        "event_type": "event",
        "priority": "SAMPLE",
        "payload": list(events),
        "timestamp": "2026-03-04 10:11:13.000000",
    }


def bus_event(event_type: str, message_id: str = "m-1", **traits: Any) -> dict[str, Any]:
    """One event as Ceilometer sends it over the bus."""
    return {
        "message_id": message_id,
        "event_type": event_type,
        "generated": "2026-03-04T10:11:12.131415",
        "traits": [[name, 1, value] for name, value in traits.items()],
        "raw": {},
        "message_signature": "f00d",
    }


def api_event(event_type: str, message_id: str = "m-1", **traits: Any) -> dict[str, Any]:
    """One event as the Ceilometer and Panko APIs answer it."""
    return {
        "message_id": message_id,
        "event_type": event_type,
        "generated": "2026-03-04T10:11:12.131415",
        "traits": [{"name": name, "type": "string", "value": str(value)} for name, value in traits.items()],
        "raw": {},
    }
