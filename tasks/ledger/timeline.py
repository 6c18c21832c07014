"""Events on a time axis: how many of each group and level fell into each stretch of time (spec capture 7).

The database counts; what leaves it is bounded by the stretches and the groups, however many events there are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, cast, func, literal, select, text, tuple_
from sqlalchemy.orm import Session

from tasks.ledger.events import Event
from tasks.ledger.lines import EventLine, Line
from tasks.ledger.selects import event_lines, read_events
from tasks.ledger.timeline_filters import MANAGED, Wanted, conditions, level, source, word
from tasks.model.clock import rfc3339
from tasks.model.result import DETAIL
from tasks.model.timeline import LEVELS, MANAGEMENT, POLICY, PROVIDER, Group, group_of, groups

#: Stretches of one answer, at the most.
MOST = 200
#: The lengths of a stretch, in seconds.
WIDTHS = (
    1, 5, 10, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 28800, 43200, 86400,
    2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400,
)  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


class TooLong(ValueError):
    """A range that the longest stretches cannot cover."""


@dataclass(frozen=True, slots=True)
class Count(Line):
    """How many events of one group and level happened in one stretch of time."""

    start: datetime
    end: datetime
    source: str
    group: str
    title: str
    level: str
    events: int


@dataclass(frozen=True, slots=True)
class Timeline(Line):
    """The counts of a range, oldest first. ``seconds`` is the length of a stretch.

    Stretches begin at multiples of their length since 1970, so the first and the last may reach beyond the range;
    events are counted within it.
    """

    since: datetime
    until: datetime
    seconds: int
    counts: list[Count]

    @property
    def total(self) -> int:
        """All events of the range."""
        return sum(count.events for count in self.counts)

    def groups(self) -> dict[Group, Counter[str]]:
        """The events of each group by level, in the order in which groups are shown."""
        found: dict[Group, Counter[str]] = {}
        for count in sorted(self.counts, key=_shown_order):
            group = Group(count.source, count.group, count.title)
            found.setdefault(group, Counter())[count.level] += count.events
        return found

    def as_dict(self) -> dict[str, Any]:
        """The timeline as plain data: the groups with their sums, and for each stretch that has events its counts."""
        stretches: dict[datetime, dict[str, Any]] = {}
        for count in self.counts:
            ends = {"start": rfc3339(count.start), "end": rfc3339(count.end), "events": 0, "counts": []}
            stretch = stretches.setdefault(count.start, ends)
            stretch["events"] += count.events
            taken = ("source", "group", "level", "events")
            stretch["counts"].append({name: getattr(count, name) for name in taken})
        groups = [
            {**group._asdict(), "events": levels.total(), "levels": dict(levels)}
            for group, levels in self.groups().items()
        ]
        return {
            "since": rfc3339(self.since),
            "until": rfc3339(self.until),
            "seconds": self.seconds,
            "events": self.total,
            "groups": groups,
            "buckets": list(stretches.values()),
        }


@dataclass(frozen=True, slots=True)
class Filed(Line):
    """An event as a timeline files it: of a raised event, group and level are not those of its cause."""

    event: EventLine
    source: str
    group: str
    title: str
    level: str

    def as_dict(self) -> dict[str, Any]:
        """The event's own keys; ``source``, ``group``, ``title`` and ``level`` are the timeline's."""
        filed = {name: getattr(self, name) for name in ("source", "group", "title", "level")}
        return {**self.event.as_dict(), **filed}


def width(since: datetime, until: datetime, most: int = MOST) -> int:
    """The shortest length, in seconds, at which no more than ``most`` stretches cover the range.

    Raises :class:`TooLong` where there is none.
    """
    for seconds in WIDTHS:
        if (floor(until - timedelta(microseconds=1), seconds) - floor(since, seconds)) < timedelta(
            seconds=seconds * most
        ):
            return seconds
    raise TooLong(f"the range is too long for a timeline: {WIDTHS[-1] * most // 86400} days are the most")


def floor(moment: datetime, seconds: int) -> datetime:
    """The beginning of the stretch that a moment lies in."""
    passed = (moment - _EPOCH) // _SECOND
    return _EPOCH + timedelta(seconds=passed - passed % seconds)


def timeline(session: Session, wanted: Wanted, most: int = MOST) -> Timeline:
    """Count the events of a range. Raises :class:`TooLong` for one that is too long."""
    seconds = width(wanted.since, wanted.until, most)
    _hasten(session)
    columns = (_stretch(session, seconds).label("stretch"), source().label("origin"), word().label("word"))
    query = select(*columns, level().label("grade"), func.count().label("events"))
    # By the names of the columns: parameters make two spellings of one expression two expressions.
    query = query.where(*conditions(session, wanted)).group_by("stretch", "origin", "word", "grade")
    sums: Counter[tuple[datetime, Group, str]] = Counter()
    for row in session.execute(query):
        start = row.stretch.astimezone(UTC) if isinstance(row.stretch, datetime) else _EPOCH + row.stretch * _SECOND
        sums[start, group_of(row.origin, row.word), row.grade] += row.events
    length = timedelta(seconds=seconds)
    counts = [Count(start, start + length, *group, grade, number) for (start, group, grade), number in sums.items()]
    return Timeline(wanted.since, wanted.until, seconds, sorted(counts, key=lambda c: (c.start, *_shown_order(c))))


def events(
    session: Session,
    wanted: Wanted,
    *,
    after: tuple[datetime, int] | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> list[Filed]:
    """The events of a range in the order in which they happened; the list goes on after that moment and id."""
    query = event_lines().where(*conditions(session, wanted))
    place = tuple_(Event.occurred_at, Event.id)
    if after is not None:
        anchor = tuple_(literal(after[0], Event.occurred_at.type), literal(after[1]))
        query = query.where(place < anchor if newest_first else place > anchor)
    ends = (Event.occurred_at, Event.id)
    query = query.order_by(*((end.desc() for end in ends) if newest_first else ends)).limit(limit)
    return [_filed(line) for line in read_events(session, query)]


def place_of(session: Session, event_id: int) -> tuple[datetime, int] | None:
    """Where an event stands in a list, so that the next page goes on after it; None where there is no such event."""
    at = session.scalar(select(Event.occurred_at).where(Event.id == event_id))
    return None if at is None else (at, event_id)


def _filed(line: EventLine) -> Filed:
    if not line.raised:
        return Filed(line, *group_of(PROVIDER, line.group), line.level)
    origin = MANAGEMENT if line.raw_event_type.startswith(MANAGED) else POLICY
    return Filed(line, *group_of(origin, line.event_type), line.result or DETAIL)


def _shown_order(count: Count) -> tuple[int, str, int, str]:
    """Groups in the order of their table, then those that are in none; the gravest level first."""
    places = {key: place for place, key in enumerate(groups())}
    place = places.get((count.source, count.group), len(places))
    return place, count.group, LEVELS.index(count.level) if count.level in LEVELS else len(LEVELS), count.level


def _stretch(session: Session, seconds: int) -> ColumnElement[Any]:
    if session.get_bind().dialect.name == "sqlite":
        # Cut to whole seconds before it is read, which rounds to milliseconds.
        passed = cast(func.strftime("%s", func.substr(Event.occurred_at, 1, 19)), Integer)
        # Of a negative number the remainder is negative there, but nothing asks for moments before 1970.
        return passed - passed.op("%")(seconds)
    return func.date_bin(text(f"interval '{seconds} seconds'"), Event.occurred_at, text("timestamptz 'epoch'"))


def _hasten(session: Session) -> None:
    """Have PostgreSQL plan for the range at hand and count in memory; the settings end with the transaction."""
    if session.get_bind().dialect.name == "postgresql":
        for setting in ("plan_cache_mode = force_custom_plan", "jit = off", "work_mem = '64MB'"):
            session.execute(text(f"SET LOCAL {setting}"))
