"""How far an event API has been read: where the next request begins, and which events are known.

Events become visible in another order than the one they happened in (spec capture 9 A5), so each walk
through the API begins a little before the end of the one before it. What is kept:

``newest``
    The latest moment that was read, but never one that the clock has not reached: a host whose clock is
    years ahead must not make us pass over everything that happens until then.
``floor``
    Where the next walk begins. Everything before it has *settled*: it was passed when it was older than
    the back-read, so nothing can appear there any more. It lies one back-read before ``newest``, or before
    the clock as it stood when the walk first passed something younger than that (``unsettled``), whichever
    is earlier.
``seen``
    The ids of all events from ``floor`` on that were handed over. They are met again and skipped. In a
    storm at most ``REMEMBERED`` are kept and ``floor`` follows them, so the back-read is then shorter.
``at``, ``marker``
    The last event of a walk that is not finished, so that the next one goes on behind it. A walk that
    always began at ``floor`` again would not get past a storm that takes longer to read than a catch lasts.

Of what the service answers, only an id in ``seen`` is left out. Moments are UTC, as text of one length, so
that they compare (A6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

from tasks.model import clock

#: Ids that are remembered, at the most, of events of different moments.
REMEMBERED = 1000
#: Ids that are remembered of one moment: a service that pages by moments alone needs all of them.
REMEMBERED_TOGETHER = 12_800
#: Seconds for which the size of an answer says what the service is able to give. It is measured anew then: a limit
#: that was lowered meanwhile would make every answer look whole, and reading would stand still.
MEASURED_SECONDS = 600.0


class Sighting(NamedTuple):
    """One event of an answer: its moment as comparable text, its id, and itself."""

    generated: str
    message_id: str
    event: dict[str, Any] | str


@dataclass(slots=True)
class Walk:
    """The position of one provider's event API, and the walk that moves it."""

    backread: float
    newest: str | None = None
    floor: str | None = None
    unsettled: str | None = None
    at: str | None = None
    marker: str | None = None
    seen: dict[str, str] = field(default_factory=dict)
    #: The largest answer of late, in events: a shorter one was not cut by the service.
    largest: int = 0
    largest_at: str | None = None

    @classmethod
    def of(cls, cursor: Mapping[str, Any] | None, backread: float) -> Self:
        """The walk that a stored cursor describes; an empty one for the very beginning."""
        stored = cursor or {}
        seen = stored.get("seen") or {}
        measured = stored.get("largest_at") or ""
        counts = measured > as_text(clock.now() - timedelta(seconds=MEASURED_SECONDS))
        return cls(
            backread,
            newest=stored.get("generated"),
            floor=stored.get("floor"),
            unsettled=stored.get("unsettled"),
            at=stored.get("at"),
            marker=stored.get("marker"),
            seen={message_id: moment for moment, ids in seen.items() for message_id in ids},
            largest=int(stored.get("largest") or 0) if counts else 0,
            largest_at=measured if counts else None,
        )

    def cursor(self) -> dict[str, Any]:
        """The position as the ledger keeps it."""
        seen: dict[str, list[str]] = {}
        for message_id, moment in self.seen.items():
            seen.setdefault(moment, []).append(message_id)
        found = {
            "generated": self.newest,
            "floor": self.floor,
            "unsettled": self.unsettled,
            "at": self.at,
            "marker": self.marker,
            "largest": self.largest,
            "largest_at": self.largest_at,
            "seen": seen,
        }
        return {key: value for key, value in found.items() if value}

    def is_whole(self, size: int, limit: int) -> bool:
        """Whether an answer of this size was cut neither by the limit that was asked for nor by the service's."""
        whole = size < limit and size < max(self.largest, 1)
        self.measure(size)
        return whole

    def measure(self, size: int) -> None:
        """Note how much the service is able to give in one answer."""
        if size >= self.largest:
            self.largest, self.largest_at = size, as_text(clock.now())

    def since(self) -> str | None:
        """The moment from which to ask (None: from the beginning of history)."""
        return self.floor if self.at is None else self.at

    def fresh(self, sightings: Iterable[Sighting]) -> list[Sighting]:
        """Those that were not handed over yet."""
        return [sighting for sighting in sightings if sighting.message_id not in self.seen]

    def pass_by(self, sightings: Sequence[Sighting]) -> None:
        """Move behind these events, which follow each other as the service orders them."""
        now = clock.now()
        present, settled = as_text(now), as_text(now - timedelta(seconds=self.backread))
        for generated, message_id, _ in sightings:
            self.marker = message_id
            if not generated:
                continue
            if generated > settled:
                self.unsettled = min(self.unsettled or settled, settled)
            self.seen[message_id] = self.at = generated
            self.newest = max(self.newest or "", min(generated, present))
        self._move_floor()

    def finish(self) -> None:
        """The walk has reached the end: the next one begins at the floor."""
        self.at = self.marker = self.unsettled = None
        self._forget()

    def _move_floor(self) -> None:
        """Up, where something has settled or too much is remembered, and never down."""
        if self.newest is None:
            return
        settled = before(self.newest, self.backread)
        self.floor = max(self.floor or "", min(settled, self.unsettled or settled))
        past = sorted(moment for moment in self.seen.values() if self.floor <= moment <= self.newest)
        if len(past) > REMEMBERED:
            self.floor = past[-REMEMBERED]
            if past.count(self.floor) > REMEMBERED_TOGETHER:
                self.floor = before(self.floor, -1e-6)
        self._forget()

    def _forget(self) -> None:
        """Drop the ids that no walk will meet again; beyond the bounds, those that were met first."""
        floor, newest = self.floor or "", self.newest or ""
        lowest = floor if self.at is None else min(floor, self.at)
        kept = {i: moment for i, moment in self.seen.items() if lowest <= moment <= newest}
        ahead = {i: moment for i, moment in self.seen.items() if moment > newest}
        self.seen = _last(kept, REMEMBERED + REMEMBERED_TOGETHER) | _last(ahead, REMEMBERED)


def as_text(moment: datetime) -> str:
    """A moment as the event APIs write it: UTC without a zone, to the microsecond, always of one length."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def before(moment: str, seconds: float) -> str:
    """The moment so many seconds earlier, as far as there are dates."""
    try:
        return as_text(clock.parse_utc(moment) - timedelta(seconds=seconds))
    except OverflowError:
        return moment


def _last(ids: dict[str, str], number: int) -> dict[str, str]:
    return ids if len(ids) <= number else dict(list(ids.items())[-number:])
