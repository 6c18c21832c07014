"""What the reading queries hand out: plain rows, ready for a table, a page or JSON."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from tasks.model.clock import rfc3339


class Line:
    """A row of an answer. Its fields are its JSON keys; moments become RFC 3339 text."""

    __slots__ = ()

    def as_dict(self) -> dict[str, Any]:
        """The line as plain data, ready for JSON."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]  # every line is a dataclass


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Line):
        return value.as_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class EventLine(Line):
    """One event: its canonical facts, and where it stands.

    ``provider`` is the one whose object the event concerns, for a raised event too; ``raised`` tells the
    two apart. ``stage`` is what a pending event stands before and where a dead one died; ``error`` is why.
    ``result`` is what the policies of a raised event concluded: success, failure, or None.
    """

    id: int
    provider: str
    raised: bool
    parent_id: int | None
    depth: int
    event_type: str
    raw_event_type: str
    message_id: str
    state: str
    stage: str | None
    due_at: datetime | None
    attempts: int
    error: str | None
    occurred_at: datetime
    caught_at: datetime
    finished_at: datetime | None
    late: bool
    resource_kind: str | None
    resource_id: str | None
    resource_name: str | None
    parents: dict[str, Any]
    tenant_id: str | None
    actor: str | None
    host: str | None
    phase: str | None
    group: str
    level: str
    request_id: str | None
    chain_id: str | None
    details: dict[str, Any]
    result: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectLine(Line):
    """One inventory object as Catchment knows it."""

    provider: str
    kind: str
    ref: str
    name: str | None
    state: str
    tenant_id: str | None
    seen_at: datetime
    read_at: datetime | None
    gone_at: datetime | None
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChangeLine(Line):
    """One change of an inventory object, and the event that led to the read which found it."""

    id: int
    provider: str
    kind: str
    ref: str
    name: str | None
    at: datetime
    verdict: str
    event_id: int | None
    event_type: str | None
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RefreshLine(Line):
    """That an object is to be read again. ``state`` is ``owed``, ``being read``, ``read`` or ``failed``.

    ``event_id`` is the event that wanted it.
    """

    event_id: int | None
    provider: str
    kind: str
    ref: str
    state: str
    due_at: datetime
    attempts: int
    read_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class ObjectDetail(Line):
    """One inventory object with its history, newest change first, and whether a read of it is owed."""

    provider: str
    kind: str
    ref: str
    name: str | None
    state: str
    tenant_id: str | None
    seen_at: datetime
    read_at: datetime | None
    gone_at: datetime | None
    attributes: dict[str, Any]
    refresh: RefreshLine | None
    changes: list[ChangeLine]


@dataclass(frozen=True, slots=True)
class TryLine(Line):
    """One try of an effect. ``ended_at`` and ``verdict`` are empty while it runs."""

    attempt: int
    worker: str
    started_at: datetime
    ended_at: datetime | None
    verdict: str | None
    summary: str | None
    detail: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class EffectLine(Line):
    """One effect. ``running`` says that a worker tries it right now."""

    id: int
    key: str
    event_id: int
    event_type: str
    rule: str
    action: str
    params: dict[str, Any]
    target_kind: str | None
    target_id: str | None
    site_version: str
    state: str
    running: bool
    asked_at: datetime
    due_at: datetime
    attempts: int
    ended_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class IncidentLine(Line):
    """One incident: an alert on an object until somebody closes it. ``event_id`` is what opened it.

    ``notified_by`` is the event on which people were last notified, and ``cannot_notify`` says that this
    notification, or a part of it, is dead: nobody may know of the incident.
    """

    id: int
    alert: str
    provider: str
    kind: str
    ref: str
    name: str | None
    severity: str
    state: str
    summary: str
    event_id: int
    opened_at: datetime
    last_at: datetime
    count: int
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    closed_by: str | None
    assigned_to: str | None = None
    notified_by: int | None = None
    cannot_notify: bool = False


@dataclass(frozen=True, slots=True)
class IncidentGroup(Line):
    """All incidents that have one thing in common: what ``group`` names, None where they have none.

    ``provider`` is set where the group is an object. ``unclosed`` of them are not closed, ``cannot_notify``
    of them could not tell anybody; ``worst`` is the worst severity.
    """

    group: str | None
    provider: str | None
    incidents: int
    unclosed: int
    cannot_notify: int
    worst: str
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class NoteLine(Line):
    """One thing that was done to an incident, or said of it."""

    at: datetime
    who: str
    word: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Likeness(Line):
    """How many events were concluded on in the same words by the same site, and between which moments."""

    events: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class DecisionLine(Line):
    """What a stage concluded: each thing that it looked at, and the site that it went by.

    ``alike`` is set where the decision was written in digest, once for all the events that it fits.
    """

    id: int
    stage: str
    decided_at: datetime
    site_version: str
    findings: list[dict[str, Any]]
    error: str | None
    alike: Likeness | None = None


@dataclass(frozen=True, slots=True)
class TriedEffect(Line):
    """An effect with all its tries."""

    effect: EffectLine
    tries: list[TryLine]

    def as_dict(self) -> dict[str, Any]:
        """The effect's own keys, and ``tries``."""
        return {**self.effect.as_dict(), "tries": [attempt.as_dict() for attempt in self.tries]}


@dataclass(frozen=True, slots=True)
class IncidentLink(Line):
    """An incident, and whether an event ``opened`` it or ``counted`` on it while it was open."""

    incident: IncidentLine
    relation: str

    def as_dict(self) -> dict[str, Any]:
        """The incident's own keys, and ``relation``."""
        return {**self.incident.as_dict(), "relation": self.relation}
