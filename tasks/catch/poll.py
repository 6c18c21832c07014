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
from tasks.catch.progress import Progress
from tasks.conveyor import failpoints
from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL, Wish, want
from tasks.ledger import pulse
from tasks.ledger.providers import Cursor, Provider
from tasks.ledger.tally import provider_id
from tasks.model import clock
from tasks.model.errors import BadMonitor, CatchmentError, Transient
from tasks.model.event import source_of
from tasks.providers.choose import Choice, choose
from tasks.providers.contracts import Batch, ProviderConfig, ProviderKind
from tasks.providers.patience import Patience
from tasks.providers.table import kinds
from tasks.providers.watched import WatchedMonitor, watched

log = structlog.get_logger(__name__)

#: A listener that was heard of this recently has the provider in hand; the tick leaves it alone.
LISTENER_SILENCE = timedelta(seconds=10)
#: A pause of up to so many seconds is over before the next tick in any case.
SHORT_PAUSE = 5.0
#: The longest pause in seconds after a monitor that breaks its contract, and the longest that a source is believed.
BAD_MONITOR_PAUSE, LONGEST_PAUSE = 600.0, 3600.0


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
    pause = 0.0
    try:
        return _drain(installation, provider, kind, known, owner, launch)
    except CatchmentError as error:
        pause = pause_after(error, provider, note_failure(installation, known, error))
        raise
    finally:
        with installation.ledger.transaction() as session:
            if pause > SHORT_PAUSE:
                lease.keep_away(session, known, owner, clock.now() + timedelta(seconds=pause))
            else:
                lease.release(session, known, owner)


def enrol(installation: Installation, provider: ProviderConfig, kind: ProviderKind) -> int:
    """The provider's row, made on first sight with one full refresh owed before its events are judged.

    The word under which the switchboard finds its events is noted again where the site has changed it.
    """
    with installation.ledger.transaction() as session:
        now = clock.now()
        source = getattr(provider.options, "source", None) or _own_word(kind)
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


def _own_word(kind: ProviderKind) -> str | None:
    """The word of a kind whose converter has another one than the kind's name says; None for all others."""
    word = kind.converter.source
    return None if word == source_of(kind.name) else word


def start(
    installation: Installation,
    provider: ProviderConfig,
    kind: ProviderKind,
    known: int,
    patience: Patience | None = None,
) -> tuple[WatchedMonitor, Choice, dict[str, Any] | None]:
    """Choose the provider's monitor, note the choice, and read where it goes on.

    With ``patience`` every call of a monitor is made in its thread.
    """
    choice: Choice = choose(kind, provider) if patience is None else patience.call("available", choose, kind, provider)
    with installation.ledger.transaction() as session:
        passed = dict(choice.passed_over)
        session.execute(
            update(Provider).where(Provider.id == known).values(monitor=choice.monitor_class.name, passed_over=passed)
        )
        cursor = session.get(Cursor, (known, choice.monitor_class.name))
    monitor = watched(choice.monitor_class, provider, patience)
    return monitor, choice, cursor.value if cursor else None


def _drain(
    installation: Installation,
    provider: ProviderConfig,
    kind: ProviderKind,
    known: int,
    owner: str,
    launch: Callable[[set[int]], None],
) -> Catch:
    settings = installation.site.settings.catch
    with Patience(provider.name, settings.patience_seconds) as patience:
        monitor, choice, cursor = start(installation, provider, kind, known, patience)
        ingest = ingest_for(installation, provider, kind, known)
        result, progress = Catch(), Progress(provider.name, cursor)
        deadline = time.monotonic() + settings.seconds
        try:
            monitor.start(cursor)
            note_absence(installation, provider, known, monitor)
            for batch in monitor.batches(wait=1.0, limit=settings.batch):
                lanes, stored = keep(ingest, batch, choice.monitor_class.name, owner)
                launch(lanes)
                result.lanes |= lanes
                result.stored += stored
                result.more = progress.made(batch, stored) and batch.more
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


def note_failure(installation: Installation, known: int, error: CatchmentError) -> float:
    """Note why the source could not be read: the status page shows it. Returns for how many seconds that goes on."""
    now: datetime = clock.now()
    with installation.ledger.transaction() as session:
        row = session.execute(
            update(Provider)
            .where(Provider.id == known)
            .values(failed_at=now, failure=f"{type(error).__name__}: {error}"[:1000])
            .returning(Provider.contact_at, Provider.added_at)
        ).one()
    since: datetime = row.contact_at or row.added_at
    return (now - since).total_seconds()


def pause_after(error: CatchmentError, provider: ProviderConfig, failing: float) -> float:
    """Seconds for which a source is left alone after a failure: what it asked for, or a pause that doubles.

    The pause is as long as the source has been ``failing`` for already, up to ``backoff_limit_seconds`` of the
    provider, where its kind has that option, and always after a monitor that breaks its contract.
    """
    limit: float = getattr(provider.options, "backoff_limit_seconds", 0.0)
    if isinstance(error, BadMonitor):
        limit = max(limit, BAD_MONITOR_PAUSE)
    asked = error.after if isinstance(error, Transient) else None
    return max(min(failing, limit), min(asked or 0.0, LONGEST_PAUSE))
