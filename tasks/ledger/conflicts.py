"""Transactions that the database gave up, and that were begun again: counted, so that they are seen."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger import bulk
from tasks.ledger.base import Base, Id
from tasks.model import clock

if TYPE_CHECKING:
    from tasks.ledger.session import Ledger

log = structlog.get_logger(__name__)

#: PostgreSQL's codes for a transaction that another one was in the way of.
KINDS = {"40P01": "deadlock", "40001": "serialization", "55P03": "lock timeout", "57014": "statement timeout"}


class Conflict(Base):
    """How often transactions were given up for one reason, since the ledger was made."""

    __tablename__ = "conflict"

    kind: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(Id)
    last_at: Mapped[datetime]


def kind_of(error: BaseException) -> str | None:
    """The reason for which PostgreSQL gave the transaction up; None for every other error."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return KINDS.get(state or "") if isinstance(error, DBAPIError) else None


def note(ledger: Ledger, kind: str) -> None:
    """Count one. What was given up is begun again by the sweep or by its sender, whether this succeeds or not."""
    try:
        with Session(ledger.engine) as session, session.begin():
            bulk.insert(
                session,
                Conflict,
                [{"kind": kind, "count": 1, "last_at": clock.now()}],
                conflict="(kind) DO UPDATE SET count = conflict.count + 1, last_at = excluded.last_at",
            )
    except DBAPIError as error:
        log.warning("a given-up transaction could not be counted", kind=kind, error=str(error.orig))
