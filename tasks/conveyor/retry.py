"""Retry by an operator: a dead event or effect is opened again, never made a second time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from tasks.ledger import bulk, waiting
from tasks.ledger.effects import ASKED, Effect
from tasks.ledger.effects import DEAD as DEAD_EFFECT
from tasks.ledger.events import DEAD, PENDING, DeadLetter, Event, Place
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.tally import Count, provider_id
from tasks.model.event import INTERNAL, lane_of


def retry_event(session: Session, event_id: int, now: datetime, lanes: int) -> bool:
    """Send a dead event on its way again from the stage where it died; False where it is not dead.

    Two operators who press at once open it once: the letter is taken off the desk by one of them.
    """
    taken = session.execute(
        delete(DeadLetter).where(DeadLetter.event_id == event_id).returning(DeadLetter.stage, DeadLetter.plan)
    ).one_or_none()
    if taken is None:
        return False
    event = session.get_one(Event, event_id)
    place = {
        "event_id": event_id,
        "stage": taken.stage,
        "lane": lane_of(event.object_key, lanes),
        "occurred_at": event.occurred_at,
        "due_at": now,
        "object_key": event.object_key,
        "attempts": 0,
        "plan": taken.plan,
    }
    bulk.insert(session, Place, [place])
    session.execute(
        update(Event).where(Event.id == event_id, Event.state == DEAD).values(state=PENDING, finished_at=None)
    )
    count = Count()
    count.add(provider_id(session, INTERNAL, INTERNAL, now) if event.raised else event.provider_id, dead=-1)
    count.write(session)
    return True


def retry_effect(session: Session, effect_id: int, now: datetime) -> bool:
    """Open a dead effect again under its old key, and those that were given up with it; False where it is not dead."""
    changed = session.execute(
        update(Effect)
        .where(Effect.id == effect_id, Effect.state == DEAD_EFFECT)
        .values(state=ASKED, due_at=now, attempts=0, error=None, ended_at=None, lease_until=None)
        .returning(Effect.key, Effect.after_key)
    ).one_or_none()
    if changed is None:
        return False
    waiting.reopen(session, changed.key)
    if changed.after_key is not None:
        due = waiting.after(session, changed.after_key, now)
        session.execute(update(Effect).where(Effect.id == effect_id).values(due_at=due))
    return True


def retry_target(session: Session, target_id: int, now: datetime) -> bool:
    """Have a refresh target read again whose reads failed for good; False where it did not fail."""
    changed = session.execute(
        update(RefreshTarget)
        .where(RefreshTarget.id == target_id, RefreshTarget.state == "dead")
        .values(state="wanted", due_at=now, attempts=0, error=None)
        .returning(RefreshTarget.id)
    )
    return changed.one_or_none() is not None


def dead_events(
    session: Session,
    *,
    since: datetime | None = None,
    provider: str | None = None,
    stage: str | None = None,
    limit: int = 10_000,
) -> Sequence[int]:
    """The ids of dead events, oldest death first."""
    query = (
        select(DeadLetter.event_id)
        .join(Event, Event.id == DeadLetter.event_id)
        .order_by(DeadLetter.died_at)
        .limit(limit)
    )
    if since is not None:
        query = query.where(DeadLetter.died_at >= since)
    if stage is not None:
        query = query.where(DeadLetter.stage == stage)
    if provider is not None:
        query = query.join(Provider, Provider.id == Event.provider_id).where(Provider.name == provider)
    return session.scalars(query).all()


def dead_effects(session: Session, *, since: datetime | None = None, limit: int = 10_000) -> Sequence[int]:
    """The ids of dead effects, oldest death first."""
    query = select(Effect.id).where(Effect.state == DEAD_EFFECT).order_by(Effect.ended_at).limit(limit)
    if since is not None:
        query = query.where(Effect.ended_at >= since)
    return session.scalars(query).all()
