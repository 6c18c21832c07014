"""How far an engine's event log has been read: where the next request begins, and which events are known.

The engine numbers its events upwards, but not without gaps: a number is drawn before the transaction ends, so
an event may become visible after those with higher numbers, or never. And it lists them by time, not by
number. What is kept:

``floor``, ``floor_time``
    All events up to this number were handed over, or are waited for no more. Requests begin just before it, so
    that the event itself is in the answer: where it is not as it was, the log is not the one that was read.
``runs``
    The numbers above the floor that were handed over, as (first, last, noticed): between two runs is a gap.
    Once a gap was seen for ``late_seconds`` nobody waits for it any more, and for one below an event that is older
    than ``OLD`` nobody does at all. In the worst case ``REMEMBERED`` runs are kept; the lowest gaps are then given
    up earlier.
``since``
    The latest moment that was read, but never one that our clock has not reached: what happened after it on an
    engine whose numbers have gone back is new.
``base``, ``page``
    Set in the middle of a walk that takes several pages: where it began, and the page that comes next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from tasks.model import clock

#: Runs that are remembered at the most.
REMEMBERED = 5000
#: An event that is older than this by its own word is history: whatever belongs before it is there. So much may the
#: engine's clock be behind ours.
OLD = timedelta(hours=1)


class Row(NamedTuple):
    """One event of an answer: its number, its moment, and itself. A number of None cannot be told apart."""

    number: int | None
    at: datetime | None
    event: Any

    @property
    def time(self) -> str:
        """The moment as text."""
        return clock.rfc3339(self.at) if self.at else ""


@dataclass(slots=True)
class Run:
    """Numbers that follow each other; ``noticed`` is when the gap before them was first seen."""

    first: int
    last: int
    noticed: str
    last_time: str


@dataclass(slots=True)
class Walk:
    """The position in one engine's log, and the walk that moves it."""

    floor: int = 0
    floor_time: str = ""
    since: str = ""
    runs: list[Run] = field(default_factory=list)
    base: int | None = None
    page: int = 1

    @classmethod
    def of(cls, cursor: Mapping[str, Any]) -> Self:
        """The walk that a stored cursor describes."""
        return cls(
            cursor["id"],
            cursor.get("time", ""),
            cursor.get("since", ""),
            [Run(*run) for run in cursor.get("runs", ())],
            cursor.get("base"),
            cursor.get("page", 1),
        )

    def cursor(self) -> dict[str, Any]:
        """The position as the ledger keeps it."""
        found: dict[str, Any] = {"id": self.floor, "time": self.floor_time, "since": self.since}
        if self.runs:
            found["runs"] = [[run.first, run.last, run.noticed, run.last_time] for run in self.runs]
        if self.base is not None:
            found |= {"base": self.base, "page": self.page}
        return found

    def fresh(self, rows: Iterable[Row]) -> list[Row]:
        """Those that were not handed over yet, in the order of their numbers, each once."""
        found: dict[int, Row] = {}
        nameless: list[Row] = []
        for row in rows:
            if row.number is None:
                nameless.append(row)
            elif not self.knows(row.number):
                found.setdefault(row.number, row)
        return [*(found[number] for number in sorted(found)), *nameless]

    def knows(self, number: int) -> bool:
        """Whether the event of this number was handed over, or is waited for no more."""
        if number <= self.floor:
            return True
        place = self._place(number)
        return place > 0 and number <= self.runs[place - 1].last

    def pass_by(self, rows: Sequence[Row]) -> None:
        """Note events as handed over."""
        now = clock.now()
        present = clock.rfc3339(now)
        for row in rows:
            if row.number is None:
                continue
            self.since = max(self.since, min(row.time, present))
            if not self.knows(row.number):
                old = clock.rfc3339(row.at + OLD) if row.at and row.at < now - OLD else present
                # A moment that has not come yet was made up by somebody, and says nothing of the log.
                self._add(row.number, row.time if row.time <= present else "", min(old, present))

    def begin(self) -> None:
        """Begin a walk just before the floor."""
        self.base, self.page = max(self.floor - 1, 0), 1

    def turn(self, final: bool, late_seconds: float) -> None:
        """A page was passed by: go to the next one, or end the walk.

        Where nothing is left out so far, the walk goes on from the floor: the engine counts less from there.
        """
        if final:
            self._finish(late_seconds)
        elif not self.runs and self.base is not None and self.floor > self.base + 1:
            self.begin()
        else:
            self.page += 1

    def _finish(self, late_seconds: float) -> None:
        """The log was read to its end: give up the gaps that were seen for so long."""
        self.base, self.page = None, 1
        settled = clock.rfc3339(clock.now() - timedelta(seconds=late_seconds))
        while self.runs and (self.runs[0].noticed <= settled or len(self.runs) > REMEMBERED):
            self._rise()

    def go_to(self, number: int, time: str = "") -> None:
        """Go on behind the event of this number and moment, and know of none behind it."""
        self.floor, self.floor_time = number, time
        self.runs.clear()
        self.base, self.page = None, 1

    def _add(self, number: int, time: str, present: str) -> None:
        place = self._place(number)
        before = self.runs[place - 1] if place > 0 else None
        if before is not None and before.last == number - 1:
            before.last, before.last_time = number, time
        else:
            before = Run(number, number, present, time)
            self.runs.insert(place, before)
            place += 1
        after = self.runs[place] if place < len(self.runs) else None
        if after is not None and after.first == number + 1:
            before.last, before.last_time = after.last, after.last_time
            del self.runs[place]
        if self.runs[0].first == self.floor + 1:
            self._rise()

    def _rise(self) -> None:
        run = self.runs.pop(0)
        self.floor, self.floor_time = run.last, run.last_time

    def _place(self, number: int) -> int:
        """How many runs begin at the number or before it."""
        low, high = 0, len(self.runs)
        while low < high:
            middle = (low + high) // 2
            if self.runs[middle].first <= number:
                low = middle + 1
            else:
                high = middle
        return low
