"""Note when something of a source may be missing: nobody listened to it, or it has lost something itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tasks.catch.reading import Caught
from tasks.conveyor.installation import Installation
from tasks.ledger import gaps, pulse
from tasks.ledger.gaps import Gap
from tasks.ledger.providers import Provider
from tasks.model import clock
from tasks.providers.contracts import Keeping, Monitor, ProviderConfig
from tasks.providers.watched import WatchedMonitor

log = structlog.get_logger(__name__)

#: What the source's services have held back comes first; then it is looked what is missing all the same.
SETTLE = timedelta(seconds=60)
_REASON = 300


def note_absence(
    installation: Installation, provider: ProviderConfig, known: int, monitor: Monitor | WatchedMonitor
) -> None:
    """Note the stretch of time from the last contact to now, once a monitor that was away is connected again.

    Any stretch is noted where the source has not kept what came: its queue or an exchange was gone. One longer
    than ``catch.gap_seconds`` is noted in any case. Of two that come back at once, one notes it. A monitor
    with a cursor leaves out nothing. While a broker is away nothing reaches a queue, however durable it is.
    """
    if not monitor.push:
        return
    kept = not isinstance(monitor, Keeping) or monitor.kept
    now = clock.now()
    with installation.ledger.transaction() as session:
        row = session.scalars(select(Provider).where(Provider.id == known).with_for_update()).one()
        gap = _gap(row, kept, now, timedelta(seconds=installation.site.settings.catch.gap_seconds))
        told = gaps.line_of(gaps.add(session, gap)).told() if gap is not None else None
        session.execute(update(Provider).where(Provider.id == known).values(**pulse.contacted(now)))
    if told is not None:
        log.warning("nobody listened to a source", provider=provider.name, gap=told)


def _gap(row: Provider, kept: bool, now: datetime, threshold: timedelta) -> Gap | None:
    last = row.contact_at
    if last is None or (kept and now - last <= threshold):
        return None
    away = row.failed_at is not None and row.failed_at > last
    if away:
        why = f"the source was away: {(row.failure or 'no reason is known')[:_REASON]}"
    elif not kept:
        why = "the queue or an exchange was not there, so nothing was kept"
    else:
        why = "nobody listened"
    return Gap(
        provider_id=row.id,
        from_at=last,
        until_at=now,
        found_at=now,
        why=why,
        kept=kept and not away,
        state=gaps.FOUND,
        due_at=now + SETTLE,
    )


def note_losses(
    session: Session, provider_id: int, fresh: Sequence[Caught], losses: Mapping[str, str], last: datetime | None
) -> None:
    """Note what a monitor that has a cursor told of its source: it has lost events, and nobody can bring them back.

    ``losses`` has the reasons by the types of events that tell so; ``last`` is when something came before.
    """
    now = clock.now()
    for why in sorted({losses[c.identity.raw_event_type] for c in fresh if c.identity.raw_event_type in losses}):
        gap = Gap(provider_id=provider_id, from_at=last or now, until_at=now, found_at=now, why=why, state=gaps.LOST)
        gap.note, gap.ended_at = "the source has them no more", now
        session.add(gap)
