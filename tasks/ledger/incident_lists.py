"""Lists of incidents: filtered page by page, one line a group, and one incident with all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, literal, select, tuple_
from sqlalchemy.orm import Session

from tasks.ledger.deeds import Deeds
from tasks.ledger.events import Event
from tasks.ledger.incident_moves import history
from tasks.ledger.incidents import CLOSED, Incident
from tasks.ledger.lines import EventLine, IncidentGroup, IncidentLine, Line, NoteLine, TriedEffect
from tasks.ledger.patterns import fits
from tasks.ledger.providers import Provider
from tasks.ledger.selects import cannot_notify, event_lines, incident_lines, read_events, read_incidents
from tasks.model.event import ObjectRef, object_key

#: Events on the object of one incident that are looked through for those that fired it, the newest first.
LOOKED_AT = 100
#: Severities from the mildest to the worst.
SEVERITIES = ("info", "warning", "error")
#: What incidents are grouped by: the columns that a group has in common.
GROUPS: dict[str, tuple[Any, ...]] = {
    "alert": (Incident.alert,),
    "object": (Incident.kind, Incident.ref, Provider.name),
    "tenant": (Event.tenant_id,),
    "severity": (Incident.severity,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which incidents: all that is given must hold.

    ``state`` is ``open``, ``acknowledged`` or ``closed``; ``alert`` may have ``*`` and ``?``; ``resource`` is
    ``kind/id`` or an id; ``project`` is that of the event that opened the incident; ``cannot_notify`` takes
    those alone whose newest notification is dead.
    """

    state: str | None = None
    alert: str | None = None
    severity: str | None = None
    resource: str | None = None
    provider: str | None = None
    project: str | None = None
    cannot_notify: bool = False


@dataclass(frozen=True, slots=True)
class FiringLine(Line):
    """One event that fired the incident's alert: it ``opened`` the incident or was ``counted`` on it.

    ``notifications`` are the effects that the alert asked for on it: none where it was held or silenced.
    """

    event_id: int
    event_type: str
    occurred_at: datetime
    relation: str
    verdict: str | None
    notifications: list[TriedEffect]


@dataclass(frozen=True, slots=True)
class IncidentTale(Line):
    """One incident, what people did with it, and the events that fired it, the newest first.

    ``cut`` says that the object has more events than were looked through.
    """

    incident: IncidentLine
    history: list[NoteLine]
    firings: list[FiringLine]
    cut: bool

    def as_dict(self) -> dict[str, Any]:
        """The incident's own keys, and ``history``, ``firings`` and ``cut``."""
        rest = {
            "history": [note.as_dict() for note in self.history],
            "firings": [firing.as_dict() for firing in self.firings],
            "cut": self.cut,
        }
        return {**self.incident.as_dict(), **rest}


def incidents(
    session: Session, wanted: Wanted | None = None, *, after_id: int | None = None, limit: int = 100
) -> list[IncidentLine]:
    """Incidents, the one that fired last first. The list goes on after the incident ``after_id``."""
    query = incident_lines().where(*_conditions(session, wanted or Wanted()))
    if after_id is not None:
        last = select(Incident.last_at).where(Incident.id == after_id).scalar_subquery()
        query = query.where(tuple_(Incident.last_at, Incident.id) < tuple_(last, literal(after_id)))
    return read_incidents(session, query.order_by(Incident.last_at.desc(), Incident.id.desc()).limit(limit))


def groups(session: Session, by: str, wanted: Wanted | None = None, *, limit: int = 100) -> list[IncidentGroup]:
    """One line for each alert, object, tenant or severity that incidents have, the one that fired last first.

    ``by`` is a key of :data:`GROUPS`. The database counts; no incident is read for it.
    """
    columns = GROUPS[by]
    rank = case(*((Incident.severity == word, number) for number, word in enumerate(SEVERITIES)), else_=-1)
    last = func.max(Incident.last_at)
    query = (
        select(
            *columns,
            func.count().label("incidents"),
            func.count(Incident.open_key).label("unclosed"),
            func.sum(case((cannot_notify(), 1), else_=0)).label("mute"),
            func.max(rank).label("worst"),
            func.min(Incident.opened_at).label("first_at"),
            last.label("last_at"),
        )
        .select_from(Incident)
        .join(Provider, Provider.id == Incident.provider_id)
        .outerjoin(Event, Event.id == Incident.event_id)
        .where(*_conditions(session, wanted or Wanted()))
        .group_by(*columns)
        .order_by(last.desc(), *columns)
        .limit(limit)
    )
    return [_group(by, row) for row in session.execute(query)]


def _group(by: str, row: Any) -> IncidentGroup:
    name, provider = (f"{row.kind}/{row.ref}", row.name) if by == "object" else (row[0], None)
    worst = SEVERITIES[row.worst] if row.worst >= 0 else "unknown"
    return IncidentGroup(name, provider, row.incidents, row.unclosed, row.mute, worst, row.first_at, row.last_at)


def muted(session: Session, project: str | None = None) -> int:
    """How many incidents that are not closed could not tell anybody: their newest notification is dead."""
    unclosed = select(func.count()).select_from(Incident).where(Incident.open_key.is_not(None))
    return session.scalar(unclosed.where(*_conditions(session, Wanted(project=project, cannot_notify=True)))) or 0


def tale(session: Session, incident_id: int, project: str | None = None) -> IncidentTale | None:
    """One incident with its history and what fired it, or None where there is none, or none of the project."""
    mine = incident_lines().where(Incident.id == incident_id, *_conditions(session, Wanted(project=project)))
    found = read_incidents(session, mine)
    if not found:
        return None
    [line] = found
    notes = [NoteLine(note.at, note.who, note.word, note.text) for note in history(session, incident_id)]
    events, cut = _events(session, line, project)
    deeds = Deeds(session, events, project).by_event()
    firings = [
        FiringLine(
            event.id,
            event.event_type,
            event.occurred_at,
            link.relation,
            _verdict(line.alert, deed.decisions),
            [tried for tried in deed.effects if tried.effect.rule == f"alert:{line.alert}"],
        )
        for event in events
        for deed in (deeds[event.id],)
        for link in deed.incidents
        if link.incident.id == incident_id
    ]
    return IncidentTale(line, notes, firings, cut)


def _events(session: Session, line: IncidentLine, project: str | None) -> tuple[list[EventLine], bool]:
    """The event that opened the incident, the one that notified last, and the last ones on its object."""
    key = object_key(line.provider, ObjectRef(line.kind, line.ref), "")
    on_object = (
        select(Event.id)
        .where(Event.object_key == key, Event.occurred_at <= line.last_at)
        .order_by(Event.occurred_at.desc(), Event.id.desc())
    )
    ids = list(session.scalars(on_object.limit(LOOKED_AT + 1)))
    named = {line.event_id} | ({line.notified_by} if line.notified_by else set())
    query = event_lines().where(Event.id.in_({*ids[:LOOKED_AT], *named}))
    if project is not None:
        query = query.where(Event.tenant_id == project)
    events = read_events(session, query.order_by(Event.occurred_at.desc(), Event.id.desc()))
    return events, len(ids) > LOOKED_AT


def _verdict(alert: str, decisions: Any) -> str | None:
    """What was concluded on the alert, in the words of ``catchment why``."""
    for decision in decisions:
        for finding in decision.findings:
            if finding.get("kind") == "alert" and finding.get("name") == alert:
                return str(finding.get("verdict"))
    return None


def _conditions(session: Session, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        found.append(Incident.state == wanted.state)
        if wanted.state != CLOSED:
            # The only index that tells the few that are open from all that ever were.
            found.append(Incident.open_key.is_not(None))
    if wanted.alert is not None:
        found.append(fits(session, Incident.alert, wanted.alert))
    if wanted.severity is not None:
        found.append(Incident.severity == wanted.severity)
    if wanted.provider is not None:
        named = select(Provider.id).where(Provider.name == wanted.provider).scalar_subquery()
        found.append(Incident.provider_id == named)
    if wanted.resource is not None:
        kind, slash, ref = wanted.resource.partition("/")
        found += [Incident.kind == kind, Incident.ref == ref] if slash else [Incident.ref == wanted.resource]
    if wanted.project is not None:
        theirs = select(Event.id).where(Event.id == Incident.event_id, Event.tenant_id == wanted.project)
        found.append(exists(theirs.correlate(Incident)))
    if wanted.cannot_notify:
        found.append(cannot_notify())
    return found
