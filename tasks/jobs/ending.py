"""Writes how a call of a handler ended, and where its run goes from there (spec orchestrate 10, 11)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from tasks.jobs import moves, wishes
from tasks.jobs.report import report
from tasks.jobs.sandbox import Ended
from tasks.jobs.watch import stopped_as
from tasks.ledger import conflicts
from tasks.ledger.jobs import (
    CALL_DONE,
    CALL_FAILED,
    CALL_PENDING,
    CANCELLING,
    COMPLETED,
    FAILED,
    PAUSED,
    JobCall,
    JobInstance,
    JobLog,
    JobSubscription,
)
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model.errors import CatchmentError, Permanent
from tasks.site.settings import Settings

if TYPE_CHECKING:
    from tasks.jobs.agent import Taken

log = structlog.get_logger(__name__)

#: Pauses between tries to write how a handler went: if that were not written, the handler would be called again.
WRITE_PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
#: Failures of one subscription in a row after which it is suspended (11).
PATIENCE = 10
Backoff = Callable[[int, float, float], float]


def after(
    ledger: Ledger, settings: Settings, taken: Taken, worker: str, ended: Ended, now: datetime, backoff: Backoff
) -> set[int]:
    """Write all that comes of a call; returns the lanes to ring for.

    What a handler wanted and may not have is its failure, and nothing of it is done. A worker whose lease was
    lost writes nothing.
    """
    for pause in (*WRITE_PAUSES, None):
        try:
            with ledger.transaction() as session:
                return _write(session, settings, taken, worker, ended, now, backoff)
        except CatchmentError as unfit:
            if ended.word == "failed":
                raise
            ended = Ended("failed", str(unfit), final=isinstance(unfit, Permanent))
        except DBAPIError as error:
            passing = error.connection_invalidated or isinstance(error, OperationalError)
            if pause is None or not (passing or conflicts.kind_of(error)):
                raise
            log.warning("how a handler ended could not be written; again", instance=taken.id, error=str(error.orig))
            time.sleep(pause)
    raise AssertionError("unreachable")


def _write(
    session: Session, settings: Settings, taken: Taken, worker: str, ended: Ended, now: datetime, backoff: Backoff
) -> set[int]:
    instance = moves.locked(session, taken.id)
    call = session.get(JobCall, taken.call_id)
    if instance is None or call is None or instance.lease_owner != worker or call.state != CALL_PENDING:
        log.warning("a handler ended after its lease was lost", instance=taken.id)
        return set()
    count = Count()
    instance.lease_owner = instance.lease_until = None
    before, lanes = instance.state, set[int]()
    if instance.state == CANCELLING and instance.outcome is None:
        # Cancelled meanwhile: what the handler wanted is wanted no more.
        _close(call, CALL_FAILED, now, instance.reason or "cancelled")
        moves.come_to_end(session, instance, stopped_as(instance), now, worker, instance.reason)
    elif ended.word == "done" and ended.said is not None:
        lanes |= wishes.write(session, settings, instance, call, ended.said, now, count)
        _done(session, instance, call, ended.said.get("finished") is True, now, worker)
    else:
        _failed(session, settings, instance, call, taken, ended, now, worker, backoff)
    if instance.state != before or instance.ended_at is not None:
        lanes |= report(session, settings, now, count, [instance])
    count.write(session)
    return lanes


def _close(call: JobCall, state: str, now: datetime, error: str | None = None) -> None:
    call.state, call.ended_at, call.error = state, now, error[:2000] if error else None


def _done(session: Session, instance: JobInstance, call: JobCall, finished: bool, now: datetime, worker: str) -> None:
    _close(call, CALL_DONE, now)
    if call.subscription_id is not None:
        mine = JobSubscription.id == call.subscription_id
        session.execute(update(JobSubscription).where(mine).values(failures=0))
    _go_on(session, instance, finished, now, worker)


def _go_on(session: Session, instance: JobInstance, finished: bool, now: datetime, worker: str) -> None:
    """The next handler, or the end of the run."""
    session.flush()
    if instance.outcome is not None:
        moves.over(session, instance, instance.outcome, now, worker, instance.error)
    elif finished or not wishes.waits_for(session, instance):
        moves.come_to_end(session, instance, COMPLETED, now, worker)
    else:
        waiting = instance.state != PAUSED and moves.pending(session, instance.id)
        instance.due_at = now if waiting else None


def _failed(
    session: Session,
    settings: Settings,
    instance: JobInstance,
    call: JobCall,
    taken: Taken,
    ended: Ended,
    now: datetime,
    worker: str,
    backoff: Backoff,
) -> None:
    _say(session, instance, f"{call.handler} failed: {ended.reason}", ended.trace, now)
    if call.subscription_id is not None or instance.outcome is not None:
        # Callbacks and last handlers are called once; the job goes on, or ends, all the same.
        _close(call, CALL_FAILED, now, ended.reason)
        if call.subscription_id is not None:
            _count_failure(session, instance, call.subscription_id, now)
        _go_on(session, instance, False, now, worker)
    elif ended.final or taken.attempt >= instance.terms["attempts"]:
        _close(call, CALL_FAILED, now, ended.reason)
        moves.come_to_end(session, instance, FAILED, now, worker, ended.reason)
    else:
        pause = backoff(taken.attempt, settings.jobs.backoff_seconds, settings.jobs.backoff_limit_seconds)
        instance.due_at = now + timedelta(seconds=pause)
        instance.reason = f"try {taken.attempt} failed: {ended.reason}"[:500]
        call.error = ended.reason[:2000]


def _count_failure(session: Session, instance: JobInstance, subscription_id: int, now: datetime) -> None:
    found = session.get(JobSubscription, subscription_id)
    if found is None:
        return
    found.failures += 1
    if found.failures >= PATIENCE and not found.suspended:
        found.suspended = True
        _say(
            session,
            instance,
            f"{found.method} failed {PATIENCE} times in a row: {found.event} calls it no more",
            "",
            now,
        )


def _say(session: Session, instance: JobInstance, text: str, trace: str, now: datetime) -> None:
    """Write into the log of a run what went wrong."""
    for line in [text, *trace.splitlines()][:200]:
        plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
        session.add(JobLog(instance_id=instance.id, at=now, level="error", text=plain[:4000]))
