"""Effects that wait for another one to be done: the actions of a rule in their sequence (spec policy-alerts 2.7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tasks.ledger.effects import ASKED, DEAD, Effect
from tasks.ledger.operations import PREVENTED, UNDECIDED, Operation

#: When an effect is due that waits for another one: never, until that one is done.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class Before(NamedTuple):
    """How it stands with what an effect comes after: ``over`` once it is done or given up, ``failed`` says why."""

    over: bool
    failed: str | None = None


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
            .values(state=DEAD, ended_at=now, error=given_up(why))
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


def given_up(why: str) -> str:
    """What the desk says of an effect that is not tried because of what comes before it."""
    return f"not tried: what comes before it in its rule {why}"


def before(session: Session, key: str) -> Before:
    """How it stands with the effect of this key, or with the operation that is to become it.

    It stays so until the transaction ends: who ends it meanwhile waits, and then finds what waits for it.
    """
    state = session.scalar(select(Effect.state).where(Effect.key == key).with_for_update(read=True))
    if state is not None:
        return Before(state != ASKED, "did not succeed" if state == DEAD else None)
    columns = select(Operation.state, Operation.reason).where(Operation.key == key)
    operation = session.execute(columns.with_for_update(read=True)).one_or_none()
    if operation is None or operation.state not in (PREVENTED, UNDECIDED):
        return Before(False)
    return Before(True, f"was {operation.state}: {operation.reason}")


def after(session: Session, key: str, now: datetime) -> datetime:
    """When an effect is due that is opened again: now where what comes before it is done or given up, else never."""
    return now if before(session, key).over else NEVER
