"""Says where an event comes from: whose object, who did it, on which host, under which request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.providers.openstack.payloads import Opened
from tasks.providers.openstack.values import first, mapping, text

_TENANT_KEYS = ("tenant_id", "project_id", "owner", "owner_id", "tenant", "project")
_CONTEXT_TENANT_KEYS = ("project_id", "tenant_id", "tenant", "project")
_CONTEXT_ACTOR_KEYS = ("user_name", "username", "user_id", "user")
_INITIATOR_KEYS = ("username", "name", "user_id", "id")
_PAYLOAD_ACTOR_KEYS = ("username", "action_initiator_user", "initiator_id", "user_id")
_HOST_KEYS = ("host", "binding:host_id", "host_name")
#: What ironic says of a node beside what inventory has: where its power and its provisioning go, and from where.
_NODE_DETAILS = (
    "power_state", "to_power", "from_power", "provision_state", "previous_provision_state", "event", "last_error",
)  # fmt: skip
_COMPUTE = frozenset({"compute", "nova-compute"})
_SEPARATOR = re.compile(r"[.:]")


def publisher_of(content: Mapping[str, Any]) -> tuple[str, str]:
    """Service and host of the sender: ``compute.node1``, or ``nova-compute:node1`` in versioned form."""
    publisher = text(content.get("publisher_id"))
    if publisher is None:
        return "", ""
    parts = _SEPARATOR.split(publisher, maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def context_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request context of a message, without the wire's prefix."""
    return mapping(content.get("context"))


def tenant_of(opened: Opened, content: Mapping[str, Any]) -> str | None:
    """The project that the object belongs to; where nothing says so, the project that asked."""
    keys = _TENANT_KEYS if opened.kind != "role_assignment" else ("project",)
    owner = first(opened.subject, keys) or (
        first(opened.payload, keys) if opened.subject is not opened.payload else None
    )
    if owner is None:
        owner = first(context_of(content), _CONTEXT_TENANT_KEYS)
    return owner or text(mapping(opened.payload.get("initiator")).get("project_id"))


def actor_of(opened: Opened, content: Mapping[str, Any]) -> str | None:
    """Who did it: the user's name where the message tells it, else the id."""
    return (
        first(context_of(content), _CONTEXT_ACTOR_KEYS)
        or first(mapping(opened.payload.get("initiator")), _INITIATOR_KEYS)
        or first(opened.payload, _PAYLOAD_ACTOR_KEYS)
    )


def host_of(opened: Opened, content: Mapping[str, Any]) -> str | None:
    """The host that the object is on. Cinder's ``host@backend#pool`` is cut to the host."""
    keys = ("host",) if opened.kind == "server" else _HOST_KEYS
    host = first(opened.subject, keys) or first(opened.payload, keys)
    if host is None:
        service, name = publisher_of(content)
        host = text(name) if service in _COMPUTE else None
    return text(host.partition("@")[0].partition("#")[0]) if host else None


def request_of(opened: Opened, content: Mapping[str, Any]) -> str | None:
    """The API request that set it off."""
    return (
        text(context_of(content).get("request_id"))
        or text(opened.payload.get("request_id"))
        or text(mapping(opened.payload.get("initiator")).get("request_id"))
    )


def chain_of(opened: Opened) -> str | None:
    """What ties the events of one launch together: nova's reservation, a text (spec capture 9 B10)."""
    return text(opened.payload.get("reservation_id"))


def details_of(opened: Opened) -> dict[str, Any]:
    """What an event of a node tells of its way from state to state."""
    if opened.kind != "node":
        return {}
    return {name: found for name in _NODE_DETAILS if (found := text(opened.subject.get(name))) is not None}
