"""What the telemetry service makes of notifications: events with traits (spec capture 2.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from examples.cloud.notices import Notice, micros

#: Text traits are cut to this many characters.
TEXT_LIMIT = 255
#: Only these priorities become events.
PRIORITIES = frozenset({"INFO", "ERROR"})

Traits = dict[str, tuple[str, str]]

_NETWORK = ("network", "subnet", "port", "router", "floatingip")
_INSTANCE_TEXT = ("display_name", "cell_name", "instance_type", "instance_type_id", "state")
_INSTANCE_NUMBERS = ("memory_mb", "disk_gb", "root_gb", "ephemeral_gb", "vcpus")
_INSTANCE_MOMENTS = ("launched_at", "deleted_at")


@dataclass(frozen=True, slots=True)
class TelemetryEvent:
    """An event as the event API lists it; ``traits`` maps a name to its type and its value as text."""

    message_id: str
    event_type: str
    generated: str
    traits: Traits

    def value(self, name: str) -> str | None:
        """A trait's value, or None where the event has no such trait."""
        trait = self.traits.get(name)
        return trait[1] if trait else None

    def as_dict(self) -> dict[str, Any]:
        """The event as the API shows it."""
        return {
            "message_id": self.message_id,
            "event_type": self.event_type,
            "generated": self.generated,
            "traits": [{"name": n, "type": t, "value": v} for n, (t, v) in sorted(self.traits.items())],
            "raw": {},
        }


def event_of(notice: Notice) -> TelemetryEvent | None:
    """The event that telemetry stores for a notification, or None where it stores none.

    Telemetry listens to the topic ``notifications`` alone and keeps priorities info and error.
    """
    if notice.topic != "notifications" or notice.priority not in PRIORITIES:
        return None
    traits: Traits = {}
    _defaults(notice, traits)
    for prefix, add in _FAMILIES:
        if notice.event_type.startswith(prefix):
            add(notice, traits)
            break
    return TelemetryEvent(notice.message_id, notice.event_type, micros(notice.moment), traits)


def _put(traits: Traits, name: str, value: object, kind: str = "string") -> None:
    if value is None or (value == "" and kind != "string"):
        return
    traits[name] = (kind, str(value)[:TEXT_LIMIT] if kind == "string" else str(value))


def _defaults(notice: Notice, traits: Traits) -> None:
    message = notice.message()
    payload = notice.payload
    project = payload.get("tenant_id") or message.get("_context_project_id")
    _put(traits, "service", notice.publisher_id)
    _put(traits, "request_id", message.get("_context_request_id"))
    _put(traits, "project_id", project)
    _put(traits, "tenant_id", project)
    _put(traits, "user_id", payload.get("user_id") or message.get("_context_user_id"))


def _instance(notice: Notice, traits: Traits) -> None:
    payload = notice.payload
    service, _, host = notice.publisher_id.partition(".")
    _put(traits, "service", service)
    _put(traits, "host", host)
    _put(traits, "instance_id", payload.get("instance_id"))
    _put(traits, "resource_id", payload.get("instance_id"))
    for name in _INSTANCE_TEXT:
        _put(traits, name, payload.get(name))
    for name in _INSTANCE_NUMBERS:
        _put(traits, name, payload.get(name), "integer")
    for name in _INSTANCE_MOMENTS:
        _put(traits, name, payload.get(name), "datetime")
    if notice.event_type == "compute.instance.create.end":
        _put(traits, "availability_zone", payload.get("availability_zone"))
    if notice.event_type == "compute.instance.update":
        _put(traits, "old_state", payload.get("old_state"))


def _volume(notice: Notice, traits: Traits) -> None:
    payload = notice.payload
    _put(traits, "resource_id", payload.get("volume_id"))
    _put(traits, "type", payload.get("volume_type"))
    _put(traits, "size", payload.get("size"), "integer")
    for name in ("host", "status", "display_name", "availability_zone", "replication_status"):
        _put(traits, name, payload.get(name))
    _put(traits, "created_at", payload.get("created_at"), "datetime")
    attached = payload.get("volume_attachment") or [{}]
    _put(traits, "instance_id", attached[0].get("server_id") or attached[0].get("instance_uuid"))


def _snapshot(notice: Notice, traits: Traits) -> None:
    payload = notice.payload
    _put(traits, "resource_id", payload.get("snapshot_id"))
    for name in ("volume_id", "status", "display_name", "availability_zone"):
        _put(traits, name, payload.get(name))
    _put(traits, "created_at", payload.get("created_at"), "datetime")


def _image(notice: Notice, traits: Traits) -> None:
    payload = notice.payload
    traits.pop("tenant_id", None)
    _put(traits, "resource_id", payload.get("id"))
    _put(traits, "project_id", payload.get("owner"))
    _put(traits, "user_id", payload.get("owner"))
    _put(traits, "name", payload.get("name"))
    _put(traits, "status", payload.get("status"))
    _put(traits, "size", payload.get("size"), "integer")
    _put(traits, "created_at", payload.get("created_at"), "datetime")
    _put(traits, "deleted_at", payload.get("deleted_at"), "datetime")


def _identity(notice: Notice, traits: Traits) -> None:
    payload = notice.payload
    initiator = payload.get("initiator", {})
    _put(traits, "resource_id", payload.get("resource_info"))
    _put(traits, "initiator_id", initiator.get("id"))
    _put(traits, "project_id", initiator.get("project_id"))
    _put(traits, "domain_id", initiator.get("domain_id"))


def _stack(notice: Notice, traits: Traits) -> None:
    payload = notice.payload
    _put(traits, "resource_id", payload.get("stack_identity"))
    _put(traits, "name", payload.get("stack_name"))


def _network(notice: Notice, traits: Traits) -> None:
    kind = notice.event_type.split(".", 1)[0]
    body = notice.payload.get(kind)
    body = body if isinstance(body, dict) else {}
    traits.pop("tenant_id", None)
    _put(traits, "resource_id", body.get("id") or notice.payload.get("id"))
    _put(traits, "name", body.get("name"))


_FAMILIES: tuple[tuple[str, Callable[[Notice, Traits], None]], ...] = (
    ("compute.instance.", _instance),
    ("volume.", _volume),
    ("snapshot.", _snapshot),
    ("image.", _image),
    ("identity.", _identity),
    ("orchestration.stack.", _stack),
    *((f"{kind}.", _network) for kind in _NETWORK),
)
