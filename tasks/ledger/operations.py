"""Operations that were asked for: each waits for its policies before it becomes an effect (spec policy-alerts 2.9)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from tasks.ledger.base import Base

DECIDING = "deciding"
ALLOWED = "allowed"
PREVENTED = "prevented"
UNDECIDED = "undecided"


class Operation(Base):
    """One operation, under the event that announces it.

    It is ``deciding`` until the policies of that event were asked, then ``allowed``, ``prevented``, or
    ``undecided`` where nobody could tell, which keeps it from happening. ``key`` is that of its effect.
    """

    __tablename__ = "operation"

    event_id: Mapped[int] = mapped_column(ForeignKey("event.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(Text, unique=True)
    rule: Mapped[str]
    action: Mapped[str]
    params: Mapped[dict[str, Any]]
    target_kind: Mapped[str]
    target_id: Mapped[str]
    after_key: Mapped[str | None]
    limits: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(Text, server_default=DECIDING)
    reason: Mapped[str | None]
    asked_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
