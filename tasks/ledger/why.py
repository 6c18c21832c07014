"""Why: the whole line of one event, from its notification to its last effect (DESIGN 3)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from tasks.ledger import lineage
from tasks.ledger.deeds import Deed, Deeds
from tasks.ledger.events import PENDING, Event, Hold, Notification, Place, RoadSighting, Sighting
from tasks.ledger.lines import (
    ChangeLine,
    DecisionLine,
    EventLine,
    IncidentLink,
    Line,
    RefreshLine,
    TriedEffect,
)
from tasks.ledger.providers import Provider
from tasks.ledger.selects import event_lines, read_events

#: Characters of a notification that are shown; a longer one is shown as text, cut.
CONTENT = 65_536
#: Sightings of one event that are shown.
SIGHTINGS = 100
#: The stage that no event enters before its provider's inventory was read once.
NEEDS_INVENTORY = "switchboard"


@dataclass(frozen=True, slots=True)
class Words(Line):
    """The notification. ``content`` is what it said, or the beginning of its text where it was ``cut``."""

    form: str
    road: str
    content: Any
    cut: bool


@dataclass(frozen=True, slots=True)
class SightingLine(Line):
    """A notification of the event's fact: by which road it came, and when it did for the first time."""

    provider: str
    message_id: str
    raw_event_type: str
    road: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting(Line):
    """What keeps a pending event. ``behind`` is the earlier event on its object that waits for a retry.

    ``own_retry`` says that it is this event whose retry the object waits for,
    ``inventory`` that its provider's inventory was never read, without which no event is judged.
    """

    stage: str | None
    due_at: datetime | None
    attempts: int
    behind: int | None
    own_retry: bool
    since: datetime | None
    inventory: bool


@dataclass(frozen=True, slots=True)
class Why(Line):
    """Everything about one event.

    ``causes`` leads from the first cause down to the event's parent; ``children`` are the events that it
    raised, and theirs, each with what followed (``event.parent_id`` makes the tree). ``sightings`` has
    the one that made the event first, and nothing for a raised event. ``hold`` is None where the event is
    not pending. ``cut`` names what was too long to be shown whole.
    """

    event: EventLine
    notification: Words | None
    sightings: list[SightingLine]
    hold: Waiting | None
    decisions: list[DecisionLine]
    effects: list[TriedEffect]
    refresh: list[RefreshLine]
    changes: list[ChangeLine]
    incidents: list[IncidentLink]
    causes: list[EventLine]
    children: list[Deed]
    cut: list[str]


def why(session: Session, event_id: int, project: str | None = None) -> Why | None:
    """The whole line of an event, or None where there is none, or none of the project.

    With a project, events and changed objects of other projects are left out of it.
    """
    mine = [] if project is None else [Event.tenant_id == project]
    found = read_events(session, event_lines().where(Event.id == event_id, *mine))
    if not found:
        return None
    event = found[0]
    above = lineage.causes(session, event_id)
    below, more = lineage.descendants(session, event_id)
    family = event_lines().where(Event.id.in_([*above, *below]), *mine)
    related = {line.id: line for line in read_events(session, family)}
    below = [number for number in below if number in related]
    deeds = Deeds(session, [event, *(related[number] for number in below)], project)
    told = deeds.by_event()
    own = told[event_id]
    return Why(
        event=event,
        notification=(words := _notification(session, event_id)),
        sightings=[] if event.raised else _sightings(session, event, words.road if words else ""),
        hold=_hold(session, event_id) if event.state == PENDING else None,
        decisions=own.decisions,
        effects=own.effects,
        refresh=own.refresh,
        changes=own.changes,
        incidents=own.incidents,
        causes=[related[number] for number in above if number in related],
        children=[told[number] for number in below],
        cut=[*(["children"] if more else []), *deeds.cut],
    )


def _notification(session: Session, event_id: int) -> Words | None:
    text, length = func.substr(Notification.content, 1, CONTENT), func.length(Notification.content)
    query = select(Notification.form, Notification.road, text, length).where(Notification.event_id == event_id)
    row = session.execute(query).first()
    if row is None:
        return None
    form, road, content, whole = row
    return Words(form, road, content if whole > CONTENT else _read(content), whole > CONTENT)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # A quarantined body may be anything; it is shown as it came.
        return text


def _sightings(session: Session, event: EventLine, road: str) -> list[SightingLine]:
    """Every notification of an event's fact, the first one first: it is the event's own."""
    found = [SightingLine(event.provider, event.message_id, event.raw_event_type, road, event.caught_at)]
    both = union_all(
        *(
            select(Provider.name, table.message_id, table.raw_event_type, table.road, table.seen_at)
            .join(Provider, Provider.id == table.provider_id)
            .where(table.event_id == event.id)
            for table in (Sighting, RoadSighting)
        )
    ).subquery()
    again = select(both).order_by(both.c.seen_at, both.c.message_id, both.c.road).limit(SIGHTINGS - 1)
    return [*found, *(SightingLine(*row) for row in session.execute(again))]


def _hold(session: Session, event_id: int) -> Waiting:
    # Read again and not taken from the event's line, so that place and hold are of one moment.
    row = session.execute(
        select(Place.stage, Place.due_at, Place.attempts, Hold.event_id, Hold.since, Provider.ready_at)
        .select_from(Event)
        .join(Provider, Provider.id == Event.provider_id)
        .outerjoin(Place, Place.event_id == Event.id)
        .outerjoin(Hold, Hold.object_key == Event.object_key)
        .where(Event.id == event_id)
    ).one()
    return Waiting(
        stage=row.stage,
        due_at=row.due_at,
        attempts=row.attempts or 0,
        behind=row.event_id if row.event_id != event_id else None,
        own_retry=row.event_id == event_id,
        since=row.since,
        inventory=row.stage == NEEDS_INVENTORY and row.ready_at is None,
    )
