"""Follow events: the last ones, then each new one, once, none left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from tasks.conveyor.order import ORDER
from tasks.ledger import listing
from tasks.ledger.arrivals import Arrivals
from tasks.ledger.events import Place
from tasks.ledger.lines import EventLine
from tasks.ledger.session import Ledger

#: Seconds between two looks at the ledger.
PAUSE = 1.0
#: Seconds that a new event may take to be converted before it is shown with what is known of it.
PATIENCE = 2.0
#: New events looked at in one turn.
TURN = 5000


class Wanted(NamedTuple):
    """Which events: the filters that hold or do not hold for an event once and for all."""

    provider: str | None = None
    event_type: str | None = None
    resource: str | None = None
    project: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Follower:
    """New events that fit, in answers to :meth:`turn`."""

    def __init__(self, ledger: Ledger, wanted: Wanted) -> None:
        self._ledger = ledger
        self._wanted = wanted
        self._waiting: dict[int, float] = {}
        self._shown: set[int] = set()
        with ledger.reading() as session:
            self._arrivals = Arrivals(session)

    def last(self, limit: int) -> list[EventLine]:
        """The last events that are there already, oldest first. Called once, before any turn."""
        with self._ledger.reading() as session:
            found = listing.events(session, **self._wanted._asdict(), limit=limit)
        # One that came between the first look and this list will also be found as new.
        self._shown = {line.id for line in found}
        return found[::-1]

    def turn(self) -> tuple[list[EventLine], bool]:
        """Events that are new and fit, in the order of their ids, and whether to look again at once."""
        with self._ledger.reading() as session:
            arrived, more = self._arrivals.poll(session)
        now = time.monotonic()
        self._waiting.update((number, now) for number in arrived if number not in self._shown)
        looked_at = sorted(self._waiting)[:TURN]
        if not looked_at:
            return [], more
        with self._ledger.reading() as session:
            raw = self._raw(session, looked_at)
            ripe = [number for number in looked_at if number not in raw or self._tired(number, now)]
            found = listing.events_among(session, ripe, **self._wanted._asdict()) if ripe else []
        for number in ripe:
            del self._waiting[number]
        return found, more

    def _raw(self, session: Session, numbers: Sequence[int]) -> set[int]:
        """Those that are not converted yet: what they are about is known in part only."""
        query = select(Place.event_id).where(Place.stage == ORDER[0], Place.event_id.in_(numbers))
        return set(session.scalars(query))

    def _tired(self, number: int, now: float) -> bool:
        # Whose project an event is shows when it is converted: it is waited for, however long it takes.
        return self._wanted.project is None and now - self._waiting[number] >= PATIENCE


def follow(ledger: Ledger, wanted: Wanted, limit: int, write: Callable[[Sequence[EventLine]], None]) -> None:
    """Write the last events and then every new one, until the user interrupts it."""
    try:
        follower = Follower(ledger, wanted)
        write(follower.last(limit))
        while True:
            found, more = follower.turn()
            write(found)
            if not more:
                time.sleep(PAUSE)
    except KeyboardInterrupt:
        return
