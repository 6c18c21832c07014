"""Find what is due and does not move, and ring for it again (DESIGN 3, "the broker is a doorbell")."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session

from tasks.conveyor.order import NEEDS_INVENTORY
from tasks.ledger import bulk
from tasks.ledger.effects import ASKED, Effect
from tasks.ledger.events import Event, Hold, Place
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.providers import Mark, Provider
from tasks.model.event import PROVIDER
from tasks.site.settings import Settings

#: Effects rung for in one sweep: the rest follows with the next, so that the broker holds hints only.
EFFECTS_A_SWEEP = 500


@dataclass(slots=True)
class Stalled:
    """What a sweep found: lanes by stage, effects, and whether reads are owed."""

    lanes: dict[str, list[int]] = field(default_factory=dict)
    effects: list[int] = field(default_factory=list)
    reads: bool = False


def find(session: Session, settings: Settings, now: datetime) -> Stalled:
    """All that is due longer than the grace time, and moves nowhere."""
    overdue = now - timedelta(seconds=settings.conveyor.sweep_grace_seconds)
    found = Stalled()
    for stage, lane in session.execute(_stalled_places(session, overdue)):
        found.lanes.setdefault(stage, []).append(lane)
    found.effects = list(
        session.scalars(
            select(Effect.id)
            .where(
                Effect.state == ASKED,
                Effect.due_at <= overdue,
                or_(Effect.lease_until.is_(None), Effect.lease_until <= now),
            )
            .order_by(Effect.due_at, Effect.id)
            .limit(EFFECTS_A_SWEEP)
        )
    )
    paused = select(Provider.id).where(Provider.reads_after > now)
    owed = select(RefreshTarget.id).where(
        RefreshTarget.state == "wanted",
        RefreshTarget.due_at <= now,
        or_(RefreshTarget.lease_until.is_(None), RefreshTarget.lease_until <= now),
        RefreshTarget.provider_id.not_in(paused),
    )
    found.reads = session.scalar(owed.limit(1)) is not None
    return found


def _stalled_places(session: Session, overdue: datetime) -> Select[str, int]:
    """Stages and lanes with something due that nobody holds back: a bell for the rest would be for nothing."""
    held = select(Hold.event_id).where(Hold.object_key == Place.object_key, Hold.event_id != Place.event_id)
    query = select(Place.stage, Place.lane).where(Place.due_at <= overdue, ~held.exists()).distinct()
    new = session.scalars(select(Provider.id).where(Provider.ready_at.is_(None))).all()
    if new:
        about_objects = Event.resource_kind.is_distinct_from(PROVIDER)
        waits = select(Event.id).where(Event.id == Place.event_id, Event.provider_id.in_(new), about_objects)
        query = query.where(or_(Place.stage != NEEDS_INVENTORY, ~waits.exists()))
    return query.order_by(Place.stage, Place.lane)


def lose_patience(session: Session, settings: Settings, now: datetime) -> list[str]:
    """Let events of a new provider through whose first full refresh does not come; returns their names."""
    since = now - timedelta(seconds=settings.refresh.patience_seconds)
    note = (
        f"its first full refresh was not through after {settings.refresh.patience_seconds:.0f} s; "
        "events are judged on stubs until it is"
    )
    rows = session.execute(
        update(Provider)
        .where(Provider.ready_at.is_(None), Provider.added_at <= since)
        .values(ready_at=now, ready_note=note)
        .returning(Provider.name)
    )
    return [row.name for row in rows]


def mark(session: Session, name: str, now: datetime, note: str | None = None) -> None:
    """Note that something recurrent happened."""
    bulk.insert(
        session,
        Mark,
        [{"name": name, "at": now, "note": note}],
        conflict="(name) DO UPDATE SET at = excluded.at, note = excluded.note",
    )
