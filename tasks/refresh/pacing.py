"""How often a provider is asked: its share of reads, and the pauses that it asks for itself.

Both stand in the provider's row, so that all workers keep to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from tasks.ledger.providers import Provider
from tasks.providers.contracts import ProviderConfig
from tasks.site.settings import Refresh


def rates(providers: Mapping[str, ProviderConfig], settings: Refresh) -> dict[str, float]:
    """Reads a second at the most, by provider; those without a limit are left out."""
    found = {}
    for name, config in providers.items():
        own = getattr(config.options, "reads_per_second", None)
        rate = settings.reads_per_second if own is None else own
        if rate > 0:
            found[name] = rate
    return found


def spend(session: Session, provider_id: int, reads: int, rate: float, now: datetime) -> bool:
    """Take so many reads of a provider's share; False where another worker has just taken it."""
    rows = session.execute(
        update(Provider)
        .where(Provider.id == provider_id, or_(Provider.reads_after.is_(None), Provider.reads_after <= now))
        .values(reads_after=now + timedelta(seconds=reads / rate), reads_note=None)
        .returning(Provider.id)
    )
    return rows.one_or_none() is not None


def pause(session: Session, provider_id: int, seconds: float, why: str, now: datetime) -> None:
    """Read nothing of a provider for so long: it has asked for that. A longer pause stays."""
    until = now + timedelta(seconds=seconds)
    session.execute(
        update(Provider)
        .where(Provider.id == provider_id, or_(Provider.reads_after.is_(None), Provider.reads_after < until))
        .values(reads_after=until, reads_note=why[:1000])
    )
