"""Ask a provider for everything after the stored cursor, batch by batch, until it has nothing more."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select, update

from tasks.catch import lease
from tasks.catch.absence import note_absence
from tasks.catch.ingest import Ingest
from tasks.catch.pressure import Pressure
from tasks.conveyor import failpoints
from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL, Wish, want
from tasks.ledger import pulse
from tasks.ledger.providers import Cursor, Provider
from tasks.ledger.tally import provider_id
from tasks.model import clock
from tasks.model.errors import CatchmentError
from tasks.providers.choose import Choice, choose
from tasks.providers.contracts import Batch, Monitor, ProviderConfig, ProviderKind
from tasks.providers.table import kinds

log = structlog.get_logger(__name__)

#: A listener that was heard of this recently has the provider in hand; the tick leaves it alone.
LISTENER_SILENCE = timedelta(seconds=10)


@dataclass(slots=True)
class Catch:
    """What one catch brought: the lanes that were rung for, how many events, and whether the source has more."""

    lanes: set[int] = field(default_factory=set)
    stored: int = 0
    more: bool = False
    note: str = ""


def poll(installation: Installation, name: str, launch: Callable[[set[int]], None]) -> Catch:
    """One catch of one provider. ``launch`` is called with the lanes of each batch after its commit.

    Raises what the monitor raises, after it was noted on the provider's row for the status page.
    """
    site = installation.site
    provider = site.providers[name]
    kind = kinds()[provider.kind]
    if Pressure(installation).high():
        return Catch(note="the ledger is behind")
    owner = f"{installation.worker}:{uuid.uuid4().hex[:8]}"
    seconds = site.settings.catch.seconds
    known = enrol(installation, provider, kind)
    with installation.ledger.transaction() as session:
        row = session.get_one(Provider, known)
        if row.listener_at is not None and clock.now() - row.listener_at < LISTENER_SILENCE:
            return Catch(note="the listener has it")
        if not lease.take(session, known, owner, clock.now(), seconds + 60):
            return Catch(note="another catch is under way")
    try:
        return _drain(installation, provider, kind, known, owner, launch)
    except CatchmentError as error:
        note_failure(installation, known, error)
        raise
    finally:
        with installation.ledger.transaction() as session:
            lease.release(session, known, owner)


def enrol(installation: Installation, provider: ProviderConfig, kind: ProviderKind) -> int:
    """The provider's row, made on first sight with one full refresh owed before its events are judged.

    The word under which the switchboard finds its events is noted again where the site has changed it.
    """
    with installation.ledger.transaction() as session:
        now = clock.now()
        source = getattr(provider.options, "source", None)
        row = session.execute(select(Provider.id, Provider.source).where(Provider.name == provider.name)).first()
        made = row.id if row is not None else provider_id(session, provider.name, provider.kind, now)
        if source != (row.source if row is not None else None):
            session.execute(update(Provider).where(Provider.id == made).values(source=source))
        if row is not None:
            return made
        if kind.inventory is None or getattr(provider.options, "inventory", "auto") == "none":
            session.execute(
                update(Provider).where(Provider.id == made).values(ready_at=now, ready_note="no inventory is read")
            )
        else:
            want(session, [Wish(made, FULL, None)], now, settle=0)
        return made


def start(
    installation: Installation, provider: ProviderConfig, kind: ProviderKind, known: int
) -> tuple[Monitor, Choice, dict[str, Any] | None]:
    """Choose the provider's monitor, note the choice, and read where it goes on."""
    choice = choose(kind, provider)
    with installation.ledger.transaction() as session:
        passed = dict(choice.passed_over)
        session.execute(
            update(Provider).where(Provider.id == known).values(monitor=choice.monitor_class.name, passed_over=passed)
        )
        cursor = session.get(Cursor, (known, choice.monitor_class.name))
    return choice.monitor_class(provider), choice, cursor.value if cursor else None


def _drain(
    installation: Installation,
    provider: ProviderConfig,
    kind: ProviderKind,
    known: int,
    owner: str,
    launch: Callable[[set[int]], None],
) -> Catch:
    settings = installation.site.settings
    monitor, choice, cursor = start(installation, provider, kind, known)
    ingest = ingest_for(installation, provider, kind, known)
    result = Catch()
    deadline = time.monotonic() + settings.catch.seconds
    monitor.start(cursor)
    try:
        note_absence(installation, provider, known, monitor)
        for batch in monitor.batches(wait=1.0, limit=settings.catch.batch):
            lanes, stored = keep(ingest, batch, choice.monitor_class.name, owner)
            launch(lanes)
            result.lanes |= lanes
            result.stored += stored
            result.more = batch.more
            if time.monotonic() > deadline:
                break
    finally:
        monitor.stop()
    note_contact(installation, known)
    return result


def ingest_for(installation: Installation, provider: ProviderConfig, kind: ProviderKind, known: int) -> Ingest:
    """The store of one provider's batches."""
    ignore = frozenset(getattr(provider.options, "ignore", ()))
    converter = kind.converter_of(provider.options)
    settings = installation.site.settings
    return Ingest(installation.ledger, settings, provider.name, known, converter, ignore, kind.losses)


def keep(ingest: Ingest, batch: Batch, monitor: str, owner: str | None) -> tuple[set[int], int]:
    """Store a batch and acknowledge it after the commit; on any failure it goes back to the source.

    Returns the lanes to ring for, and how many events are new.
    """
    try:
        stored = ingest.store(batch.notifications, batch.cursor, monitor, owner)
    except BaseException:
        batch.reject()
        raise
    failpoints.reach("catch.before_ack")
    batch.ack()
    return stored.asleep, stored.stored


def note_contact(installation: Installation, known: int, **values: Any) -> None:
    """Note that the source answered, with or without events."""
    with installation.ledger.transaction() as session:
        now = clock.now()
        session.execute(
            update(Provider).where(Provider.id == known).values(**pulse.contacted(now), failure=None, **values)
        )


def note_failure(installation: Installation, known: int, error: CatchmentError) -> None:
    """Note why the source could not be read: the status page shows it."""
    now: datetime = clock.now()
    with installation.ledger.transaction() as session:
        session.execute(
            update(Provider)
            .where(Provider.id == known)
            .values(failed_at=now, failure=f"{type(error).__name__}: {error}"[:1000])
        )
