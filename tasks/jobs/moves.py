"""Instances of jobs: how they are made, and how they come from one state to the next (spec orchestrate 10).

All of these run in the caller's transaction, with the row of the instance locked where another one might move it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from tasks.jobs.model import PRIORITIES, SYSTEM_USER
from tasks.ledger import bulk
from tasks.ledger.jobs import (
    CALL_DROPPED,
    CALL_PENDING,
    CANCELLED,
    CANCELLING,
    COMPLETED,
    COMPLETING,
    FAILED,
    PAUSED,
    RUNNING,
    SUBMITTED,
    JobCall,
    JobInstance,
    JobStep,
    JobSubscription,
)

STARTED = "job_started_event"
#: The last handler of an instance, by how it ends.
LAST = {COMPLETED: "job_completed_event", FAILED: "job_failed_event", CANCELLED: "job_cancelled_event"}
#: Calls that wait for one instance, at the most; beyond it the oldest are dropped (11).
MOST_CALLS = 1000
_LONGEST = 2000


def create(
    session: Session,
    now: datetime,
    key: str,
    job: str,
    detail: Mapping[str, Any],
    by: str,
    *,
    user: str = SYSTEM_USER,
    priority: str = "medium",
    arguments: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    event: Mapping[str, Any] | None = None,
    schedule: str | None = None,
    trigger: str | None = None,
    event_id: int | None = None,
    parent_id: int | None = None,
    agent: str | None = None,
    delay: timedelta = timedelta(),
) -> int | None:
    """Submit a run; returns its id, or None where one of this key is there already.

    ``detail`` is that of :func:`tasks.jobs.deployed.of_job`. What the job declares gets its value from there where
    ``arguments`` has none; ``context`` always wins over an argument of that name.
    """
    declared = detail["arguments"]
    given = {name: said["value"] for name, said in declared.items() if said["value"] is not None}
    given |= arguments or {}
    for name, told in (("context", context), ("event", event)):
        given.pop(name, None)
        if name in declared and told is not None:
            given[name] = dict(told)
    row = {
        "key": key,
        "job": job,
        "digest": detail["digest"],
        "schedule": schedule,
        "trigger": trigger,
        "event_id": event_id,
        "parent_id": parent_id,
        "by": by,
        "user": user,
        "priority": PRIORITIES.index(priority),
        "state": SUBMITTED,
        "agent": agent,
        "arguments": given,
        "context": dict(context or {}),
        "event": dict(event or {}),
        "terms": detail["terms"],
        "kept": {},
        "created_at": now,
        "due_at": now + delay,
    }
    stored = bulk.insert(session, JobInstance, [row], conflict='("key") DO NOTHING', returning=("id",))
    if not stored:
        return None
    note(session, stored[0].id, now, SUBMITTED, by)
    return int(stored[0].id)


def note(session: Session, number: int, now: datetime, state: str, who: str, reason: str | None = None) -> None:
    """Keep in an instance's history that it came to a state."""
    session.add(JobStep(instance_id=number, at=now, state=state, who=who, reason=_short(reason)))


def locked(session: Session, number: int) -> JobInstance | None:
    """An instance, which nobody else moves until the transaction ends."""
    return session.get(JobInstance, number, with_for_update=True, populate_existing=True)


def move(
    session: Session, instance: JobInstance, state: str, now: datetime, who: str, reason: str | None = None
) -> None:
    """Bring an instance into another state."""
    if instance.state != state:
        note(session, instance.id, now, state, who, reason)
    instance.state, instance.reason = state, _short(reason)


def ask(
    session: Session,
    instance: JobInstance,
    key: str,
    handler: str,
    now: datetime,
    argument: Mapping[str, Any] | None = None,
    subscription_id: int | None = None,
) -> bool:
    """Have a handler called; False where that was asked for already."""
    row = {
        "instance_id": instance.id,
        "key": key,
        "handler": handler,
        "argument": None if argument is None else dict(argument),
        "subscription_id": subscription_id,
        "asked_at": now,
    }
    stored = bulk.insert(session, JobCall, [row], conflict='("instance_id", "key") DO NOTHING', returning=("id",))
    if stored and instance.state != PAUSED:
        instance.due_at = now
    return bool(stored)


def pending(session: Session, number: int) -> int:
    """How many calls wait for an instance."""
    query = select(func.count()).where(JobCall.instance_id == number, JobCall.state == CALL_PENDING)
    return session.scalar(query) or 0


def drop_calls(session: Session, number: int, now: datetime, *conditions: Any) -> int:
    """Drop calls that wait; returns how many."""
    where = (JobCall.instance_id == number, JobCall.state == CALL_PENDING, *conditions)
    rows = session.execute(
        update(JobCall).where(*where).values(state=CALL_DROPPED, ended_at=now).returning(JobCall.id)
    ).all()
    return len(rows)


def crop_calls(session: Session, number: int, now: datetime) -> int:
    """Drop the oldest calls beyond the most that may wait; returns how many."""
    over = pending(session, number) - MOST_CALLS
    if over <= 0:
        return 0
    waiting = select(JobCall.id).where(JobCall.instance_id == number, JobCall.state == CALL_PENDING)
    oldest = session.scalars(waiting.order_by(JobCall.id).limit(over)).all()
    return drop_calls(session, number, now, JobCall.id.in_(oldest))


def come_to_end(
    session: Session,
    instance: JobInstance,
    outcome: str,
    now: datetime,
    who: str,
    reason: str | None = None,
) -> None:
    """End an instance, after its last handler was called where it has one for this end."""
    session.execute(delete(JobSubscription).where(JobSubscription.instance_id == instance.id))
    drop_calls(session, instance.id, now)
    instance.outcome = outcome
    instance.error = _short(reason) if outcome != COMPLETED else None
    last = LAST.get(outcome, "")
    if last in instance.terms["handlers"] and instance.started_at is not None:
        move(session, instance, CANCELLING if outcome == CANCELLED else COMPLETING, now, who, reason)
        if ask(session, instance, "last", last, now):
            return
    over(session, instance, outcome, now, who, reason)


def over(session: Session, instance: JobInstance, state: str, now: datetime, who: str, reason: str | None) -> None:
    """The very end of an instance: nothing of it waits any more, and whoever called it hears of it."""
    session.execute(delete(JobSubscription).where(JobSubscription.instance_id == instance.id))
    drop_calls(session, instance.id, now)
    move(session, instance, state, now, who, reason)
    instance.ended_at, instance.due_at = now, None
    instance.lease_owner = instance.lease_until = None
    if state != COMPLETED and instance.error is None:
        instance.error = _short(reason)
    if state == COMPLETED:
        instance.progress = 1.0
    children = select(JobInstance).where(JobInstance.parent_id == instance.id, JobInstance.ended_at.is_(None))
    for child in session.scalars(children.order_by(JobInstance.id).with_for_update()).all():
        cancel(session, child, now, f"job {instance.id}", "the run that called it is over")
    if instance.parent_id is not None:
        _tell_parent(session, instance, now)


def _tell_parent(session: Session, child: JobInstance, now: datetime) -> None:
    parent = locked(session, child.parent_id or 0)
    if parent is None or parent.ended_at is not None or parent.outcome is not None:
        return
    word = child.state if child.state in (COMPLETED, CANCELLED) else FAILED
    told = {"id": child.id, "job": child.job, "state": child.state, "result": child.result, "error": child.error}
    handler = f"child_job_{word}_event"
    if handler in parent.terms["handlers"]:
        ask(session, parent, f"child:{child.id}", handler, now, told)
    elif parent.state != PAUSED:
        # Nobody is to be called; the run may be through with this.
        parent.due_at = now


def cancel(session: Session, instance: JobInstance, now: datetime, who: str, reason: str | None = None) -> None:
    """End an instance, as soon as what it does at this moment has been ended."""
    if instance.ended_at is not None or instance.outcome == CANCELLED or instance.state == CANCELLING:
        return
    said = reason or f"cancelled by {who}"
    if instance.started_at is None:
        over(session, instance, CANCELLED, now, who, said)
    elif instance.lease_until is not None and instance.lease_until > now:
        # Its agent sees it with its next heartbeat, and ends it.
        move(session, instance, CANCELLING, now, who, said)
    else:
        come_to_end(session, instance, CANCELLED, now, who, said)


def pause(session: Session, instance: JobInstance, now: datetime, who: str) -> bool:
    """Call no handler until the instance goes on; False where it is at no handler's mercy."""
    if instance.state != RUNNING:
        return False
    move(session, instance, PAUSED, now, who)
    instance.due_at = None
    return True


def resume(session: Session, instance: JobInstance, now: datetime, who: str) -> bool:
    """Go on after a pause."""
    if instance.state != PAUSED:
        return False
    move(session, instance, RUNNING, now, who)
    instance.due_at = now
    return True


def _short(reason: str | None) -> str | None:
    if reason is None:
        return None
    plain = reason.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    return plain[:_LONGEST]
