"""The history of compliance checks, and with its newest entry the state of each object (spec policy-alerts 7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, Select, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger.base import Base, Id
from tasks.ledger.providers import Provider

#: Objects and checks that are listed at the most.
MOST = 1000


class ComplianceCheck(Base):
    """One check of one object. ``details`` has a line for each policy, with the comparison that decided it."""

    __tablename__ = "compliance_check"
    __table_args__ = (Index("ix_compliance_check_object", "provider_id", "kind", "ref", "id"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id"))
    kind: Mapped[str]
    ref: Mapped[str]
    event_id: Mapped[int] = mapped_column(Id)
    checked_at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[str]
    details: Mapped[list[dict[str, Any]]]


def history(session: Session, provider: str, kind: str, ref: str) -> Sequence[tuple[ComplianceCheck, str]]:
    """The checks of one object with its provider's name, the newest first."""
    mine = _with_provider().where(Provider.name == provider, ComplianceCheck.kind == kind, ComplianceCheck.ref == ref)
    rows = session.execute(mine.order_by(ComplianceCheck.id.desc()).limit(MOST))
    return [(row[0], row[1]) for row in rows]


def states(session: Session, status: str | None) -> Sequence[tuple[ComplianceCheck, str]]:
    """The newest check of each object with its provider's name; only those of a status where one is given."""
    newest = select(func.max(ComplianceCheck.id)).group_by(
        ComplianceCheck.provider_id, ComplianceCheck.kind, ComplianceCheck.ref
    )
    query = _with_provider().where(ComplianceCheck.id.in_(newest)).order_by(ComplianceCheck.id.desc()).limit(MOST)
    rows = session.execute(query if status is None else query.where(ComplianceCheck.status == status))
    return [(row[0], row[1]) for row in rows]


def _with_provider() -> Select[Any, Any]:
    return select(ComplianceCheck, Provider.name).join(Provider, Provider.id == ComplianceCheck.provider_id)
