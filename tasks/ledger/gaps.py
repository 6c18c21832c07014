"""Stretches of time of which a provider's events may be missing, and what becomes of each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    delete,
    false,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger.base import Base, Id
from tasks.ledger.lines import Line
from tasks.ledger.providers import Provider

FOUND = "found"
FILLING = "being filled"
FILLED = "filled"
LOST = "cannot be filled"
#: Nobody was there, and the source kept what came: nothing is missing.
KEPT = "kept by the source"
OPEN = (FOUND, FILLING)
STATES = (FOUND, FILLING, FILLED, LOST, KEPT)

#: One that cannot be filled is the provider's state for so long.
SHOWN = timedelta(hours=24)
#: Gaps that are named of one provider, the newest.
NAMED = 5
#: An absence that begins so soon after a gap is one with it.
ONE = timedelta(minutes=10)
#: States of a gap that another one may make longer: each is told once only.
_LONGER = (FOUND, FILLING, LOST)
#: Gaps that are over are kept so long.
REMEMBERED = timedelta(days=90)
#: Gaps that are taken up at once.
A_ROUND = 20


class Gap(Base):
    """One such stretch. ``why`` says what happened, ``road`` by which it is filled, ``cursor`` how far that is.

    ``kept`` says that the source is held to have kept what came, so that nothing should be missing.
    ``seen`` counts the notifications that were read for it, ``stored`` those of them that were missing.
    Without ``due_at`` nothing more is done about it. ``note`` is why the last try failed, or why it ends.
    """

    __tablename__ = "gap"
    __table_args__ = (
        Index("ix_gap_provider", "provider_id", "until_at"),
        Index(
            "ix_gap_due",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id"))
    from_at: Mapped[datetime]
    until_at: Mapped[datetime]
    found_at: Mapped[datetime]
    why: Mapped[str]
    kept: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    state: Mapped[str]
    road: Mapped[str | None]
    cursor: Mapped[dict[str, Any] | None]
    seen: Mapped[int] = mapped_column(Id, default=0, server_default="0")
    stored: Mapped[int] = mapped_column(Id, default=0, server_default="0")
    due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    note: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    told: Mapped[str | None]


@dataclass(frozen=True, slots=True)
class GapLine(Line):
    """One gap, as it is shown."""

    id: int
    from_at: datetime
    until_at: datetime
    why: str
    kept: bool
    state: str
    road: str | None
    seen: int
    stored: int
    note: str | None

    def told(self) -> str:
        """The gap in one sentence."""
        end = f"gap from {self.from_at:%Y-%m-%d %H:%M:%S} to {self.until_at:%Y-%m-%d %H:%M:%S} UTC, {self.why}"
        state = f"{self.state} with {self.stored} events" if self.state == FILLED else self.state
        road = f" from {self.road}" if self.road and self.state in (FILLING, FILLED) else ""
        return f"{end}: {state}{road}" + (f" ({self.note})" if self.note else "")


def add(session: Session, gap: Gap) -> Gap:
    """Note a gap; one that soon follows another that is not filled makes that one longer."""
    before = session.scalars(
        select(Gap)
        .where(Gap.provider_id == gap.provider_id, Gap.until_at >= gap.from_at - ONE)
        .order_by(Gap.until_at.desc())
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if before is None or before.state not in _LONGER or before.kept != gap.kept:
        session.add(gap)
        session.flush()
        return gap
    # What was read of it so far stands, and whoever has it in hand loses it: he would end it too early.
    before.until_at, before.due_at, before.ended_at = gap.until_at, gap.due_at, None
    before.why, before.state, before.lease_owner, before.lease_until = gap.why, FOUND, None, None
    return before


def due(session: Session, now: datetime) -> list[int]:
    """Gaps to be filled that nobody has in hand."""
    free = or_(Gap.lease_until.is_(None), Gap.lease_until <= now)
    query = select(Gap.id).where(Gap.due_at <= now, free).order_by(Gap.due_at).limit(A_ROUND)
    return list(session.scalars(query))


def take(session: Session, gap_id: int, owner: str, now: datetime, seconds: float) -> Gap | None:
    """Take a gap in hand for so long; None where it is not due or somebody else has it."""
    free = or_(Gap.lease_until.is_(None), Gap.lease_until <= now)
    taken = session.execute(
        update(Gap)
        .where(Gap.id == gap_id, Gap.due_at <= now, free)
        .values(lease_owner=owner, lease_until=now + timedelta(seconds=seconds), state=FILLING)
        .returning(Gap.id)
    ).one_or_none()
    return None if taken is None else session.get_one(Gap, gap_id, populate_existing=True)


def change(session: Session, gap_id: int, owner: str, **values: Any) -> bool:
    """Change a gap that one has in hand; False where somebody else has it by now."""
    mine = update(Gap).where(Gap.id == gap_id, Gap.lease_owner == owner)
    return session.execute(mine.values(**values).returning(Gap.id)).one_or_none() is not None


def of_providers(session: Session, ids: Collection[int]) -> dict[int, list[GapLine]]:
    """The newest gaps of each provider, the newest first."""
    newest = func.row_number().over(partition_by=Gap.provider_id, order_by=(Gap.until_at.desc(), Gap.id.desc()))
    ranked = select(Gap.id, newest.label("place")).where(Gap.provider_id.in_(ids)).subquery("ranked")
    query = select(Gap).join(ranked, ranked.c.id == Gap.id).where(ranked.c.place <= NAMED)
    found: dict[int, list[GapLine]] = {}
    for gap in session.scalars(query.order_by(Gap.until_at.desc(), Gap.id.desc())):
        found.setdefault(gap.provider_id, []).append(line_of(gap))
    return found


def line_of(gap: Gap) -> GapLine:
    """A gap as it is shown."""
    return GapLine(**{field.name: getattr(gap, field.name) for field in fields(GapLine)})


def counts(session: Session) -> dict[tuple[str, str], int]:
    """How many gaps there are by the provider's name and their state."""
    query = select(Provider.name, Gap.state, func.count()).join(Gap, Gap.provider_id == Provider.id)
    return {(name, state): n for name, state, n in session.execute(query.group_by(Provider.name, Gap.state))}


def matters(line: GapLine, now: datetime) -> bool:
    """Whether a gap is what there is to be said of its provider."""
    if line.kept:
        return False
    return line.state in OPEN or (line.state == LOST and now - line.until_at < SHOWN)


def forget(session: Session, now: datetime) -> None:
    """Delete gaps that were over long ago."""
    session.execute(delete(Gap).where(Gap.ended_at < now - REMEMBERED))
