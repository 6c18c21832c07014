"""Triggers of the clock: which slots are due, which were missed, when each fires next (spec orchestrate 9.3, 9.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from tasks.jobs.firing import Firing, fire, is_active, switches
from tasks.jobs.model import JobSet, OnCron, OnEvent, OnTime, Schedule, Trigger
from tasks.ledger import bulk
from tasks.ledger.jobs import JobClock, JobSchedule
from tasks.model.clock import rfc3339

log = structlog.get_logger(__name__)

#: Each slot that is no later than this fires by itself: so late a clock may be that works.
PUNCTUAL = timedelta(seconds=5)
#: A slot that was missed by so much at the most fires once, late; what is older is passed over.
GRACE = timedelta(seconds=60)
#: Slots of one trigger that are looked at in one tick.
MOST_SLOTS = 1000


class Due(NamedTuple):
    """What became of the slots of a trigger: those that fire, how many were passed over, and the next one."""

    fires: list[datetime]
    missed: int
    next_at: datetime | None


def tick(session: Session, jobs: JobSet, now: datetime) -> list[int]:
    """Fire what is due; returns the runs that were submitted."""
    known = {(row.schedule, row.trigger): row for row in session.scalars(select(JobClock).with_for_update())}
    switched = switches(session)
    made: list[int] = []
    for schedule, trigger in _timed(jobs):
        row = known.get((schedule.name, trigger.name))
        if not is_active(schedule, switched):
            # It begins anew when it is switched on again.
            if row is not None:
                session.delete(row)
        elif row is None or row.fingerprint != trigger.fingerprint:
            _activate(session, schedule.name, trigger, now)
        elif row.next_at is not None and row.next_at <= now:
            made += _fire(session, jobs, schedule, trigger, row, now)
    return made


def _timed(jobs: JobSet) -> Iterator[tuple[Schedule, Trigger]]:
    for schedule in jobs.schedules.values():
        for name in schedule.triggers:
            trigger = jobs.trigger(name)
            if not isinstance(trigger.start, OnEvent):
                yield schedule, trigger


def _activate(session: Session, schedule: str, trigger: Trigger, now: datetime) -> None:
    row = {
        "schedule": schedule,
        "trigger": trigger.name,
        "fingerprint": trigger.fingerprint,
        "activated_at": now,
        "next_at": following(trigger, now - timedelta(microseconds=1), now),
    }
    session.execute(delete(JobClock).where(JobClock.schedule == schedule, JobClock.trigger == trigger.name))
    bulk.insert(session, JobClock, [row], conflict="DO NOTHING")


def _fire(
    session: Session, jobs: JobSet, schedule: Schedule, trigger: Trigger, row: JobClock, now: datetime
) -> list[int]:
    due = slots(trigger, row, now)
    made: list[int] = []
    for slot in due.fires:
        made += fire(session, jobs, schedule, Firing(trigger.name, rfc3339(slot)), now)
    if due.missed:
        log.warning("a schedule missed its time", schedule=schedule.name, trigger=trigger.name, slots=due.missed)
        row_of = {"name": schedule.name, "skipped": 0, "missed": 0}
        bulk.insert(session, JobSchedule, [row_of], conflict="DO NOTHING")
        session.execute(
            update(JobSchedule).where(JobSchedule.name == schedule.name).values(missed=JobSchedule.missed + due.missed)
        )
    row.next_at = due.next_at
    return made


def slots(trigger: Trigger, row: JobClock, now: datetime) -> Due:
    """The slots of a trigger from its next one to now.

    Those of this moment all fire; of those missed by at most a minute the latest does, and the rest is passed over.
    """
    found: list[datetime] = []
    late: list[datetime] = []
    slot, missed = row.next_at, 0
    horizon = now - GRACE
    if slot is not None and slot < horizon:
        # However long nobody looked: one jump, and not a slot after the other.
        missed, slot = 1, following(trigger, horizon - timedelta(microseconds=1), row.activated_at)
    while slot is not None and slot <= now and len(found) + len(late) < MOST_SLOTS:
        (found if now - slot <= PUNCTUAL else late).append(slot)
        slot = following(trigger, slot, row.activated_at)
    fires = [*late[-1:], *found]
    return Due(fires, missed + len(late[:-1]), slot)


def following(trigger: Trigger, moment: datetime, activated: datetime) -> datetime | None:
    """The first slot of a trigger after a moment."""
    match trigger.start:
        case OnCron() as way:
            return way.after(moment)
        case OnTime() as way:
            return way.after(moment, activated)
    return None


def preview(trigger: Trigger, now: datetime, activated: datetime, count: int) -> list[datetime]:
    """The next slots of a trigger, a few of them."""
    found: list[datetime] = []
    moment: datetime | None = now
    while moment is not None and len(found) < count:
        moment = following(trigger, moment, activated)
        if moment is not None:
            found.append(moment)
    return found
