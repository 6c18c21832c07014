"""Facts about jobs and their runs, as rule events and constraints see them (spec orchestrate 4.3)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks.conveyor.telling import set_facts
from tasks.jobs.model import PRIORITIES
from tasks.ledger.facts import FactRef, Write
from tasks.ledger.jobs import AT_WORK, PAUSED, JobInstance
from tasks.ledger.tally import Count
from tasks.model.catalogue import JOB, JOB_INSTANCE, MATRIX, SERVER, SERVICE
from tasks.site.settings import Settings


def report(
    session: Session, settings: Settings, now: datetime, count: Count, instances: Collection[JobInstance]
) -> set[int]:
    """Set the facts of runs that have moved, and those of their jobs; returns the lanes to ring for."""
    if not instances:
        return set()
    session.flush()
    writes = [write for instance in instances for write in _of_instance(instance, now)]
    for job in sorted({instance.job for instance in instances}):
        writes += _of_job(session, job, instances)
    working = select(func.count()).where(JobInstance.state.in_((*AT_WORK, PAUSED)), JobInstance.ended_at.is_(None))
    writes.append(Write(FactRef(MATRIX, SERVER), "matrix.jobs.running", session.scalar(working) or 0))
    return set_facts(session, settings, now, count, SERVICE, writes)[1]


def _of_instance(instance: JobInstance, now: datetime) -> list[Write]:
    ref = FactRef(JOB_INSTANCE, str(instance.id))
    took = ((instance.ended_at or now) - instance.started_at).total_seconds() if instance.started_at else None
    found: dict[str, Any] = {
        "id": ref.id,
        "job": instance.job,
        "user": instance.user,
        "resource": instance.agent or instance.host,
        "state": instance.state,
        "priority": PRIORITIES[instance.priority],
        "started": instance.started_at,
        "elapsed": took,
    }
    return [Write(ref, f"{JOB_INSTANCE}.{name}", value) for name, value in found.items() if value is not None]


def _of_job(session: Session, job: str, instances: Collection[JobInstance]) -> list[Write]:
    active = func.count().filter(JobInstance.ended_at.is_(None))
    row = session.execute(
        select(func.count(), active, func.max(JobInstance.started_at)).where(JobInstance.job == job)
    ).one()
    ended = [i for i in instances if i.job == job and i.ended_at is not None]
    found: dict[str, Any] = {"id": job, "instances.total": row[0], "instances.active": row[1]}
    if row[2] is not None:
        found["lastrun"] = row[2]
    if ended:
        found["laststatus"] = max(ended, key=lambda i: (i.ended_at, i.id)).state
    return [Write(FactRef(JOB, job), f"{JOB}.{name}", value) for name, value in found.items()]
