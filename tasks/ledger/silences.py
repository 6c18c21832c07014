"""Silences: for a time alerts that match make no noise. Their incidents are opened and counted all the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from sqlalchemy import Identity, Index, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger.base import Base, Id
from tasks.model.event import ObjectRef


class Silence(Base):
    """One silence. Each of ``alert``, ``provider``, ``kind``, ``ref`` and ``severity`` that is given must match;

    ``alert`` and ``ref`` may hold ``*`` and ``?``.
    """

    __tablename__ = "silence"
    __table_args__ = (Index("ix_silence_end", "ends_at"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    alert: Mapped[str | None]
    provider: Mapped[str | None]
    kind: Mapped[str | None]
    ref: Mapped[str | None]
    severity: Mapped[str | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    made_by: Mapped[str]
    comment: Mapped[str]

    def covers(self, alert: str, severity: str, provider: str, target: ObjectRef) -> bool:
        """Whether a firing of the alert on the object is silenced by it."""
        return (
            (self.alert is None or fnmatchcase(alert, self.alert))
            and self.severity in (None, severity)
            and self.provider in (None, provider)
            and self.kind in (None, target.kind)
            and (self.ref is None or fnmatchcase(target.id, self.ref))
        )


def active(session: Session, now: datetime) -> Sequence[Silence]:
    """The silences that hold at a moment, the oldest first."""
    holding = select(Silence).where(Silence.ends_at > now, Silence.starts_at <= now)
    return session.scalars(holding.order_by(Silence.id)).all()


def listed(session: Session, now: datetime, *, everything: bool) -> Sequence[Silence]:
    """Silences that hold or are to come; with ``everything`` those that are over as well. The newest first."""
    query = select(Silence).order_by(Silence.id.desc()).limit(500)
    return session.scalars(query if everything else query.where(Silence.ends_at > now)).all()


def end(session: Session, silence_id: int, now: datetime) -> bool:
    """End a silence now. Returns False where it is over already, or unknown."""
    ended = update(Silence).where(Silence.id == silence_id, Silence.ends_at > now).values(ends_at=now)
    return session.execute(ended.returning(Silence.id)).first() is not None
