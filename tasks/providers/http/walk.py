"""How far a service has been read: where the next request begins, and which events are known.

A *walk* goes from the floor to the end of what the service shows. It may take several polls: each batch carries
where it stands. A walk has *rounds*; each asks from one position (``since``) and goes through its pages.

The floor moves when a walk has ended, and only to what has *settled*: an event that the service shows late, by up to
``overlap_seconds``, was visible when that walk began. By time that is the newest time read, or the walk's beginning
if it is earlier, less the overlap. By id it is the last event that was older than the overlap when the walk began, or
that was known for that long, so that a gap in the ids may be filled as late.

Of what a service answers, only an event whose id is remembered is left out; forgetting one costs a duplicate, which
the ledger knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, NamedTuple, Self

from tasks.model import clock
from tasks.providers.http.moments import Format, as_text, of_text, unit, write
from tasks.providers.http.options import Cursor

#: Ids that are remembered of the walks before, and of the present one.
REMEMBERED = 5000
#: So many positions by id are kept over one overlap.
STEPS = 20


class Row(NamedTuple):
    """One event of an answer: what it is known by, where it stands and when it happened (empty: it does not say)."""

    key: str
    position: str
    moment: str
    body: dict[str, Any] | str


@dataclass(slots=True)
class Walk:
    """The position of one provider's service, and the walk that moves it.

    ``place`` is the page of the round that comes next: its number, marker or link; None for the first one.
    ``silent`` is a first walk whose events are passed by and not handed over.
    """

    options: Cursor
    floor: str | None = None
    newest: str | None = None
    began: str | None = None
    since: str | None = None
    place: str | int | None = None
    silent: bool = False
    settled: str | None = None
    known_at: list[list[str]] = field(default_factory=list)
    seen: dict[str, None] = field(default_factory=dict)
    met: dict[str, None] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: Mapping[str, Any] | None, options: Cursor) -> Self:
        """The walk that a stored cursor describes; an empty one at the very beginning.

        A cursor of another kind says nothing: all is read again, and the ledger knows it.
        """
        names = {each.name for each in fields(cls)} - {"options"}
        stored = {name: value for name, value in (cursor or {}).items() if name in names}
        if not cursor or cursor.get("by") != options.by:
            return cls(options)
        for name in ("seen", "met"):
            stored[name] = dict.fromkeys(stored.get(name, ()))
        return cls(options, **stored)

    def cursor(self) -> dict[str, Any]:
        """The position as the ledger keeps it."""
        found = {
            "floor": self.floor,
            "newest": self.newest,
            "began": self.began,
            "since": self.since,
            "place": self.place,
            "silent": self.silent,
            "settled": self.settled,
            "known_at": [list(step) for step in self.known_at],
            "seen": list(self.seen),
            "met": list(self.met),
        }
        return {"by": self.options.by, **{k: v for k, v in found.items() if v or (k == "place" and v is not None)}}

    @property
    def under_way(self) -> bool:
        """Whether a walk was begun and has not ended."""
        return self.began is not None

    def begin(self) -> None:
        """Begin a walk at the floor, unless one is under way."""
        if self.began is None:
            self.began, self.since, self.place = as_text(clock.now()), self.floor, None

    def asked_from(self) -> str | None:
        """What the query's parameter says; None where there is nothing to say.

        One step earlier than the position, since a service may leave out the very moment that it is asked from.
        """
        if self.options.by == "none":
            return None
        if self.since is None:
            return self.options.start
        return self.since if self.options.by == "id" else _before(self.since, self.options.format)

    def fresh(self, rows: Iterable[Row]) -> list[Row]:
        """Those that are not known, each once."""
        found = {row.key: row for row in reversed(list(rows)) if row.key not in self.seen and row.key not in self.met}
        return list(reversed(found.values()))

    def pass_by(self, rows: Sequence[Row]) -> None:
        """Move behind these events, which follow each other as they happened."""
        present = as_text(clock.now())
        old = _back(self.began or present, self.options.overlap_seconds)
        for row in rows:
            self.seen.pop(row.key, None)
            self.met.pop(row.key, None)
            self.met[row.key] = None
            if row.position and self.options.by == "time":
                # A host whose clock is ahead must not make us pass over what happens until then.
                self.newest = max(self.newest or "", min(row.position, present))
            elif row.position and self.options.by == "id":
                self.newest = later(self.newest, row.position)
                if row.moment and row.moment <= old:
                    self.settled = later(self.settled, row.position)
        while len(self.met) > REMEMBERED:
            del self.met[next(iter(self.met))]

    def again(self, position: str) -> bool:
        """Begin another round at a position; False where it lies no further than the one before."""
        if self.since is not None and (position == self.since or later(self.since, position) == self.since):
            return False
        self.since, self.place = position, None
        return True

    def finish(self) -> None:
        """The walk has reached the end: the next one begins at the floor."""
        if self.began is not None and self.newest is not None:
            if self.options.by == "time":
                settled = _back(min(self.newest, self.began), self.options.overlap_seconds)
                self.floor = max(self.floor or "", settled)
            elif self.options.by == "id":
                self._settle(self.began, self.newest)
        self.began = self.since = self.place = None
        self.silent = False
        self.seen, self.met = self.met, {}

    def _settle(self, began: str, newest: str) -> None:
        """Move the floor by id to what had settled when the walk began."""
        overlap = self.options.overlap_seconds
        if not overlap:
            self.floor = newest
            return
        steps, now = self.known_at, as_text(clock.now())
        if not steps or (steps[-1][1] != newest and steps[-1][0] <= _back(now, overlap / STEPS)):
            steps.append([now, newest])
        known = [step for step in steps if step[0] <= _back(began, overlap)]
        self.known_at = steps[max(len(known) - 1, 0) :]
        for position in (known[-1][1] if known else None, self.settled):
            self.floor = self.floor if position is None else later(self.floor, position)


def later(one: str | None, other: str) -> str:
    """The later of two positions of one kind; of ids that are no numbers, the one that came last."""
    if one is None:
        return other
    if one.isdecimal() and other.isdecimal():
        return max(one, other, key=int)
    return max(one, other) if _is_moment(one) and _is_moment(other) else other


def _is_moment(position: str) -> bool:
    return len(position) == 26 and position[4] == "-" and position[10] == "T"


def _back(moment: str, seconds: float) -> str:
    """The moment so many seconds earlier, as far as there are dates."""
    try:
        return as_text(of_text(moment) - timedelta(seconds=seconds))
    except (OverflowError, ValueError):
        return moment


def _before(moment: str, written: Format) -> str:
    try:
        return write(of_text(moment) - unit(written), written)
    except (OverflowError, ValueError):
        return write(of_text(moment), written)
