"""Silences: for a time alerts that match make no noise. Their incidents are opened and counted all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from sqlalchemy import Identity, Index, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger.base import Base, Id
from tasks.ledger.lines import Line
from tasks.model.event import ObjectRef

#: What a silence may ask of an alert and its object.
MATCHED = ("alert", "provider", "kind", "ref", "severity")
#: A comment is kept to this many characters.
LONGEST = 1000


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


@dataclass(frozen=True, slots=True)
class SilenceLine(Line):
    """One silence as lists show it. ``state`` is ``to come``, ``holds`` or ``over``."""

    id: int
    state: str
    alert: str | None
    provider: str | None
    kind: str | None
    ref: str | None
    severity: str | None
    starts_at: datetime
    ends_at: datetime
    made_by: str
    comment: str


def line(silence: Silence, now: datetime) -> SilenceLine:
    """A silence as it stands at a moment."""
    state = "over" if silence.ends_at <= now else "to come" if silence.starts_at > now else "holds"
    shown = {column.name: getattr(silence, column.name) for column in Silence.__table__.columns}
    return SilenceLine(state=state, **shown)


def make(
    session: Session,
    matcher: Mapping[str, str | None],
    span: tuple[datetime, datetime],
    comment: str,
    who: str,
    now: datetime,
) -> Silence:
    """Store a silence over a span of time. ``matcher`` may have what :data:`MATCHED` names, None for any.

    Raises ``ValueError`` where it would cover everything, says no reason, ends before it begins or is over.
    """
    starts, ends = span
    if not any(matcher.get(name) for name in MATCHED):
        raise ValueError("say what it covers: an alert, a provider, an object or a severity")
    if not comment.strip():
        raise ValueError("say why, for those who wonder where the alert is")
    if ends <= starts:
        raise ValueError("it ends before it begins")
    if ends <= now:
        raise ValueError("it would be over already")
    given = {name: matcher.get(name) or None for name in MATCHED}
    made = Silence(**given, starts_at=starts, ends_at=ends, made_by=who, comment=comment.strip()[:LONGEST])
    session.add(made)
    session.flush()
    return made


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
