"""What people do with jobs: run them, cancel and pause runs, switch schedules; each in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from tasks.conveyor import firing
from tasks.conveyor.firing import Fired
from tasks.jobs import deployed, moves
from tasks.jobs.model import PRIORITIES
from tasks.ledger import bulk
from tasks.ledger.jobs import A_JOB, A_SCHEDULE, JobInstance, JobSchedule
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model import clock, fact_types
from tasks.model.builtin_events import is_taken
from tasks.model.errors import Refused
from tasks.model.event import EXTERNAL_SOURCE
from tasks.site.settings import Settings


class Unknown(Refused):
    """There is no job, schedule, run or event of that name or number."""


class Desk:
    """Moves of people. All raise :class:`tasks.model.errors.Refused` where a move cannot be made."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def run(
        self,
        job: str,
        who: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        agent: str | None = None,
        priority: str = "medium",
    ) -> int:
        """Run a job at once; returns the number of the run."""
        if priority not in PRIORITIES:
            raise Refused(f"there is no priority {priority!r}: use one of {', '.join(PRIORITIES)}")
        now = clock.now()
        with self._ledger.transaction() as session:
            detail = _deployed(session, A_JOB, job)
            given = read_arguments(job, detail, arguments or {})
            context = {"resource": agent} if agent else {}
            number = moves.create(
                session, now, f"by hand:{uuid.uuid4().hex}", job, detail, f"operator {who}",
                user=who, priority=priority, arguments=given, context=context, agent=agent,
            )  # fmt: skip
            assert number is not None
        return number

    def run_schedule(self, name: str, who: str) -> int:
        """Run a schedule's job at once with its arguments, whether it is active or not (spec orchestrate 10)."""
        now = clock.now()
        with self._ledger.transaction() as session:
            schedule = _deployed(session, A_SCHEDULE, name)
            detail = _deployed(session, A_JOB, schedule["job"])
            number = moves.create(
                session, now, f"by hand:{uuid.uuid4().hex}", schedule["job"], detail, f"operator {who}",
                user=schedule["user"], priority=schedule["priority"], arguments=schedule["arguments"], context={},
                schedule=name, trigger="manual",
            )  # fmt: skip
            assert number is not None
            row = {"name": name, "last_at": now, "last_instance": number, "skipped": 0, "missed": 0}
            settled = ", ".join(f'"{column}" = excluded."{column}"' for column in ("last_at", "last_instance"))
            bulk.insert(session, JobSchedule, [row], conflict=f'("name") DO UPDATE SET {settled}')
        return number

    def switch(self, name: str, enabled: bool, who: str) -> None:
        """Have events and clocks start a schedule, or not, over what its file says."""
        with self._ledger.transaction() as session:
            _deployed(session, A_SCHEDULE, name)
            row = {"name": name, "enabled": enabled, "enabled_by": who, "skipped": 0, "missed": 0}
            settled = ", ".join(f'"{column}" = excluded."{column}"' for column in ("enabled", "enabled_by"))
            bulk.insert(session, JobSchedule, [row], conflict=f'("name") DO UPDATE SET {settled}')

    def cancel(self, number: int, who: str, reason: str | None = None) -> str:
        """End a run; returns the state that it has now."""
        now = clock.now()

        def work(session: Session, instance: JobInstance) -> bool:
            moves.cancel(session, instance, now, who, reason)
            return True

        return self._move(number, work, "cancelled")

    def pause(self, number: int, who: str) -> str:
        """Call no handler of a run until it goes on."""
        return self._move(number, lambda s, i: moves.pause(s, i, clock.now(), who), "paused")

    def resume(self, number: int, who: str) -> str:
        """Have a run go on after a pause."""
        return self._move(number, lambda s, i: moves.resume(s, i, clock.now(), who), "resumed")

    def _move(self, number: int, work: Callable[[Session, JobInstance], bool], word: str) -> str:
        with self._ledger.transaction() as session:
            instance = moves.locked(session, number)
            if instance is None:
                raise Unknown(f"there is no run {number}")
            if instance.ended_at is not None:
                raise Refused(f"run {number} is {instance.state}: it cannot be {word}")
            if not work(session, instance):
                raise Refused(f"run {number} is {instance.state}: it cannot be {word} now")
            return instance.state


def _deployed(session: Session, kind: str, name: str) -> Mapping[str, Any]:
    found = deployed.definition(session, kind, name)
    if found is None:
        known = ", ".join(deployed.definitions(session, kind)) or "none, or no scheduler has run yet"
        raise Unknown(f"no {kind} is called {name!r}: deployed are {known}")
    return found


def read_arguments(job: str, detail: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as their job declares them; text is read as the type says. Raises ``Refused``."""
    declared, made = detail["arguments"], {}
    for name, value in given.items():
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise Refused(f"the job {job} declares no argument {name!r}: its arguments are {known}")
        kind = declared[name]["type"]
        try:
            if isinstance(value, str) and fact_types.element_of(kind):
                value = [part for part in value.split(",") if part]
            made[name] = fact_types.plain(fact_types.canonical(kind, value))
        except fact_types.BadValue as mistake:
            raise Refused(f"the argument {name} is of the type {kind}: {mistake}") from mistake
    return made


class NotExternal(Refused):
    """An event that Catchment or a rule fires, and nobody else."""


def fire_event(
    ledger: Ledger, settings: Settings, name: str, context: Mapping[str, Any], who: str
) -> tuple[int, set[int]]:
    """Fire an external event; returns its number and the lanes to ring for (spec orchestrate 8).

    Raises :class:`NotExternal` for a name that belongs to Catchment or a rule, :class:`Unknown` for one that no trigger
    declares as external.
    """
    now = clock.now()
    with ledger.transaction() as session:
        declared = deployed.external_event(session, name)
        if is_taken(name) or name.upper().endswith(".RESET"):
            raise NotExternal(f"{name} is an event of Catchment's own: nobody outside fires it")
        if declared is None:
            raise Unknown(f"no trigger declares {name!r} as an external event")
        count = Count()
        fired = Fired(declared, EXTERNAL_SOURCE, context, more={"by": who})
        [raised] = firing.fire(session, settings, now, count, [fired])
        count.write(session)
    return raised.id, {raised.lane}
