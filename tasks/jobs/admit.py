"""Lets runs in that wait: accept, overlap, start, and the host that they run on (spec orchestrate 10, 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks.constraints.nodes import Group
from tasks.constraints.paths import Scope, read_path
from tasks.jobs import moves, scene
from tasks.jobs.model import ACCEPT, ALLOCATION, QUEUE, RESOURCE, START, Job, JobSet, Schedule
from tasks.jobs.scene import Scene
from tasks.ledger.jobs import AT_WORK, PAUSED, QUEUED, STARTING, SUBMITTED, TERMINATED, WAITING, JobInstance
from tasks.model import catalogue

#: Runs that are looked at in one tick.
MOST = 500
#: One that has to wait is looked at again after this, so that many of them hold up nobody.
PAUSE = timedelta(seconds=2)
CLOCK = "the scheduler"


class _Rules(NamedTuple):
    """The job of a run, its schedule, and both their constraints by type."""

    job: Job
    schedule: Schedule | None
    constraints: Mapping[str, Group]


def tick(session: Session, jobs: JobSet, now: datetime) -> list[JobInstance]:
    """Let in what may run, the most urgent first; returns the runs that were moved."""
    waiting = session.scalars(
        select(JobInstance)
        .where(JobInstance.state.in_(WAITING), JobInstance.due_at <= now, JobInstance.ended_at.is_(None))
        .order_by(JobInstance.priority, JobInstance.id)
        .limit(MOST)
        .with_for_update(skip_locked=True)
    ).all()
    if not waiting:
        return []
    rules = {instance.id: _rules(jobs, instance) for instance in waiting}
    wanted = set().union(*(scene.refs(instance) for instance in waiting))
    choosing = any(r is not None and {RESOURCE, ALLOCATION} & r.constraints.keys() for r in rules.values())
    present = scene.take(session, wanted, (catalogue.RESOURCE,) if choosing else ())
    running = _running(session)
    moved: list[JobInstance] = []
    for instance in waiting:
        found = rules[instance.id]
        before = instance.state
        if found is None:
            moves.over(session, instance, TERMINATED, now, CLOCK, f"the job {instance.job} is not deployed any more")
        else:
            _look(session, instance, found, present, running, now)
        if instance.state != before:
            moved.append(instance)
    return moved


def _rules(jobs: JobSet, instance: JobInstance) -> _Rules | None:
    job = jobs.jobs.get(instance.job)
    if job is None:
        return None
    schedule = jobs.schedules.get(instance.schedule) if instance.schedule else None
    return _Rules(job, schedule, joined(job, schedule))


def joined(job: Job, schedule: Schedule | None) -> dict[str, Group]:
    """The constraints of a job and its schedule, which hold together."""
    found = dict(job.constraints)
    for kind, group in (schedule.constraints if schedule else {}).items():
        found[kind] = Group("and", kind, [found[kind], group]) if kind in found else group
    return found


def _look(
    session: Session,
    instance: JobInstance,
    rules: _Rules,
    present: Scene,
    running: dict[str, int],
    now: datetime,
) -> None:
    objects = scene.bound(instance)
    if instance.state == SUBMITTED:
        refused = _refusal(rules, present, objects, now)
        if refused is not None:
            moves.over(session, instance, TERMINATED, now, CLOCK, f"rejected: {refused}")
            return
        moves.move(session, instance, QUEUED, now, CLOCK)
    waits = (
        _overlap(session, instance, rules)
        or _crowd(rules.job, running)
        or scene.objection(rules.constraints.get(START), present, objects, now)
    )
    host: str | None = instance.agent
    if waits is None and host is None and {RESOURCE, ALLOCATION} & rules.constraints.keys():
        host, waits = _choose(instance, rules, present, now)
    if waits is not None:
        instance.reason = waits[:500]
        instance.due_at = now + PAUSE
        return
    instance.agent = host
    running[instance.job] = running.get(instance.job, 0) + 1
    moves.move(session, instance, STARTING, now, CLOCK, f"on {host}" if host else None)
    moves.ask(session, instance, "start", moves.STARTED, now)


def _refusal(rules: _Rules, present: Scene, objects: Mapping[str, str], now: datetime) -> str | None:
    """Why a run is not accepted at all."""
    if not rules.job.enabled or _fact(present, "job.enabled", objects, now) is False:
        return f"the job {rules.job.name} is disabled"
    if _fact(present, "user.enabled", objects, now) is False:
        return f"the user {objects[catalogue.USER]} is disabled"
    return scene.objection(rules.constraints.get(ACCEPT), present, objects, now)


def _fact(present: Scene, name: str, objects: Mapping[str, str], now: datetime) -> Any:
    found = Scope(objects, present, now).get(read_path(name))
    return None if found is None else found.value


def _overlap(session: Session, instance: JobInstance, rules: _Rules) -> str | None:
    """Behind which run of its schedule this one queues."""
    if rules.schedule is None or rules.schedule.overlap != QUEUE:
        return None
    query = select(JobInstance.id).where(
        JobInstance.schedule == instance.schedule, JobInstance.ended_at.is_(None), JobInstance.id < instance.id
    )
    if rules.schedule.foreach:
        query = query.where(JobInstance.agent == instance.agent)
    before = session.scalar(query.order_by(JobInstance.id).limit(1))
    return None if before is None else f"waits for run {before} of its schedule"


def _crowd(job: Job, running: Mapping[str, int]) -> str | None:
    if job.most_running < 0 or running.get(job.name, 0) < job.most_running:
        return None
    return f"{job.most_running} runs of {job.name} are under way, which is as many as may be"


def _running(session: Session) -> dict[str, int]:
    query = select(JobInstance.job, func.count()).where(
        JobInstance.state.in_((*AT_WORK, PAUSED)), JobInstance.ended_at.is_(None)
    )
    return {row[0]: row[1] for row in session.execute(query.group_by(JobInstance.job))}


def _choose(instance: JobInstance, rules: _Rules, present: Scene, now: datetime) -> tuple[str | None, str | None]:
    """The best host that fits, or why none does."""
    objection: str | None = "no host is online"
    fitting: list[str] = []
    for resource in present.resources():
        objects = scene.bound(instance, resource)
        if _fact(present, "resource.online", objects, now) is not True:
            continue
        if _fact(present, "resource.enabled", objects, now) is False:
            continue
        against = [
            scene.objection(rules.constraints.get(kind), present, objects, now) for kind in (RESOURCE, ALLOCATION)
        ]
        if any(against):
            objection = next(filter(None, against))
        else:
            fitting.append(resource)
    if not fitting:
        return None, f"no host fits: {objection}"
    return min(fitting, key=lambda resource: _rank(instance, rules.job.rank_by, resource, present, now)), None


def _rank(instance: JobInstance, keys: Sequence[str], resource: str, present: Scene, now: datetime) -> tuple[Any, ...]:
    """By the job's keys such as ``resource.loadaverage/a``, then by id; what is undefined comes last."""
    found: list[Any] = []
    for key in keys:
        name, _, order = key.partition("/")
        try:
            value = _fact(present, name, scene.bound(instance, resource), now)
        except ValueError:
            value = None
        number = value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None
        sign = -1 if order == "d" else 1
        found.append((number is None, sign * (number or 0)))
    return (*found, resource)
