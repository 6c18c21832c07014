"""A notification as a service publishes it: oslo.messaging's fields, topic and envelope."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from examples.cloud.records import Actor

#: Services that publish without a request context.
WITHOUT_CONTEXT = frozenset({"glance", "keystone"})


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification on its way to the bus."""

    exchange: str
    event_type: str
    publisher_id: str
    payload: dict[str, Any]
    actor: Actor
    message_id: str
    unique_id: str
    moment: datetime
    topic: str = "notifications"
    priority: str = "INFO"

    @property
    def routing_key(self) -> str:
        """Topic and priority: what queues are bound with (spec capture 2.2)."""
        return f"{self.topic}.{self.priority.lower()}"

    def message(self) -> dict[str, Any]:
        """The notification in format 1.0, with its context (spec capture 2.1)."""
        context = {} if self.exchange in WITHOUT_CONTEXT else request_context(self.actor, self.exchange, self.moment)
        return {
            "message_id": self.message_id,
            "publisher_id": self.publisher_id,
            "event_type": self.event_type,
            "priority": self.priority,
            "payload": self.payload,
            "timestamp": spaced(self.moment),
            "_unique_id": self.unique_id,
            **{f"_context_{name}": value for name, value in context.items()},
        }

    def body(self) -> dict[str, str]:
        """The notification inside the envelope of format 2.0: the body of an AMQP message."""
        return {"oslo.version": "2.0", "oslo.message": json.dumps(self.message())}


def request_context(actor: Actor, exchange: str, moment: datetime) -> dict[str, Any]:
    """The request context that a service sends along; tokens are already redacted by the sender."""
    user, project = actor.user.id, actor.project.id
    context: dict[str, Any] = {
        "user": user,
        "user_id": user,
        "project": project,
        "project_id": project,
        "system_scope": None,
        "domain": None,
        "user_domain": "default" if exchange == "nova" else None,
        "project_domain": "default" if exchange == "nova" else None,
        "is_admin": "admin" in actor.user.roles.get(project, ()),
        "read_only": False,
        "show_deleted": False,
        "auth_token": None,
        "request_id": actor.request_id,
        "global_request_id": None,
        "resource_uuid": None,
        "roles": list(actor.user.roles.get(project, ())),
        "user_identity": f"{user} {project} - - -",
        "is_admin_project": True,
        "timestamp": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f"),
    }
    if exchange == "neutron":
        context |= {
            "tenant_id": project,
            "tenant_name": None,
            "user_name": actor.user.name,
            "project_name": None,
        }
    elif exchange == "nova":
        context |= {"read_deleted": "no", "remote_address": None, "quota_class": None, "service_catalog": []}
        context |= {"user_name": actor.user.name, "project_name": actor.project.name}
    else:
        context |= {"project_name": actor.project.name, "read_deleted": "no", "service_catalog": []}
    return context


def spaced(moment: datetime) -> str:
    """A moment as oslo writes it: UTC, a space, microseconds, no zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def micros(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and no zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def whole(moment: datetime) -> str:
    """ISO 8601 in UTC, whole seconds, ending in ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def offset(moment: datetime, gap: str = "T") -> str:
    """Whole seconds with the offset ``+00:00``, as cinder and old nova payloads have it."""
    return moment.astimezone(UTC).strftime(f"%Y-%m-%d{gap}%H:%M:%S+00:00")
