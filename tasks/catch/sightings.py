"""One fact, however many messages tell it and by however many roads: what is known, and what is seen again.

A message is one message whichever road it takes, for it carries its id with it (spec capture 2.5): the bus
and the event API, a push and a poll hand over one event. Two payload kinds of a fact are two messages, which
are paired (:mod:`tasks.catch.twins`). Either is noted with its road and its time, and counted as a duplicate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.catch.reading import Caught
from tasks.catch.twins import SortedOut, pair_twins
from tasks.ledger import bulk
from tasks.ledger.base import Moment
from tasks.ledger.events import RoadSighting, Sighting


class Known(NamedTuple):
    """A message that is stored: the event that it is part of, and the road by which it first came."""

    event_id: int
    road: str


class Sightings:
    """Tells the messages of one batch apart, and notes those that were seen again. Lives within one transaction."""

    def __init__(self, session: Session, provider_id: int, caught: Sequence[Caught]) -> None:
        self._session = session
        self._provider_id = provider_id
        self._caught = caught
        self._first: dict[str, Caught] = {}
        for item in caught:
            self._first.setdefault(item.identity.message_id, item)
        self._known = self._stored_messages()
        candidates = [item for message_id, item in self._first.items() if message_id not in self._known]
        twins = {item.identity.twin for item in candidates if item.identity.twin}
        self._sorted: SortedOut = pair_twins(candidates, self._stored_twins(twins))

    @property
    def fresh(self) -> list[Caught]:
        """What is no event yet: neither the same message again, nor the other payload kind of a fact."""
        return self._sorted.fresh

    def note(self, ids: Mapping[str, int], now: datetime) -> None:
        """Write what was seen again. ``ids`` has the events of :attr:`fresh` by their message ids."""
        pairs = self._sorted.of_stored + [
            (item, ids[first.identity.message_id]) for item, first in self._sorted.of_fresh
        ]
        rows = [self._row(item, event_id, now) for item, event_id in pairs]
        bulk.insert(self._session, Sighting, rows, conflict="DO NOTHING")
        again = list(self._by_another_road())
        if again:
            events = {**ids, **{item.identity.message_id: event_id for item, event_id in pairs}}
            events |= {message_id: known.event_id for message_id, known in self._known.items()}
            rows = [self._row(item, events[item.identity.message_id], now) for item in again]
            bulk.insert(self._session, RoadSighting, rows, conflict="DO NOTHING")

    def _by_another_road(self) -> Iterable[Caught]:
        for item in self._caught:
            message_id = item.identity.message_id
            before = self._known.get(message_id)
            if item.road != (before.road if before else self._first[message_id].road):
                yield item

    def _row(self, item: Caught, event_id: int, now: datetime) -> dict[str, object]:
        return {
            "provider_id": self._provider_id,
            "message_id": item.identity.message_id,
            "event_id": event_id,
            "raw_event_type": item.identity.raw_event_type,
            "road": item.road,
            "seen_at": now,
        }

    def _stored_messages(self) -> dict[str, Known]:
        if not self._first:
            return {}
        e, s = bulk.among(self._session, "e.message_id"), bulk.among(self._session, "s.message_id")
        rows = self._session.execute(
            text(
                "SELECT e.message_id, e.id AS event_id, n.road FROM event e "
                f"LEFT JOIN notification n ON n.event_id = e.id WHERE e.provider_id = :p AND {e} "
                f"UNION ALL SELECT s.message_id, s.event_id, s.road FROM sighting s WHERE s.provider_id = :p AND {s}"
            ),
            {"p": self._provider_id, "ids": bulk.listed(self._session, list(self._first))},
        )
        return {row.message_id: Known(row.event_id, row.road or "") for row in rows}

    def _stored_twins(self, twins: set[str]) -> dict[str, list[tuple[int, str, datetime]]]:
        """Stored events whose other payload kind has not been seen yet."""
        if not twins:
            return {}
        rows = self._session.execute(
            text(
                f"SELECT e.twin, e.id, e.variant, e.occurred_at FROM event e "
                f"WHERE {bulk.among(self._session, 'e.twin')} AND e.provider_id = :p "
                "AND NOT EXISTS (SELECT 1 FROM sighting s WHERE s.event_id = e.id) ORDER BY e.occurred_at"
            ).columns(occurred_at=Moment()),
            {"ids": bulk.listed(self._session, twins), "p": self._provider_id},
        )
        found: dict[str, list[tuple[int, str, datetime]]] = {}
        for row in rows:
            found.setdefault(row.twin, []).append((row.id, row.variant, row.occurred_at))
        return found
