"""A schedule fires: overlap, arguments, and the runs that come of it (spec orchestrate 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tasks.jobs import moves
from tasks.jobs.deployed import of_job
from tasks.jobs.model import SKIP, Job, JobSet, Schedule
from tasks.ledger import bulk
from tasks.ledger.facts import subjects
from tasks.ledger.jobs import TERMINATED, JobInstance, JobSchedule
from tasks.model.builtin_events import RESOURCE_ONLINE
from tasks.model.catalogue import RESOURCE


@dataclass(frozen=True, slots=True)
class Firing:
    """What makes a schedule fire. ``slot`` tells it from all others of its trigger.

    ``context`` and ``event`` are what the event says; none for the clock.
    """

    trigger: str
    slot: str
    context: Mapping[str, Any] | None = None
    event: Mapping[str, Any] = field(default_factory=dict)
    event_name: str | None = None
    event_id: int | None = None
    delay: timedelta = timedelta()
    by: str | None = None


def fire(session: Session, jobs: JobSet, schedule: Schedule, firing: Firing, now: datetime) -> list[int]:
    """Submit the runs of a firing; returns those that are new. The same firing told twice makes none."""
    job = jobs.jobs.get(schedule.job)
    if job is None:
        return []
    made: list[int] = []
    for resource in _resources(session, schedule, job, firing, now):
        number = _submit(session, schedule, job, firing, resource, now)
        if number is not None:
            made.append(number)
    if made:
        _remember(session, schedule.name, made[-1], now)
    return made


def _submit(
    session: Session, schedule: Schedule, job: Job, firing: Firing, resource: str | None, now: datetime
) -> int | None:
    on = f"@{resource}" if schedule.foreach else ""
    busy = _busy(session, schedule.name, resource if schedule.foreach else None) if schedule.overlap == SKIP else None
    number = moves.create(
        session,
        now,
        f"{schedule.name}:{firing.trigger}:{firing.slot}{on}",
        job.name,
        of_job(job),
        firing.by or f"schedule {schedule.name}",
        user=schedule.user,
        priority=schedule.priority,
        arguments=schedule.arguments,
        context=firing.context if firing.context is not None else ({} if firing.by else None),
        event=firing.event,
        schedule=schedule.name,
        trigger=firing.trigger,
        event_id=firing.event_id,
        agent=resource,
        delay=firing.delay,
    )
    if number is not None and busy is not None and firing.by is None:
        instance = moves.locked(session, number)
        assert instance is not None
        moves.over(session, instance, TERMINATED, now, "the clock", f"skipped: run {busy} of this schedule is not over")
        session.execute(
            update(JobSchedule).where(JobSchedule.name == schedule.name).values(skipped=JobSchedule.skipped + 1)
        )
    return number


def _busy(session: Session, schedule: str, resource: str | None) -> int | None:
    """A run of the schedule that is not over."""
    query = select(JobInstance.id).where(JobInstance.schedule == schedule, JobInstance.ended_at.is_(None))
    if resource is not None:
        query = query.where(JobInstance.agent == resource)
    return session.scalar(query.order_by(JobInstance.id).limit(1))


def _resources(session: Session, schedule: Schedule, job: Job, firing: Firing, now: datetime) -> list[str | None]:
    """The hosts to run on: each that is online, the one that the event is about, or any (None)."""
    if schedule.foreach:
        return [*online(session, now)]
    named = (firing.context or {}).get(RESOURCE)
    directed = firing.event_name == RESOURCE_ONLINE or job.discovery
    return [named] if directed and isinstance(named, str) and named else [None]


def online(session: Session, now: datetime) -> list[str]:
    """The hosts whose agents are signed in and that may be given work."""
    found = subjects(session, kinds=(RESOURCE,)).values()
    return [
        subject.object.id
        for subject in found
        if _says(subject.facts.get("resource.online"), now, absent=False)
        and _says(subject.facts.get("resource.enabled"), now, absent=True)
    ]


def _says(fact: Any, now: datetime, *, absent: bool) -> bool:
    return absent if fact is None or not fact.holds(now) else bool(fact.value)


def _remember(session: Session, schedule: str, number: int, now: datetime) -> None:
    row = {"name": schedule, "last_at": now, "last_instance": number, "skipped": 0, "missed": 0}
    bulk.insert(
        session,
        JobSchedule,
        [row],
        conflict='("name") DO UPDATE SET "last_at" = excluded."last_at", "last_instance" = excluded."last_instance"',
    )


def is_active(schedule: Schedule, switched: Mapping[str, bool | None]) -> bool:
    """Whether events and clocks start a schedule: what an operator said, else what its file says."""
    said = switched.get(schedule.name)
    return schedule.active if said is None else said


def switches(session: Session) -> dict[str, bool | None]:
    """What operators said of schedules."""
    return {row.name: row.enabled for row in session.execute(select(JobSchedule.name, JobSchedule.enabled))}
