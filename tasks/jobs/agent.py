"""What an agent does: it takes a run that is due under a lease, calls its next handler, and writes what comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from tasks.jobs import moves, sandbox
from tasks.jobs.ending import after
from tasks.jobs.sandbox import Ended, Order
from tasks.jobs.speech import Speech
from tasks.ledger.jobs import (
    AT_WORK,
    CALL_PENDING,
    CANCELLING,
    RUNNING,
    STARTING,
    JobCall,
    JobCode,
    JobInstance,
)
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.site.contracts import Site

log = structlog.get_logger(__name__)

#: A callback has so long at the most (11); the handler that begins a job has its job's own limit.
CALLBACK_SECONDS = 60.0


class Place(Protocol):
    """Where handlers are called: the ledger, the site, and the name of the worker."""

    ledger: Ledger

    @property
    def site(self) -> Site:
        """The present site."""

    @property
    def worker(self) -> str:
        """The name under which leases are taken."""


class Taken(NamedTuple):
    """A run under our lease, with the call that is next, and its archive."""

    id: int
    call_id: int
    order: Order
    attempt: int


@dataclass(slots=True)
class Worked:
    """What a turn came to: whether there was anything to do, whether there is more, and lanes to ring for."""

    any: bool = False
    more: bool = False
    lanes: set[int] = field(default_factory=set)


def work(place: Place, agent: str | None, host: str, backoff: Callable[[int, float, float], float]) -> Worked:
    """Call the next handler of the most urgent run that is due on this agent (None: those that any may run)."""
    lease = place.site.settings.jobs.lease_seconds
    with place.ledger.transaction() as session:
        taken = take(session, agent, host, place.worker, clock.now(), lease)
    if taken is None:
        return Worked()
    speech = Speech(place.ledger, taken.id, host)
    with _heartbeat(place, taken, lease) as stopped:
        ended = _call(taken, speech, stopped.is_set)
    speech.close()
    lanes = after(place.ledger, place.site.settings, taken, place.worker, ended, clock.now(), backoff)
    log.info("handler called", instance=taken.id, job=taken.order.job, handler=taken.order.handler, verdict=ended.word)
    with place.ledger.reading() as session:
        more = session.scalar(_due(agent, clock.now()).limit(1)) is not None
    return Worked(True, more, lanes)


def _call(taken: Taken, speech: Speech, stopped: Callable[[], bool]) -> Ended:
    if taken.attempt > taken.order.told["attempts"]:
        return Ended("failed", "none of its tries came to an end: they took their agent with them", final=True)
    if taken.order.handler not in taken.order.told["handlers"]:
        # Jobs need not have every handler; what is not there is not called.
        return Ended("done", said={"kept": taken.order.told["kept"]})
    try:
        return sandbox.call(taken.order, speech.answer, speech.listen, stopped)
    except Exception as error:
        log.warning("a handler could not be called", instance=taken.id, exc_info=True)
        return Ended("failed", f"{type(error).__name__}: {error}")


def _due(agent: str | None, now: datetime) -> Any:
    mine = JobInstance.agent.is_(None) if agent is None else JobInstance.agent == agent
    free = or_(JobInstance.lease_until.is_(None), JobInstance.lease_until <= now)
    return (
        select(JobInstance.id)
        .where(mine, free, JobInstance.state.in_(AT_WORK), JobInstance.due_at <= now, JobInstance.ended_at.is_(None))
        .order_by(JobInstance.priority, JobInstance.due_at, JobInstance.id)
    )


def take(session: Session, agent: str | None, host: str, worker: str, now: datetime, seconds: float) -> Taken | None:
    """Take a run whose turn it is; None where none is due."""
    number = session.scalar(_due(agent, now).limit(1).with_for_update(skip_locked=True))
    instance = moves.locked(session, number) if number is not None else None
    if instance is None:
        return None
    instance.host = host
    if instance.state == STARTING:
        instance.started_at = now
        moves.move(session, instance, RUNNING, now, host)
    call = session.scalars(
        select(JobCall)
        .where(JobCall.instance_id == instance.id, JobCall.state == CALL_PENDING)
        .order_by(JobCall.id)
        .limit(1)
    ).first()
    if call is None:
        # Woken for nothing: a called job has ended, and nobody is to be told.
        call = JobCall(instance_id=instance.id, key=f"look:{now.isoformat()}", handler="", asked_at=now, attempts=0)
        session.add(call)
    code = session.get(JobCode, instance.digest)
    call.attempts += 1
    instance.lease_owner, instance.lease_until = worker, now + timedelta(seconds=seconds)
    session.flush()
    return Taken(instance.id, call.id, _order(instance, call, code.content if code else b"", host), call.attempts)


def _order(instance: JobInstance, call: JobCall, archive: bytes, host: str) -> Order:
    terms = instance.terms
    callback = call.subscription_id is not None
    argument: Any = call.argument
    if callback and argument is not None:
        argument = argument["context"]
    return Order(
        archive=archive,
        job=instance.job,
        handler=call.handler,
        argument=argument,
        seconds=min(CALLBACK_SECONDS, terms["timeout"]) if callback else terms["timeout"],
        memory=terms["memory"],
        told={
            "args": instance.arguments,
            "context": instance.context,
            "event": call.argument["event"] if callback and call.argument else instance.event,
            "kept": instance.kept,
            "agent": host,
            "instance": instance.id,
            "user": instance.user,
            "handlers": terms["handlers"],
            "attempts": terms["attempts"],
        },
    )


@contextmanager
def _heartbeat(place: Place, taken: Taken, seconds: float) -> Iterator[threading.Event]:
    """Keep the lease while a handler runs. The event is set when it is to be ended: cancelled, or not ours any more."""
    over, stopped = threading.Event(), threading.Event()

    def beat() -> None:
        while not over.wait(min(seconds / 3, 1.0)):
            try:
                if not renew(place.ledger, taken.id, place.worker, clock.now(), seconds):
                    stopped.set()
                    return
            except Exception as error:  # noqa: BLE001 - a missed beat is made up by the next one
                log.warning("the lease of a run could not be renewed", instance=taken.id, error=str(error))

    thread = threading.Thread(target=beat, name=f"job-{taken.id}", daemon=True)
    thread.start()
    try:
        yield stopped
    finally:
        over.set()
        thread.join(timeout=5)


def renew(ledger: Ledger, number: int, worker: str, now: datetime, seconds: float) -> bool:
    """Prolong a lease; False where the run is to be ended, or is not ours any more."""
    with ledger.transaction() as session:
        state = session.scalar(
            update(JobInstance)
            .where(JobInstance.id == number, JobInstance.lease_owner == worker, JobInstance.ended_at.is_(None))
            .values(lease_until=now + timedelta(seconds=seconds))
            .returning(JobInstance.state)
        )
        outcome = session.scalar(select(JobInstance.outcome).where(JobInstance.id == number))
    return state is not None and (state != CANCELLING or outcome is not None)
