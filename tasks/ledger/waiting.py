"""Effects that wait for another one to be done: the actions of a rule in their sequence (spec policy-alerts 2.7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tasks.ledger.effects import ASKED, DEAD, Effect

#: When an effect is due that waits for another one: never, until that one is done.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


def release(session: Session, key: str, now: datetime) -> None:
    """Have the effects tried that waited for this one."""
    session.execute(update(Effect).where(Effect.after_key == key, Effect.state == ASKED).values(due_at=now))


def abandon(session: Session, key: str, now: datetime, why: str = "did not succeed") -> None:
    """Lay the effects on the desk that wait for one which will not be done, and those behind them."""
    keys: Sequence[str] = [key]
    while keys:
        rows = session.execute(
            update(Effect)
            .where(Effect.after_key.in_(keys), Effect.state == ASKED)
            .values(state=DEAD, ended_at=now, error=f"not tried: what comes before it in its rule {why}")
            .returning(Effect.key)
        )
        keys = [row.key for row in rows]


def reopen(session: Session, key: str) -> None:
    """Let the effects wait again that were given up with this one, which is tried again."""
    keys: Sequence[str] = [key]
    while keys:
        rows = session.execute(
            update(Effect)
            .where(Effect.after_key.in_(keys), Effect.state == DEAD, Effect.attempts == 0)
            .values(state=ASKED, due_at=NEVER, error=None, ended_at=None)
            .returning(Effect.key)
        )
        keys = [row.key for row in rows]


def after(session: Session, key: str, now: datetime) -> datetime:
    """When an effect is due that comes after the one of this key: now where that is done or given up, else never."""
    state = session.scalar(select(Effect.state).where(Effect.key == key))
    return NEVER if state in (None, ASKED) else now
