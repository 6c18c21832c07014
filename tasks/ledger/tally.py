"""Counting for the balance: one added row a provider and transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.ledger import bulk
from tasks.ledger.providers import Provider, Tally
from tasks.model.event import INTERNAL

COUNTS = ("received", "stored", "duplicate", "rejected", "finished", "dead")

_ID_OF = text("SELECT id FROM provider WHERE name = :name")


class Count:
    """Counts of one transaction, by provider; written once, at its end."""

    def __init__(self) -> None:
        self._internal: int | None = None
        self._by_provider: dict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))

    def add(self, provider_id: int, **amounts: int) -> None:
        """Add to a provider's counts; an amount may be negative where something is taken back."""
        row = self._by_provider[provider_id]
        for name, amount in amounts.items():
            row[name] += amount

    def internal(self, session: Session, now: datetime) -> int:
        """The provider under which raised events count; looked up once."""
        if self._internal is None:
            self._internal = provider_id(session, INTERNAL, INTERNAL, now)
        return self._internal

    def write(self, session: Session) -> None:
        """Write what was counted, in the transaction that it describes."""
        rows: list[Mapping[str, int]] = [
            {"provider_id": p, **c} for p, c in sorted(self._by_provider.items()) if any(c.values())
        ]
        bulk.insert(session, Tally, rows)


def provider_id(session: Session, name: str, kind: str, now: datetime) -> int:
    """The row id of a provider, made on first sight."""
    found = session.scalar(_ID_OF, {"name": name})
    if found is None:
        ready = now if kind == INTERNAL else None
        bulk.insert(
            session,
            Provider,
            [{"name": name, "kind": kind, "added_at": now, "ready_at": ready}],
            conflict="DO NOTHING",
        )
        found = session.scalar(_ID_OF, {"name": name})
    return int(found)
