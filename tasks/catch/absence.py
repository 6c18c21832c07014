"""Note that nobody listened to a source that pushes, and whether something may be missing for it."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update

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
        why = "the queue or an exchange was gone from the broker"
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
