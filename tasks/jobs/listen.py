"""Looks through the ledger's events for those that schedules and jobs wait for, each once (spec orchestrate 7.3)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tasks.jobs import moves
from tasks.jobs.firing import Firing, fire, is_active, switches
from tasks.jobs.model import JobSet, OnEvent, Schedule, Trigger
from tasks.ledger import bulk
from tasks.ledger.arrivals import Arrivals
from tasks.ledger.events import Event, Notification
from tasks.ledger.jobs import JobCursor, JobInstance, JobSubscription
from tasks.ledger.session import Ledger

log = structlog.get_logger(__name__)

CURSOR = "events"
#: Pages of events looked through in one tick, so that a storm does not keep the clock.
PAGES = 4
#: How far the first look of all goes back, in time and in events.
LOOK_BACK, RECENT = timedelta(seconds=60), 1000


@dataclass(frozen=True, slots=True)
class Heard:
    """An event that was fired, as schedules and jobs see it."""

    id: int
    name: str
    context: Mapping[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)


def tick(ledger: Ledger, jobs: JobSet, now: datetime) -> list[int]:
    """Start and call what new events ask for; returns the runs that were submitted.

    The cursor moves in the same transaction. Of two clocks at once one does the work, and the other one finds
    the cursor moved.
    """
    made: list[int] = []
    for _ in range(PAGES):
        seen, more, done = _page(ledger, jobs, now)
        made += done
        if not (seen and more):
            break
    return made


def _page(ledger: Ledger, jobs: JobSet, now: datetime) -> tuple[bool, bool, list[int]]:
    with ledger.reading() as session:
        before = session.scalar(select(JobCursor.value).where(JobCursor.name == CURSOR))
    if before is None:
        _begin(ledger, now)
        return False, False, []
    arrivals = Arrivals.resume(before)
    with ledger.reading() as session:
        ids, more = arrivals.poll(session)
    after = arrivals.state()
    if after == before:
        return False, False, []
    with ledger.transaction() as session:
        present = session.scalar(select(JobCursor.value).where(JobCursor.name == CURSOR).with_for_update())
        if present != before:
            return False, False, []
        made = _tell(session, jobs, heard(session, ids, _names(session, jobs)), now)
        session.execute(update(JobCursor).where(JobCursor.name == CURSOR).values(value=after, at=now))
    return True, more, made


def _begin(ledger: Ledger, now: datetime) -> None:
    """The first look of all: what was more than a minute before it is past.

    An installation that is started for the first time fires SERVER_UP before anybody looks.
    """
    with ledger.reading() as session:
        state = Arrivals(session).state()
        newest = select(Event.id, Event.caught_at).order_by(Event.id.desc()).limit(RECENT)
        recent = [row.id for row in session.execute(newest) if row.caught_at >= now - LOOK_BACK]
    if recent:
        state = {"high": min(recent) - 1, "gaps": []}
    with ledger.transaction() as session:
        bulk.insert(session, JobCursor, [{"name": CURSOR, "value": state, "at": now}], conflict="DO NOTHING")


def _names(session: Session, jobs: JobSet) -> set[str]:
    """The names of events that anybody waits for, in capital letters."""
    found = {trigger.start.name.upper() for _, trigger in _by_event(jobs) if isinstance(trigger.start, OnEvent)}
    return found | set(session.scalars(select(JobSubscription.word).distinct()))


def _by_event(jobs: JobSet) -> list[tuple[Schedule, Trigger]]:
    named = ((schedule, jobs.trigger(name)) for schedule in jobs.schedules.values() for name in schedule.triggers)
    return [(schedule, trigger) for schedule, trigger in named if isinstance(trigger.start, OnEvent)]


def heard(session: Session, ids: Sequence[int], names: Collection[str]) -> list[Heard]:
    """Those of the events that Catchment raised under one of the names, in the order of their ids."""
    if not ids or not names:
        return []
    query = (
        select(Event.id, Event.event_type, Event.resource_kind, Event.resource_id, Notification.content)
        .outerjoin(Notification, Notification.event_id == Event.id)
        .where(Event.id.in_(ids), Event.raised, func.upper(Event.event_type).in_(names))
        .order_by(Event.id)
    )
    found = []
    for row in session.execute(query):
        record = _record(row.content)
        if record.get("suppressed"):
            continue
        context, more = record.get("context"), record.get("event")
        if not isinstance(context, Mapping):
            context = {row.resource_kind: row.resource_id} if row.resource_kind and row.resource_id else {}
            more = record
        found.append(Heard(row.id, row.event_type, context, more if isinstance(more, Mapping) else {}))
    return found


def _record(content: str | None) -> Mapping[str, Any]:
    """What a raised event carries; nothing where it carries nothing that can be read."""
    try:
        words = json.loads(content) if content else {}
    except (ValueError, RecursionError):
        return {}
    carried = words.get("payload") if isinstance(words, dict) else None
    return carried if isinstance(carried, dict) else {}


def _tell(session: Session, jobs: JobSet, events: Sequence[Heard], now: datetime) -> list[int]:
    made: list[int] = []
    if not events:
        return made
    switched = switches(session)
    for event in events:
        for schedule, trigger in _by_event(jobs):
            way = trigger.start
            assert isinstance(way, OnEvent)
            if way.name.upper() == event.name.upper() and is_active(schedule, switched):
                firing = Firing(
                    trigger.name, f"event {event.id}", event.context, event.more, way.name, event.id, way.delay
                )
                made += fire(session, jobs, schedule, firing, now)
    _call_back(session, events, now)
    return made


def _call_back(session: Session, events: Sequence[Heard], now: datetime) -> None:
    """Queue the callbacks of jobs that have subscribed before the events were fired (11)."""
    words = {event.name.upper() for event in events}
    rows = session.scalars(
        select(JobSubscription)
        .where(JobSubscription.word.in_(words), ~JobSubscription.suspended)
        .order_by(JobSubscription.instance_id, JobSubscription.id)
    ).all()
    by_instance: dict[int, list[JobSubscription]] = {}
    for row in rows:
        by_instance.setdefault(row.instance_id, []).append(row)
    for number in sorted(by_instance):
        instance = moves.locked(session, number)
        if instance is None or instance.ended_at is not None or instance.outcome is not None:
            continue
        for event in events:
            for row in by_instance[number]:
                if row.word == event.name.upper() and row.after_event < event.id:
                    told: dict[str, Any] = {"id": event.id, "name": event.name}
                    told |= {"context": dict(event.context), "event": dict(event.more)}
                    moves.ask(session, instance, f"{row.id}:{event.id}", row.method, now, told, row.id)
        if dropped := moves.crop_calls(session, number, now):
            log.warning("callbacks were dropped: too many wait", instance=number, job=instance.job, dropped=dropped)


def subscribed(session: Session, instance: JobInstance) -> bool:
    """Whether an instance waits for events."""
    query = select(JobSubscription.id).where(JobSubscription.instance_id == instance.id, ~JobSubscription.suspended)
    return session.scalar(query.limit(1)) is not None
