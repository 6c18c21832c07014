"""What the files of a site say about jobs: jobs, triggers and schedules, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tasks.constraints.nodes import Group
from tasks.jobs.cron import Cron
from tasks.model.builtin_events import BUILTINS

#: Priorities, the most urgent first.
PRIORITIES = ("highest", "high", "medium", "low", "lowest")
ALLOW, SKIP, QUEUE = "allow", "skip", "queue"
#: When a constraint of each type is asked (spec orchestrate 10).
ACCEPT, START, RESOURCE, ALLOCATION, CONTINUE = "accept", "start", "resource", "allocation", "continue"
CONSTRAINTS = (ACCEPT, START, RESOURCE, ALLOCATION, CONTINUE)
#: The user under which Catchment runs jobs of its own.
SYSTEM_USER = "zosSystem"


@dataclass(frozen=True, slots=True)
class OnEvent:
    """Fires when an event of that name is fired, ``delay`` later. ``external``: programs outside may fire it."""

    name: str
    external: bool = False
    delay: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class OnCron:
    """Fires at the times of an expression, from ``start`` to ``end`` where they are given."""

    cron: Cron
    zone: ZoneInfo
    start: datetime | None = None
    end: datetime | None = None

    def after(self, moment: datetime) -> datetime | None:
        """The next firing after a moment; None where there is none any more."""
        if self.start is not None and self.start > moment:
            moment = self.start - timedelta(seconds=1)
        found = self.cron.after(moment, self.zone)
        return None if found is None or (self.end is not None and found > self.end) else found


@dataclass(frozen=True, slots=True)
class OnTime:
    """Fires ``startin`` after activation, then each ``interval``; ``repeat`` times after the first, -1: for ever."""

    startin: timedelta
    interval: timedelta | None
    repeat: int

    def after(self, moment: datetime, activated: datetime) -> datetime | None:
        """The next firing after a moment; None where all have been."""
        first = activated + self.startin
        if first > moment:
            return first
        if self.interval is None:
            return None
        number = (moment - first) // self.interval + 1
        return first + number * self.interval if self.repeat < 0 or number <= self.repeat else None


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts schedules. ``fingerprint`` changes with what it says."""

    name: str
    description: str
    start: OnEvent | OnCron | OnTime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument that a job declares: its type, and its value where none is given."""

    name: str
    type: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Job:
    """A deployed job. Nothing of its module is run to know this.

    ``archive`` is the whole job as it goes to its agent, ``digest`` tells one content from another. ``handlers`` are
    the methods of its class. ``writes`` are the facts that it may set, as patterns with ``*`` at their end.
    """

    name: str
    digest: str
    archive: bytes
    description: str = ""
    enabled: bool = True
    handlers: frozenset[str] = frozenset()
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    constraints: Mapping[str, Group] = field(default_factory=dict)
    timeout: float = 600.0
    attempts: int = 3
    memory: int = 512
    discovery: bool = False
    writes: tuple[str, ...] = ()
    most_running: int = -1
    rank_by: tuple[str, ...] = ()

    @property
    def takes_context(self) -> bool:
        """Whether it wants to be told of the event that started it."""
        return "context" in self.arguments


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job runs, and with what.

    ``foreach``: it runs once on each resource that is online.
    """

    name: str
    job: str
    description: str = ""
    active: bool = False
    overlap: str = ALLOW
    user: str = SYSTEM_USER
    priority: str = "medium"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    foreach: bool = False
    constraints: Mapping[str, Group] = field(default_factory=dict)
    triggers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobSet:
    """All jobs, schedules and triggers of a site, each by its name."""

    jobs: Mapping[str, Job] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    triggers: Mapping[str, Trigger] = field(default_factory=dict)

    def trigger(self, name: str) -> Trigger:
        """A trigger by its name; a name that none has is that of an event."""
        found = self.triggers.get(name)
        return found if found is not None else Trigger(name, "", OnEvent(name), name)

    def external(self) -> dict[str, Trigger]:
        """The triggers that programs outside may fire, by the name of their event in capital letters."""
        return {
            t.start.name.upper(): t for t in self.triggers.values() if isinstance(t.start, OnEvent) and t.start.external
        }


def event_name(written: str) -> str:
    """A name of an event as it is known: the built-in ones in capitals, and one of them without its old blank."""
    name = written.strip()
    known = name.upper().replace(" ", "_")
    return known if known in BUILTINS else name
