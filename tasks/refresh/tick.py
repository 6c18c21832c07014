"""What the clock does for inventory: a full refresh of each provider after a standstill, and every so often."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from tasks.conveyor import sweep
from tasks.conveyor.wanted import FULL, Wish, want
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.providers import Mark, Provider
from tasks.providers.contracts import ProviderConfig
from tasks.providers.table import kinds
from tasks.site.contracts import Site

#: The mark of the tick.
MARK = "inventory"
#: No tick for so long means that Catchment stood still, and may have missed events (spec capture 5.5).
STANDSTILL = timedelta(minutes=5)


def tick(session: Session, site: Site, now: datetime) -> list[str]:
    """Have providers refreshed as a whole whose time has come; returns their names.

    A provider that no catch has made known yet is left to its first one, which has it refreshed.
    """
    before = session.get(Mark, MARK)
    ticked_at = before.at if before is not None else None
    sweep.mark(session, MARK, now)
    stood_still = ticked_at is None or now - ticked_at > STANDSTILL
    due, wishes = [], []
    for name, config in site.providers.items():
        provider_id = session.scalar(select(Provider.id).where(Provider.name == name))
        if provider_id is None or not _read(config):
            continue
        every = _every(config, site)
        since = [now - timedelta(seconds=every)] if every else []
        if stood_still:
            since.append(ticked_at or now - STANDSTILL)
        if since and _older(session, provider_id, max(since)):
            due.append(name)
            wishes.append(Wish(provider_id, FULL, None))
    want(session, wishes, now, settle=0)
    return due


def _read(config: ProviderConfig) -> bool:
    """Whether inventory is read of a provider at all."""
    return kinds()[config.kind].inventory is not None and getattr(config.options, "inventory", "auto") != "none"


def _every(config: ProviderConfig, site: Site) -> float:
    own: float | None = getattr(config.options, "full_every_seconds", None)
    return site.settings.refresh.full_every_seconds if own is None else own


def _older(session: Session, provider_id: int, moment: datetime) -> bool:
    """Whether the newest full refresh was through by then, and none is owed."""
    mine = (RefreshTarget.provider_id == provider_id, RefreshTarget.kind == FULL.kind, RefreshTarget.ref == FULL.id)
    found = session.execute(select(RefreshTarget.state, RefreshTarget.read_at).where(*mine)).one_or_none()
    return found is None or (found.state == "read" and (found.read_at is None or found.read_at <= moment))
