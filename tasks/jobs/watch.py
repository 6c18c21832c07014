"""Looks after runs that are under way: agents that died, hosts that must be rung, and conditions to go on."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from tasks.jobs import moves, scene
from tasks.jobs.admit import CLOCK, joined
from tasks.jobs.model import CONTINUE, JobSet
from tasks.ledger import facts
from tasks.ledger.facts import FactRef
from tasks.ledger.jobs import AT_WORK, CANCELLED, CANCELLING, FAILED, RUNNING, JobInstance
from tasks.model.catalogue import JOB_INSTANCE

#: How often the conditions are asked under which a run goes on (10).
CONTINUE_EVERY = timedelta(seconds=30)
#: The facts of a run are kept so long after its end, so that rules can look at them.
FACTS_KEPT = timedelta(hours=1)
_PAGE = 500


def cancelled(session: Session, now: datetime) -> list[JobInstance]:
    """End the runs that were cancelled and whose agent is gone."""
    lost = select(JobInstance).where(
        JobInstance.state == CANCELLING,
        JobInstance.outcome.is_(None),
        or_(JobInstance.lease_until.is_(None), JobInstance.lease_until <= now),
    )
    found = session.scalars(lost.limit(_PAGE).with_for_update(skip_locked=True)).all()
    for instance in found:
        instance.lease_owner = instance.lease_until = None
        moves.come_to_end(session, instance, stopped_as(instance), now, CLOCK, instance.reason)
    return list(found)


def stopped_as(instance: JobInstance) -> str:
    """How a run ends whose handler was ended: as failed where it might not go on, else as cancelled."""
    return FAILED if instance.error is not None else CANCELLED


def conditions(session: Session, jobs: JobSet, now: datetime) -> list[JobInstance]:
    """Fail the runs that may not go on any more; returns them."""
    theirs = [name for name, job in jobs.jobs.items() if CONTINUE in job.constraints]
    timed = [name for name, schedule in jobs.schedules.items() if CONTINUE in schedule.constraints]
    if not theirs and not timed:
        return []
    query = (
        select(JobInstance)
        .where(
            JobInstance.state == RUNNING,
            or_(JobInstance.job.in_(theirs), JobInstance.schedule.in_(timed)),
            or_(JobInstance.asked_at.is_(None), JobInstance.asked_at <= now - CONTINUE_EVERY),
        )
        .limit(_PAGE)
    )
    found = session.scalars(query.with_for_update(skip_locked=True)).all()
    if not found:
        return []
    present = scene.take(session, set().union(*(scene.refs(instance) for instance in found)))
    failed: list[JobInstance] = []
    for instance in found:
        instance.asked_at = now
        job = jobs.jobs.get(instance.job)
        group = joined(job, jobs.schedules.get(instance.schedule or "")).get(CONTINUE) if job else None
        against = scene.objection(group, present, scene.bound(instance), now)
        if against is None:
            continue
        if instance.lease_until is not None and instance.lease_until > now:
            # Its agent ends what it does; the error says that it has failed.
            instance.error = f"may not go on: {against}"
            moves.move(session, instance, CANCELLING, now, CLOCK, f"may not go on: {against}")
        else:
            moves.come_to_end(session, instance, FAILED, now, CLOCK, f"may not go on: {against}")
        failed.append(instance)
    return failed


def to_ring(session: Session, now: datetime) -> dict[str | None, int]:
    """How many runs have something to do at this moment on each host (None: on any), and nobody does it."""
    query = (
        select(JobInstance.agent, func.count())
        .where(
            JobInstance.state.in_(AT_WORK),
            JobInstance.due_at <= now,
            JobInstance.ended_at.is_(None),
            or_(JobInstance.lease_until.is_(None), JobInstance.lease_until <= now),
        )
        .group_by(JobInstance.agent)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def forget_facts(session: Session, now: datetime) -> None:
    """Forget the facts of runs that were over an hour ago."""
    old = select(JobInstance.id).where(
        JobInstance.ended_at <= now - FACTS_KEPT, JobInstance.ended_at > now - 2 * FACTS_KEPT
    )
    refs = [FactRef(JOB_INSTANCE, str(number)) for number in session.scalars(old)]
    for start in range(0, len(refs), _PAGE):
        facts.forget(session, refs[start : start + _PAGE])
