"""What is deployed, as the ledger has it: for pages, the API and agents, which go by the ledger alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from tasks.jobs.model import Job, JobSet, OnCron, OnEvent, OnTime, Schedule, Trigger
from tasks.ledger import bulk
from tasks.ledger.jobs import A_JOB, A_SCHEDULE, A_TRIGGER, JobClock, JobCode, JobDefinition

_STORED = '("kind", "name") DO UPDATE SET "detail" = excluded."detail", "site_version" = excluded."site_version"'


def sync(session: Session, jobs: JobSet, version: str, now: datetime) -> bool:
    """Bring the ledger up to the site, where it is of another version; whether it was."""
    if session.scalar(select(JobDefinition.name).where(JobDefinition.site_version != version).limit(1)) is None:
        count = len(jobs.jobs) + len(jobs.schedules) + len(jobs.triggers)
        if session.query(JobDefinition).count() == count:
            return False
    rows = [
        *((A_JOB, job.name, of_job(job)) for job in jobs.jobs.values()),
        *((A_SCHEDULE, schedule.name, of_schedule(schedule)) for schedule in jobs.schedules.values()),
        *((A_TRIGGER, trigger.name, of_trigger(trigger)) for trigger in jobs.triggers.values()),
    ]
    store_code(session, jobs.jobs.values(), now)
    bulk.insert(
        session,
        JobDefinition,
        [{"kind": k, "name": n, "detail": d, "site_version": version} for k, n, d in sorted(rows, key=lambda r: r[:2])],
        conflict=_STORED,
    )
    session.execute(delete(JobDefinition).where(JobDefinition.site_version != version))
    named = [(schedule.name, name) for schedule in jobs.schedules.values() for name in schedule.triggers]
    session.execute(delete(JobClock).where(tuple_(JobClock.schedule, JobClock.trigger).not_in(named or [("", "")])))
    return True


def store_code(session: Session, jobs: Any, now: datetime) -> None:
    """Keep the archives of jobs that the ledger does not have yet."""
    wanted: dict[str, Job] = {job.digest: job for job in jobs}
    there = set(session.scalars(select(JobCode.digest).where(JobCode.digest.in_(wanted))))
    for digest in sorted(wanted.keys() - there):
        job = wanted[digest]
        session.merge(JobCode(digest=digest, name=job.name, content=job.archive, stored_at=now))


def of_job(job: Job) -> dict[str, Any]:
    """A job as the ledger has it: what an instance needs to be started and shown."""
    return {
        "digest": job.digest,
        "description": job.description,
        "enabled": job.enabled,
        "arguments": {a.name: {"type": a.type, "value": a.value} for a in job.arguments.values()},
        "terms": {
            "timeout": job.timeout,
            "attempts": job.attempts,
            "memory": job.memory,
            "discovery": job.discovery,
            "writes": list(job.writes),
            "handlers": sorted(job.handlers),
        },
    }


def of_schedule(schedule: Schedule) -> dict[str, Any]:
    """A schedule as the ledger has it."""
    return {
        "job": schedule.job,
        "description": schedule.description,
        "active": schedule.active,
        "overlap": schedule.overlap,
        "user": schedule.user,
        "priority": schedule.priority,
        "arguments": dict(schedule.arguments),
        "foreach": schedule.foreach,
        "triggers": list(schedule.triggers),
    }


def of_trigger(trigger: Trigger) -> dict[str, Any]:
    """A trigger as the ledger has it."""
    said: dict[str, Any]
    match trigger.start:
        case OnEvent() as way:
            said = {"event": way.name, "external": way.external, "delay": way.delay.total_seconds()}
        case OnCron() as way:
            said = {"cron": way.cron.text, "timezone": str(way.zone)}
        case OnTime() as way:
            interval = way.interval.total_seconds() if way.interval else None
            said = {"startin": way.startin.total_seconds(), "interval": interval, "repeat": way.repeat}
    return {"description": trigger.description, **said}


def definition(session: Session, kind: str, name: str) -> Mapping[str, Any] | None:
    """What the ledger has of one thing that is deployed; None where it is not."""
    found: Mapping[str, Any] | None = session.scalar(
        select(JobDefinition.detail).where(JobDefinition.kind == kind, JobDefinition.name == name)
    )
    return found


def definitions(session: Session, kind: str) -> dict[str, Mapping[str, Any]]:
    """All things of a kind, by their names."""
    query = select(JobDefinition.name, JobDefinition.detail).where(JobDefinition.kind == kind)
    return {row.name: row.detail for row in session.execute(query.order_by(JobDefinition.name))}


def external_event(session: Session, name: str) -> str | None:
    """The name of the external event that is declared under it, in any letter case; None where none is."""
    for detail in definitions(session, A_TRIGGER).values():
        if detail.get("external") and str(detail["event"]).upper() == name.upper():
            return str(detail["event"])
    return None
