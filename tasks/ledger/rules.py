"""Tables of rule events: how each stands on each object, who switched it, how often it told (spec orchestrate 6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, Integer, delete, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger import bulk
from tasks.ledger.base import Base, Id

#: The states of a rule event on an object (6.2).
ARMED, STATE_PENDING, FIRED = "armed", "pending", "fired"
#: Notifications of one name in one minute beyond which they are kept and not told (7.3).
STORM = 100


class RuleState(Base):
    """How a rule event stands on one object. One that is armed and never fired has no row.

    ``key`` is the id of the object that was iterated over, empty where the context has fixed ones alone.
    ``since`` is when the state began, ``hold_since`` when its reset began to hold, ``deadline`` when time alone may
    change it. A row of another ``definition`` than the rule's present one counts for nothing.
    """

    __tablename__ = "rule_state"
    __table_args__ = (
        Index(
            "ix_rule_state_deadline",
            "deadline",
            postgresql_where=text("deadline IS NOT NULL"),
            sqlite_where=text("deadline IS NOT NULL"),
        ),
        Index("ix_rule_state_object", "object_id"),
    )

    event: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    object_id: Mapped[int | None] = mapped_column(ForeignKey("fact_object.id", ondelete="CASCADE"))
    state: Mapped[str]
    since: Mapped[datetime]
    fired_at: Mapped[datetime | None]
    hold_since: Mapped[datetime | None]
    fired: Mapped[int] = mapped_column(Integer)
    definition: Mapped[str]
    deadline: Mapped[datetime | None]


class RuleSwitch(Base):
    """That somebody has switched a rule event on or off, over what its file says."""

    __tablename__ = "rule_switch"

    event: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool]
    by: Mapped[str]
    at: Mapped[datetime]


class RuleNote(Base):
    """What people did with rule events: deployed, enabled, disabled, reset, and what was refused."""

    __tablename__ = "rule_note"

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    event: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]
    what: Mapped[str]
    detail: Mapped[str | None]


class Storm(Base):
    """How many notifications of one name there were in the present minute."""

    __tablename__ = "storm"

    event: Mapped[str] = mapped_column(primary_key=True)
    minute: Mapped[datetime]
    told: Mapped[int] = mapped_column(Integer)


def note(session: Session, event: str, now: datetime, by: str, what: str, detail: str | None = None) -> None:
    """Keep what somebody did with a rule event."""
    session.add(RuleNote(event=event, at=now, by=by, what=what, detail=detail))


def notes(session: Session, event: str | None = None, limit: int = 100) -> Sequence[RuleNote]:
    """What people did, the newest first."""
    query = select(RuleNote).order_by(RuleNote.id.desc()).limit(limit)
    return session.scalars(query if event is None else query.where(RuleNote.event == event)).all()


def switches(session: Session) -> dict[str, bool]:
    """The rule events that somebody has switched, and how."""
    return {row.event: row.enabled for row in session.execute(select(RuleSwitch.event, RuleSwitch.enabled))}


def switch(session: Session, event: str, enabled: bool, now: datetime, by: str) -> None:
    """Switch a rule event on or off."""
    row = {"event": event, "enabled": enabled, "by": by, "at": now}
    settled = ", ".join(f'"{name}" = excluded."{name}"' for name in ("enabled", "by", "at"))
    bulk.insert(session, RuleSwitch, [row], conflict=f"(event) DO UPDATE SET {settled}")
    note(session, event, now, by, "enabled" if enabled else "disabled")


def reset(session: Session, event: str, now: datetime, by: str, key: str | None = None) -> int:
    """Arm a rule event again, on one object or on all; returns on how many it was not."""
    where = [RuleState.event == event, *([RuleState.key == key] if key is not None else [])]
    gone = session.scalars(delete(RuleState).where(*where).returning(RuleState.state)).all()
    note(session, event, now, by, "reset", key)
    return sum(state != ARMED for state in gone)


def states(
    session: Session, events: Collection[str] | None = None, keys: Collection[str] | None = None
) -> Sequence[Any]:
    """How rule events stand, by event and key: rows with the columns of :class:`RuleState`, all or some of them."""
    query = select(*RuleState.__table__.c).order_by(RuleState.event, RuleState.key)
    if events is not None:
        query = query.where(RuleState.event.in_(events))
    if keys is not None:
        query = query.where(RuleState.key.in_(keys))
    return session.execute(query).all()


def due(session: Session, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Events and keys whose state time alone may change now."""
    query = select(RuleState.event, RuleState.key).where(RuleState.deadline <= now).order_by(RuleState.deadline)
    return [(row.event, row.key) for row in session.execute(query.limit(limit))]


def forget(session: Session, known: Collection[str]) -> None:
    """Delete what stands of rule events that the site does not have any more."""
    session.execute(delete(RuleState).where(RuleState.event.not_in(known)))


def count_told(session: Session, event: str, now: datetime, more: int) -> int:
    """Count notifications of a name; returns how many there were in this minute before them."""
    minute = now - timedelta(seconds=now.second, microseconds=now.microsecond)
    same = "storm.minute = excluded.minute"
    [row] = bulk.insert(
        session,
        Storm,
        [{"event": event, "minute": minute, "told": more}],
        conflict=f"(event) DO UPDATE SET told = CASE WHEN {same} THEN storm.told ELSE 0 END + excluded.told, "
        "minute = excluded.minute",
        returning=("told",),
    )
    return int(row.told) - more
