"""Store what a monitor handed over, with the cursor, in one transaction. Acknowledging comes after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import case, update
from sqlalchemy.orm import Session

from tasks.catch.absence import note_losses
from tasks.catch.lateness import late_ones
from tasks.catch.reading import Caught, unwrap
from tasks.catch.sightings import Sightings
from tasks.conveyor import failpoints
from tasks.conveyor.claim import busy_lanes
from tasks.conveyor.order import ORDER
from tasks.ledger import bulk, pulse
from tasks.ledger.events import DEAD, PENDING, DeadLetter, Event, Notification, Place
from tasks.ledger.providers import Cursor, Provider
from tasks.ledger.session import CATCH_LOCK, Ledger, lock
from tasks.ledger.tally import Count
from tasks.model import clock
from tasks.model.errors import LeaseLost
from tasks.model.event import Identity, ObjectRef, lane_of, object_key
from tasks.model.event import Notification as Raw
from tasks.providers.contracts import Converter
from tasks.site.settings import Settings

log = structlog.get_logger(__name__)

_EVENT_COLUMNS = (
    "id", "provider_id", "message_id", "state", "object_key", "occurred_at", "caught_at", "late",
    "twin", "variant", "event_type", "raw_event_type", "resource_kind", "resource_id",
)  # fmt: skip
_PLACE_COLUMNS = ("event_id", "stage", "lane", "occurred_at", "due_at", "object_key", "attempts")


@dataclass(slots=True)
class Stored:
    """What became of a batch.

    ``lanes`` have new events. ``asleep`` are those of them in which nothing else was due, so that nobody
    is on his way to them: they must be rung for.
    """

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    lanes: set[int] = field(default_factory=set)
    asleep: set[int] = field(default_factory=set)


class Ingest:
    """Stores the batches of one provider."""

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        provider: str,
        provider_id: int,
        converter: Converter,
        ignore: frozenset[str],
        losses: Mapping[str, str] | None = None,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._provider = provider
        self._provider_id = provider_id
        self._converter = converter
        self._ignore = ignore
        self._losses = losses or {}
        self._lanes = settings.conveyor.lanes

    def read(self, notifications: Sequence[Raw]) -> tuple[list[Caught], int]:
        """Read notifications, before any transaction; returns them with the number of rejected messages."""
        return unwrap(self._converter, notifications, self._ignore, self._settings.catch.body_limit_bytes)

    def store(
        self,
        notifications: Sequence[Raw],
        cursor: Mapping[str, Any] | None,
        monitor: str,
        lease: str | None = None,
    ) -> Stored:
        """Write notifications and cursor in one transaction.

        ``lease`` is the owner under whose catch lease this happens, if any. Raises
        :class:`tasks.model.errors.LeaseLost` where somebody else holds it by now: nothing is stored then.
        """
        return self.write(*self.read(notifications), cursor, monitor, lease)

    def write(
        self,
        caught: Sequence[Caught],
        rejected: int = 0,
        cursor: Mapping[str, Any] | None = None,
        monitor: str | None = None,
        lease: str | None = None,
        beside: Callable[[Session, Stored], None] | None = None,
    ) -> Stored:
        """Write what :meth:`read` returned, as :meth:`store` does.

        Without a monitor it was pushed here: that says nothing of how the provider's monitor is. ``beside``
        writes in the same transaction how far a gap is filled: what comes so tells nothing of the present.
        """
        result = Stored(received=len(caught) + rejected, rejected=rejected)
        held: set[int] = set()
        with self._ledger.transaction() as session:
            # Listener and tick may store for one provider at once; one after the other, they cannot double a fact.
            lock(session, CATCH_LOCK, self._provider_id)
            now = clock.now()
            sightings = Sightings(session, self._provider_id, caught)
            fresh = sightings.fresh
            result.duplicate = len(caught) - len(fresh)
            result.stored = len(fresh)
            ids, result.lanes = self._insert(session, fresh, now, held)
            sightings.note(ids, now)
            watch = self._move(session, cursor, monitor, fresh, lease, now)
            if beside is not None:
                beside(session, result)
            elif watch is not None and fresh:
                pulse.note(session, self._provider_id, watch, now)
                if monitor is not None and self._losses:
                    note_losses(session, self._provider_id, fresh, self._losses, watch.arrived_at)
            count = Count()
            letters = sum(c.error is not None for c in fresh)
            count.add(
                self._provider_id,
                received=result.received,
                stored=result.stored,
                duplicate=result.duplicate,
                rejected=rejected,
                dead=letters,
            )
            count.write(session)
            failpoints.reach("catch.before_commit")
        if result.lanes:
            # After the commit: whoever works on older events of a lane now will see these when he is done.
            with self._ledger.reading() as session:
                busy = busy_lanes(session, sorted(result.lanes), min(ids.values()), clock.now())
            # Whoever came to a lane that we held went away again.
            result.asleep = result.lanes if held or result.lanes - busy else set()
        return result

    def _insert(
        self, session: Session, fresh: Sequence[Caught], now: datetime, held: set[int]
    ) -> tuple[dict[str, int], set[int]]:
        if not fresh:
            return {}, set()
        keys = {
            c.identity.message_id: object_key(self._provider, _ref(c.identity), c.identity.message_id) for c in fresh
        }
        late = late_ones(session, self._provider_id, fresh, keys, self._lanes, held)
        ids = dict(zip(keys, bulk.draw_ids(session, Event, len(fresh)), strict=True))
        events, contents, places, letters, called = [], [], [], [], set()
        for c in fresh:
            who = c.identity
            number, key = ids[who.message_id], keys[who.message_id]
            events.append(self._event_row(number, c, key, who.message_id in late, now))
            contents.append((number, c.form, c.road, c.content))
            if c.error is None:
                lane = lane_of(key, self._lanes)
                called.add(lane)
                places.append((number, ORDER[0], lane, who.occurred_at, now, key, 0))
            else:
                letters.append((number, ORDER[0], now, 0, c.error))
        bulk.append(session, Event, _EVENT_COLUMNS, events)
        bulk.append(session, Notification, ("event_id", "form", "road", "content"), contents)
        bulk.append(session, Place, _PLACE_COLUMNS, places)
        bulk.append(session, DeadLetter, ("event_id", "stage", "died_at", "attempts", "error"), letters)
        return ids, called

    def _event_row(self, number: int, c: Caught, key: str, late: bool, now: datetime) -> tuple[Any, ...]:
        """The values of an event's row in the order of ``_EVENT_COLUMNS``."""
        who = c.identity
        return (
            number, self._provider_id, who.message_id, DEAD if c.error else PENDING, key, who.occurred_at, now, late,
            who.twin, who.variant or None, who.event_type, who.raw_event_type, who.resource_kind, who.resource_id,
        )  # fmt: skip

    def _move(
        self,
        session: Session,
        cursor: Mapping[str, Any] | None,
        monitor: str | None,
        fresh: Sequence[Caught],
        lease: str | None,
        now: datetime,
    ) -> pulse.Watch | None:
        """The new cursor and the provider's contact, fenced by the lease; returns how it was watched till now."""
        values: dict[str, Any] = {**pulse.contacted(now), "monitor": monitor, "failure": None} if monitor else {}
        if fresh:
            newest = max(c.identity.occurred_at for c in fresh)
            values["event_at"] = case((Provider.event_at > newest, Provider.event_at), else_=newest)
        if not values:
            return None
        statement = update(Provider).where(Provider.id == self._provider_id)
        if lease is not None:
            statement = statement.where(Provider.lease_owner == lease)
        returned = statement.values(**values).returning(Provider.arrived_at, Provider.watched_since)
        moved = session.execute(returned).one_or_none()
        if moved is None:
            raise LeaseLost(f"another catch of provider {self._provider} has taken over")
        if cursor is not None:
            row = {
                "provider_id": self._provider_id,
                "monitor": monitor,
                "value": dict(cursor),
                "moved_at": now,
            }
            bulk.insert(
                session,
                Cursor,
                [row],
                conflict="(provider_id, monitor) DO UPDATE SET value = excluded.value, moved_at = excluded.moved_at",
            )
        return pulse.Watch(*moved)


def _ref(identity: Identity) -> ObjectRef | None:
    return (
        ObjectRef(identity.resource_kind, identity.resource_id)
        if identity.resource_kind and identity.resource_id
        else None
    )
