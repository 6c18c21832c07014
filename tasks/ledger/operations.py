"""Operations that were asked for: each waits for its policies before it becomes an effect (spec policy-alerts 2.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger.base import Base
from tasks.ledger.effects import Effect
from tasks.ledger.events import Event
from tasks.ledger.providers import Provider
from tasks.model.clock import rfc3339

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


@dataclass(frozen=True, slots=True)
class OperationLine:
    """An operation as it is shown, with the state of its effect once there is one."""

    id: int
    provider: str
    kind: str
    object: str
    tenant_id: str | None
    action: str
    params: dict[str, Any]
    rule: str
    actor: str | None
    state: str
    reason: str | None
    asked_at: datetime
    effect_id: int | None
    effect_state: str | None
    effect_error: str | None

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it by itself."""
        return self.state in (PREVENTED, UNDECIDED) or self.effect_state in ("done", "dead")

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        names = [name for name in self.__slots__ if not name.startswith("effect_")]
        plain = {name: getattr(self, name) for name in names} | {"asked_at": rfc3339(self.asked_at)}
        effect = {"id": self.effect_id, "state": self.effect_state, "error": self.effect_error}
        return {**plain, "effect": effect if self.effect_id is not None else None}


def operations(
    session: Session,
    *,
    number: int | None = None,
    state: str | None = None,
    tenant_id: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> Sequence[OperationLine]:
    """Operations, the newest first; only those that all given filters let through."""
    query = (
        select(
            Operation.event_id, Provider.name, Operation.target_kind, Operation.target_id, Event.tenant_id,
            Operation.action, Operation.params, Operation.rule, Event.actor, Operation.state, Operation.reason,
            Operation.asked_at, Effect.id, Effect.state, Effect.error,
        )
        .join(Event, Event.id == Operation.event_id)
        .join(Provider, Provider.id == Event.provider_id)
        .outerjoin(Effect, Effect.key == Operation.key)
        .order_by(Operation.event_id.desc())
        .limit(limit)
    )  # fmt: skip
    if number is not None:
        query = query.where(Operation.event_id == number)
    if state is not None:
        query = query.where(Operation.state == state)
    if tenant_id is not None:
        query = query.where(Event.tenant_id == tenant_id)
    if before is not None:
        query = query.where(Operation.event_id < before)
    return [OperationLine(*row) for row in session.execute(query)]
