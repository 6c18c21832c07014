"""Fill a gap: read from the provider's event API what happened while nobody listened to its bus.

The gap has a cursor of its own, and a lease, so that of several workers one fills it and another goes on
where that one died. What the ledger knows already is told apart by its message id, as everywhere.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import structlog
from sqlalchemy.orm import Session

from tasks.catch.ingest import Ingest, Stored
from tasks.catch.poll import ingest_for
from tasks.catch.pressure import Pressure
from tasks.conveyor import failpoints
from tasks.conveyor.installation import Installation
from tasks.ledger import gaps
from tasks.ledger.gaps import Gap
from tasks.ledger.providers import Provider
from tasks.model import clock
from tasks.model.errors import CatchmentError, LeaseLost
from tasks.providers.contracts import Batch, ProviderConfig, ProviderKind, Rereading
from tasks.providers.table import kinds

log = structlog.get_logger(__name__)

#: So much more is read on both sides: a dead connection is noticed late, and clocks differ.
BEFORE, AFTER = timedelta(seconds=120), timedelta(seconds=30)
#: Pauses between tries double from the first to the longest; after the last time nothing is tried any more.
FIRST_PAUSE, LONGEST_PAUSE, GIVE_UP = timedelta(seconds=60), timedelta(hours=1), timedelta(hours=24)
_NOTE = 500


@dataclass(slots=True)
class Filled:
    """What one go at a gap brought, and whether there is more to read."""

    stored: int = 0
    more: bool = False


class _NoRoad(CatchmentError):
    """The provider has no event API that can be read from a moment on."""


def fill(installation: Installation, gap_id: int, launch: Callable[[set[int]], None]) -> Filled:
    """Go on filling one gap, for as long as one catch may take. ``launch`` gets the lanes of each batch.

    A failure is noted at the gap, which is tried again later. Does nothing where another has it in hand, or
    where the ledger is behind.
    """
    if Pressure(installation).high():
        return Filled()
    owner = f"{installation.worker}:{uuid.uuid4().hex[:8]}"
    with installation.ledger.transaction() as session:
        gap = gaps.take(session, gap_id, owner, clock.now(), installation.site.settings.catch.seconds + 60)
        if gap is None:
            return Filled()
        name = session.get_one(Provider, gap.provider_id).name
        session.expunge(gap)
    filling = _Filling(installation, gap, owner, launch)
    try:
        done = filling.run(name)
    except LeaseLost as lost:
        log.info("somebody else fills the gap", gap_id=gap_id, reason=str(lost))
        return Filled(filling.stored)
    except _NoRoad as none:
        filling.end(gaps.KEPT if gap.kept else gaps.LOST, str(none))
        return Filled(filling.stored)
    except CatchmentError as error:
        filling.put_off(error)
        return Filled(filling.stored)
    if done:
        filling.end(gaps.FILLED, None)
    else:
        filling.pause()
    return Filled(filling.stored, not done)


class _Filling:
    """One go at a gap, by the worker that has it in hand."""

    def __init__(self, installation: Installation, gap: Gap, owner: str, launch: Callable[[set[int]], None]) -> None:
        self._installation = installation
        self._gap = gap
        self._owner = owner
        self._launch = launch
        self.stored = 0

    def run(self, name: str) -> bool:
        """Read until the end of the gap, or until the time is up; returns whether that was the end."""
        provider = self._installation.site.providers.get(name)
        if provider is None:
            raise _NoRoad(f"the site has no provider {name} any more")
        kind = kinds()[provider.kind]
        road = _road(kind, provider, self._gap.road)
        if road.name != self._gap.road:
            self._change(road=road.name, cursor=None)
            self._gap.cursor = None
        ingest = ingest_for(self._installation, provider, kind, self._gap.provider_id)
        settings = self._installation.site.settings.catch
        monitor = road(provider)
        monitor.start(self._gap.cursor or road.cursor_from(self._gap.from_at - BEFORE))
        deadline = time.monotonic() + settings.seconds
        try:
            with closing(cast("Any", monitor.batches(wait=0.0, limit=settings.batch))) as batches:
                for batch in batches:
                    self._keep(ingest, batch)
                    if road.is_past(batch.cursor, self._gap.until_at + AFTER):
                        return True
                    if time.monotonic() > deadline:
                        return not batch.more
        finally:
            monitor.stop()
        return True

    def _keep(self, ingest: Ingest, batch: Batch) -> None:
        def beside(session: Session, stored: Stored) -> None:
            seconds = self._installation.site.settings.catch.seconds + 60
            values = {
                "cursor": batch.cursor,
                "seen": Gap.seen + stored.received,
                "stored": Gap.stored + stored.stored,
                "lease_until": clock.now() + timedelta(seconds=seconds),
            }
            if not gaps.change(session, self._gap.id, self._owner, **values):
                raise LeaseLost(f"another worker fills gap {self._gap.id} by now")

        stored = ingest.write(*ingest.read(batch.notifications), beside=beside)
        failpoints.reach("fill.between")
        self.stored += stored.stored
        self._launch(stored.asleep)

    def end(self, state: str, note: str | None) -> None:
        """Say how it came out: nothing more is done about it."""
        now = clock.now()
        note = note[:_NOTE] if note else None
        self._change(state=state, note=note, ended_at=now, due_at=None, attempts=0, lease_owner=None, lease_until=None)
        log.info("a gap is over", gap_id=self._gap.id, state=state, stored=self.stored, note=note)

    def pause(self) -> None:
        """Let another go begin at once."""
        self._change(note=None, attempts=0, lease_owner=None, lease_until=None)

    def put_off(self, error: CatchmentError) -> None:
        """Try again later, or give up where that was done for too long."""
        now = clock.now()
        log.warning("a gap cannot be filled now", gap_id=self._gap.id, error=str(error))
        if now - self._gap.until_at > GIVE_UP:
            self.end(gaps.KEPT if self._gap.kept else gaps.LOST, f"given up: {error}")
            return
        attempts = self._gap.attempts + 1
        asked = timedelta(seconds=getattr(error, "after", None) or 0)
        due = now + max(asked, min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE))
        self._change(note=str(error)[:_NOTE], attempts=attempts, due_at=due, lease_owner=None, lease_until=None)

    def _change(self, **values: Any) -> None:
        with self._installation.ledger.transaction() as session:
            if not gaps.change(session, self._gap.id, self._owner, **values):
                log.info("somebody else fills the gap", gap_id=self._gap.id)


def _road(kind: ProviderKind, provider: ProviderConfig, before: str | None) -> type[Rereading]:
    """The monitor by which a gap is filled: the one that began it, or the best that is available.

    Raises ``_NoRoad`` where the provider has none, ``CatchmentError`` where none answers now.
    """
    known = [cast("type[Rereading]", m) for m in kind.monitors if hasattr(m, "cursor_from") and hasattr(m, "is_past")]
    # The one that began it first, then by priority.
    known.sort(key=lambda monitor: (monitor.name == before, monitor.priority), reverse=True)
    refusals = []
    for monitor in known:
        answer = monitor.available(provider)
        if answer.ok:
            return monitor
        refusals.append((monitor.name, answer))
    reasons = "; ".join(f"{name}: {answer.reason}" for name, answer in refusals)
    if all(answer.absent for _, answer in refusals):
        raise _NoRoad(f"no event API: {reasons or f'none of {kind.name} can be read from a moment on'}")
    raise CatchmentError(f"no event API answers: {reasons}")
