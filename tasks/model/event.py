"""Notification, message and event: what a provider sent, unwrapped, and made canonical."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

#: The provider name under which Catchment's own raised events are counted.
INTERNAL = "internal"

#: The source of an ESI Leap service's events, as the switchboard's addresses name it.
ESI_LEAP = "ESI_LEAP"

#: Namespace of an event in the switchboard's addresses (spec automate 3.5).
PROVIDER_EVENT = "EmsEvent"
POLICY_EVENT = "MiqEvent"
REQUEST_EVENT = "RequestEvent"
DELIVERY = "Delivery"
CUSTOM_EVENT = "CustomEvent"

#: The source of raised events that are none of those below, as the switchboard's addresses name it.
POLICY_SOURCE = "POLICY"
#: Sources of custom events: what a rule asks of a workflow, and a mark on an object's timeline.
ALERT_SOURCE = "Alert"
MARK_SOURCE = "Mark"
#: Sources of the events that schedules and jobs wait for (spec orchestrate 7.1): a rule over facts, Catchment
#: itself, somebody outside, and a clock.
RULE_SOURCE, BUILTIN_SOURCE, EXTERNAL_SOURCE, TIMER_SOURCE = "Rule", "Builtin", "External", "Timer"
TOLD_SOURCES = (RULE_SOURCE, BUILTIN_SOURCE, EXTERNAL_SOURCE, TIMER_SOURCE)
_CUSTOM_SOURCES = (ALERT_SOURCE, MARK_SOURCE, *TOLD_SOURCES)
#: The type of such marks.
TIMELINE_MARK = "timeline_mark"

#: The word of a kind of provider in the switchboard's addresses, where it is not the kind in capitals.
_SOURCES = {"ovirt": "RHEVM"}

#: Kinds of objects that are Catchment's own: what somebody asked for, and a piece of the work on it.
REQUEST = "request"
REQUEST_TASK = "request_task"
#: The kind of a provider as an object that rules are about: its id is its name.
PROVIDER = "provider"

#: The kind of a rule event as an object: what it tells of several objects at once is about the rule itself.
RULE = "rule"

#: Objects that rules may be about and that stand in no inventory.
OWN_KINDS = frozenset(
    {REQUEST, REQUEST_TASK, PROVIDER, RULE, "resource", "user", "job", "jobinstance", "matrix", "vmhost", "repository"}
)

#: Namespace and source of an event that Catchment raised, by the kind of its object; all others are policy events.
RAISED_AS = {REQUEST: (REQUEST_EVENT, "Request"), REQUEST_TASK: (DELIVERY, "Request")}


class ObjectRef(NamedTuple):
    """An inventory object of one provider: its kind (``server``) and the provider's own id."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True)
class Notification:
    """What a monitor hands over: the body as it came, and by which road."""

    body: bytes | str | dict[str, Any]
    road: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One unwrapped notification, free of secrets, as the ledger keeps it.

    ``content`` has the sender's keys (``message_id``, ``event_type``, ``timestamp``, ``publisher_id``,
    ``priority``, ``payload``, and ``context`` without the ``_context_`` prefix). ``form`` names the
    wire format: ``oslo`` or ``telemetry`` of OpenStack, ``engine`` of oVirt.
    """

    form: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """What catch must know of a message before it is converted: who it is and whom it concerns.

    ``twin`` is set where a sender publishes the same fact twice in two payload kinds (nova with both
    formats on): equal for both, and ``variant`` tells the two apart.
    """

    message_id: str
    raw_event_type: str
    event_type: str
    occurred_at: datetime
    resource_kind: str | None = None
    resource_id: str | None = None
    twin: str | None = None
    variant: str = ""


@dataclass(slots=True)
class Normalised:
    """The canonical facts of one event, whatever source and payload kind it came from.

    ``details`` are further facts that a kind of provider has of its own: names to texts and numbers.

    Nobody changes them once they are handed on. They are not frozen all the same: making frozen ones,
    one for each event and stage, took twice the time.
    """

    event_type: str
    raw_event_type: str
    message_id: str
    occurred_at: datetime
    resource_kind: str | None = None
    resource_id: str | None = None
    parents: dict[str, str] = field(default_factory=dict)
    tenant_id: str | None = None
    actor: str | None = None
    host: str | None = None
    phase: str | None = None
    group: str = "other"
    level: str = "detail"
    request_id: str | None = None
    chain_id: str | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def ref(self) -> ObjectRef | None:
        """The object that the event is about, or None where the message names none."""
        if self.resource_kind and self.resource_id:
            return ObjectRef(self.resource_kind, self.resource_id)
        return None


@dataclass(slots=True)
class Event:
    """An event on its way: the canonical facts, and where it comes from.

    ``payload`` has the ``form`` and the ``content`` of the stored notification; a raised event has those of its cause.
    ``plan`` is what the switchboard decided (see :class:`tasks.model.outcome.Plan`), as plain data.
    """

    id: int
    provider: str
    source: str
    namespace: str
    facts: Normalised
    payload: Mapping[str, Any]
    parent_id: int | None = None
    depth: int = 0
    attempts: int = 0
    plan: dict[str, Any] | None = None
    late: bool = False

    @property
    def event_type(self) -> str:
        """The canonical type, as rules and policies name it."""
        return self.facts.event_type

    @property
    def carried(self) -> Mapping[str, Any]:
        """What a custom event was raised with; empty for all others."""
        content = self.payload.get("content") if self.namespace == CUSTOM_EVENT else None
        carried = content.get("payload") if isinstance(content, Mapping) else None
        return carried if isinstance(carried, Mapping) else {}

    def target(self) -> ObjectRef | None:
        """The inventory object that the event is about."""
        return self.facts.ref()

    def role(self, name: str) -> ObjectRef | None:
        """Resolve a target word of the switchboard (spec automate 4.4): ``src_vm``, ``src_host``, ...

        Returns None where the event names no such object.
        """
        return _resolve_role(self.facts, name)


def source_of(kind: str) -> str:
    """The word of a kind of provider in the switchboard's addresses (``EmsEvent/OPENSTACK``)."""
    return _SOURCES.get(kind, kind.upper())


def raw_type_of(source: str | None, event_type: str) -> str:
    """The raw type of a raised event: a custom one has its namespace and source there, all others their type."""
    return f"{CUSTOM_EVENT}/{source}/{event_type}" if source else event_type


def raised_as(facts: Normalised) -> tuple[str, str]:
    """Namespace and source of an event that Catchment raised (see :data:`RAISED_AS`, :func:`raw_type_of`)."""
    if facts.raw_event_type != facts.event_type:
        for source in _CUSTOM_SOURCES:
            if facts.raw_event_type == raw_type_of(source, facts.event_type):
                return CUSTOM_EVENT, source
    return RAISED_AS.get(facts.resource_kind or "", (POLICY_EVENT, POLICY_SOURCE))


#: Target words and the kinds of object that each one means, the first that the event names: an oVirt event about a
#: template has it where others have their machine (spec capture 4.3). A cloud has no templates.
ROLES: dict[str, tuple[str, ...]] = {
    "src_vm": ("server", "template"),
    "src_host": ("host",),
    "host": ("host",),
    "availability_zone": ("availability_zone",),
    "tenant": ("project",),
    "physical_server": ("node",),
}


def _resolve_role(facts: Normalised, name: str) -> ObjectRef | None:
    if name == "target":
        return facts.ref()
    kinds = ROLES.get(name, ())
    if facts.resource_kind in kinds and facts.resource_id:
        return ObjectRef(facts.resource_kind, facts.resource_id)
    for kind in kinds:
        if parent := facts.parents.get(kind):
            return ObjectRef(kind, parent)
    if kinds == ("host",) and facts.host:
        return ObjectRef("host", facts.host)
    if kinds == ("project",) and facts.tenant_id:
        return ObjectRef("project", facts.tenant_id)
    return None


def object_key(provider: str, ref: ObjectRef | None, message_id: str) -> str:
    """The ordering key of an event: its object, or the event alone where it names none."""
    return f"{provider}/{ref.kind}/{ref.id}" if ref else f"{provider}//{message_id}"


def lane_of(key: str, lanes: int) -> int:
    """The lane of an object key: a hash that is the same on every host and in every release."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") % lanes
