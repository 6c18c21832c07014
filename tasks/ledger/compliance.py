"""The history of compliance checks, and with its newest entry the state of each object (spec policy-alerts 7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ForeignKey, Identity, Index, Select, func, literal, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger.base import Base, Id
from tasks.ledger.events import Event, Place
from tasks.ledger.known import key_of, known
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


class Due(NamedTuple):
    """An object that is to be checked, and who it is for the ledger."""

    provider_id: int
    provider: str
    ref: str
    tenant_id: str | None


def due(session: Session, kind: str, event_type: str, before: datetime, identity: str, limit: int) -> list[Due]:
    """Objects of a kind whose newest check is older than ``before``, those that were never checked first.

    Left out are those that wait for a check, and those that were asked for one already: whose event begins with
    ``KIND/ID:`` and ends with ``identity``.
    """
    found = known(kind)
    newest = (
        select(ComplianceCheck.checked_at)
        .where(
            ComplianceCheck.provider_id == found.c.provider_id,
            ComplianceCheck.kind == kind,
            ComplianceCheck.ref == found.c.ref,
        )
        .order_by(ComplianceCheck.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    message = literal(f"{kind}/") + found.c.ref + literal(f":{identity}")
    asked = select(Event.id).where(Event.provider_id == found.c.provider_id, Event.message_id == message)
    waiting = (
        select(Event.id)
        .join(Place, Place.event_id == Event.id)
        .where(Place.object_key == key_of(found.c.provider, kind, found.c.ref), Event.event_type == event_type)
    )
    query = (
        select(found.c.provider_id, found.c.provider, found.c.ref, found.c.tenant_id)
        .where(or_(newest.is_(None), newest <= before), ~asked.exists(), ~waiting.exists())
        .order_by(newest.nulls_first(), found.c.id)
        .limit(limit)
    )
    return [Due(*row) for row in session.execute(query)]


def _with_provider() -> Select[Any, Any]:
    return select(ComplianceCheck, Provider.name).join(Provider, Provider.id == ComplianceCheck.provider_id)
