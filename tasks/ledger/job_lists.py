"""Jobs, schedules and runs as lists, pages and the API show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks.ledger.jobs import (
    A_JOB,
    A_SCHEDULE,
    JobCall,
    JobClock,
    JobDefinition,
    JobInstance,
    JobLog,
    JobSchedule,
    JobStep,
    JobSubscription,
)
from tasks.ledger.lines import Line

_L = TypeVar("_L", bound=Line)

#: The words of priorities, by their numbers.
PRIORITIES = ("highest", "high", "medium", "low", "lowest")
#: Calls of one run that are shown, the newest ones.
_CALLS = 100


@dataclass(frozen=True, slots=True)
class RunLine(Line):
    """One run of a job. ``agent`` is the host that it has to run on, ``host`` where it ran last."""

    id: int
    job: str
    schedule: str | None
    trigger: str | None
    event_id: int | None
    parent_id: int | None
    by: str
    user: str
    priority: str
    state: str
    reason: str | None
    agent: str | None
    host: str | None
    progress: float | None
    note: str | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class StepLine(Line):
    """A state that a run came to."""

    at: datetime
    state: str
    who: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class CallLine(Line):
    """A handler of a run that was called, or waits to be."""

    id: int
    handler: str
    state: str
    attempts: int
    asked_at: datetime
    ended_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class SubscriptionLine(Line):
    """An event that a run waits for."""

    event: str
    method: str
    since: datetime
    failures: int
    suspended: bool


@dataclass(frozen=True, slots=True)
class LogLine(Line):
    """A line that a run logged."""

    id: int
    at: datetime
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class RunTale(Line):
    """A run with all that is known of it, but for its log."""

    run: RunLine
    arguments: Mapping[str, Any]
    context: Mapping[str, Any]
    kept: Mapping[str, Any]
    result: Any
    history: list[StepLine] = field(default_factory=list)
    calls: list[CallLine] = field(default_factory=list)
    subscriptions: list[SubscriptionLine] = field(default_factory=list)
    children: list[RunLine] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ScheduleLine(Line):
    """A schedule, how it stands, and when a clock starts it next."""

    name: str
    job: str
    active: bool
    switched_by: str | None
    triggers: list[str]
    overlap: str
    priority: str
    last_at: datetime | None
    last_run: int | None
    last_state: str | None
    skipped: int
    missed: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobLine(Line):
    """A job that is deployed."""

    name: str
    description: str
    digest: str
    enabled: bool
    discovery: bool
    arguments: Mapping[str, Any]
    timeout: float
    attempts: int
    active: int
    total: int


def runs(
    session: Session,
    *,
    state: str | None = None,
    job: str | None = None,
    schedule: str | None = None,
    active: bool = False,
    parent: int | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[RunLine]:
    """Runs, the newest first; only those that all given filters let through."""
    query = select(JobInstance).order_by(JobInstance.id.desc()).limit(limit)
    if active:
        query = query.where(JobInstance.ended_at.is_(None))
    given = {"state": state, "job": job, "schedule": schedule, "parent_id": parent}
    for name, value in given.items():
        if value is not None:
            query = query.where(getattr(JobInstance, name) == value)
    if before is not None:
        query = query.where(JobInstance.id < before)
    return [_line(row) for row in session.scalars(query)]


def _line(row: JobInstance) -> RunLine:
    named = {name: getattr(row, name) for name in RunLine.__slots__ if name != "priority"}
    return RunLine(**named, priority=PRIORITIES[row.priority])


def run(session: Session, number: int) -> RunLine | None:
    """One run; None where there is none."""
    found = session.get(JobInstance, number, populate_existing=True)
    return None if found is None else _line(found)


def tale(session: Session, number: int) -> RunTale | None:
    """One run with its history, its handlers, what it waits for and what it has called."""
    found = session.get(JobInstance, number)
    if found is None:
        return None
    steps = select(JobStep).where(JobStep.instance_id == number).order_by(JobStep.id)
    calls = select(JobCall).where(JobCall.instance_id == number).order_by(JobCall.id.desc()).limit(_CALLS)
    waits = select(JobSubscription).where(JobSubscription.instance_id == number).order_by(JobSubscription.id)
    return RunTale(
        _line(found),
        found.arguments,
        found.context,
        found.kept,
        found.result,
        [_of(StepLine, row) for row in session.scalars(steps)],
        [_of(CallLine, row) for row in session.scalars(calls)][::-1],
        [_of(SubscriptionLine, row) for row in session.scalars(waits)],
        runs(session, parent=number)[::-1],
    )


def _of(kind: type[_L], row: Any) -> _L:
    names: Any = kind.__slots__
    return kind(**{name: getattr(row, name) for name in names})


def log(session: Session, number: int, after: int = 0, limit: int = 1000) -> list[LogLine]:
    """Lines of a run's log after one of them, the oldest first."""
    query = select(JobLog).where(JobLog.instance_id == number, JobLog.id > after).order_by(JobLog.id).limit(limit)
    return [_of(LogLine, row) for row in session.scalars(query)]


def last_lines(session: Session, number: int, count: int) -> list[LogLine]:
    """The last lines of a run's log, the oldest of them first."""
    query = select(JobLog).where(JobLog.instance_id == number).order_by(JobLog.id.desc()).limit(count)
    return [_of(LogLine, row) for row in session.scalars(query)][::-1]


def jobs(session: Session) -> list[JobLine]:
    """The jobs that are deployed, by name."""
    active = func.count().filter(JobInstance.ended_at.is_(None))
    counted = select(JobInstance.job, active, func.count()).group_by(JobInstance.job)
    counts = {row[0]: (row[1], row[2]) for row in session.execute(counted)}
    found = []
    for row in _deployed(session, A_JOB):
        detail, terms = row.detail, row.detail["terms"]
        now, total = counts.get(row.name, (0, 0))
        found.append(
            JobLine(
                row.name, detail["description"], detail["digest"], detail["enabled"], terms["discovery"],
                detail["arguments"], terms["timeout"], terms["attempts"], now, total,
            )
        )  # fmt: skip
    return found


def schedules(session: Session) -> list[ScheduleLine]:
    """The schedules that are deployed, by name."""
    states = {row.name: row for row in session.scalars(select(JobSchedule))}
    times = select(JobClock.schedule, func.min(JobClock.next_at)).group_by(JobClock.schedule)
    clocks = {row[0]: row[1] for row in session.execute(times)}
    last = {state.last_instance for state in states.values() if state.last_instance is not None}
    ended = select(JobInstance.id, JobInstance.state).where(JobInstance.id.in_(last))
    endings = {row[0]: row[1] for row in session.execute(ended)}
    found = []
    for row in _deployed(session, A_SCHEDULE):
        detail, state = row.detail, states.get(row.name)
        switched = state.enabled if state is not None else None
        number = state.last_instance if state is not None else None
        found.append(
            ScheduleLine(
                row.name,
                detail["job"],
                detail["active"] if switched is None else switched,
                state.enabled_by if state is not None and switched is not None else None,
                list(detail["triggers"]),
                detail["overlap"],
                detail["priority"],
                state.last_at if state is not None else None,
                number,
                endings.get(number) if number is not None else None,
                state.skipped if state is not None else 0,
                state.missed if state is not None else 0,
                clocks.get(row.name),
            )
        )
    return found


def _deployed(session: Session, kind: str) -> Sequence[JobDefinition]:
    return session.scalars(select(JobDefinition).where(JobDefinition.kind == kind).order_by(JobDefinition.name)).all()
