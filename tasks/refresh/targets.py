"""Take refresh targets under a lease, and give them back: read, put off, or failed for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, case, func, or_, select, update
from sqlalchemy.orm import Session

from tasks.conveyor.advance import backoff
from tasks.conveyor.wanted import EVERY, FULL
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.providers import Provider
from tasks.model.errors import Permanent
from tasks.model.event import ObjectRef
from tasks.refresh import pacing
from tasks.site.settings import Refresh


class Taken(NamedTuple):
    """A target under our lease; ``generation`` is what was wanted when we took it."""

    id: int
    provider_id: int
    provider: str
    ref: ObjectRef
    generation: int
    attempts: int
    event_id: int | None


def _free(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        RefreshTarget.state == "wanted",
        or_(RefreshTarget.lease_until.is_(None), RefreshTarget.lease_until <= now),
    )


def _paused(now: datetime) -> ColumnElement[bool]:
    """Whether a target's provider has asked for a pause, or had its share of reads."""
    return RefreshTarget.provider_id.in_(select(Provider.id).where(Provider.reads_after > now))


def next_due(session: Session, now: datetime) -> datetime | None:
    """When the next target can be read; None where nothing is wanted."""
    free = session.scalar(select(func.min(RefreshTarget.due_at)).where(*_free(now), ~_paused(now)))
    waiting = select(RefreshTarget.provider_id).where(*_free(now))
    paused = session.scalar(
        select(func.min(Provider.reads_after)).where(Provider.reads_after > now, Provider.id.in_(waiting))
    )
    return min((moment for moment in (free, paused) if moment is not None), default=None)


def take(
    session: Session, owner: str, settings: Refresh, now: datetime, limit: int, rates: Mapping[str, float] | None = None
) -> list[Taken]:
    """Take due targets that nobody reads, oldest first. Lists go before single objects, and alone.

    ``rates`` are the reads a second that providers may be asked for at the most, by all workers together:
    one that has a rate is taken at most a second's worth of, and paused for as long as that is worth.
    """
    due = (*_free(now), RefreshTarget.due_at <= now, ~_paused(now))
    lists = session.scalar(select(RefreshTarget.id).where(*due, RefreshTarget.kind == EVERY).limit(1)) is not None
    which = RefreshTarget.kind == EVERY if lists else RefreshTarget.kind != EVERY
    ids: list[int] = []
    names = {row.id: row.name for row in session.execute(select(Provider.id, Provider.name))}
    asked = session.scalars(select(RefreshTarget.provider_id).where(*due, which).distinct()).all()
    for provider in sorted(asked):
        rate = (rates or {}).get(names[provider], 0.0)
        most = min(limit - len(ids), max(int(rate), 1)) if rate else limit - len(ids)
        query = (
            select(RefreshTarget.id)
            .where(*due, which, RefreshTarget.provider_id == provider)
            .order_by(RefreshTarget.due_at, RefreshTarget.id)
            .limit(most)
        )
        found = session.scalars(query.with_for_update(skip_locked=True)).all() if most > 0 else []
        if found and (not rate or pacing.spend(session, provider, len(found), rate, now)):
            ids += found
    return _leased(session, owner, ids, settings, now)


def take_this(
    session: Session, owner: str, settings: Refresh, now: datetime, provider_id: int, ref: ObjectRef
) -> Taken | None:
    """Take one target by hand, due or not; None where it is read at this moment."""
    mine = (RefreshTarget.provider_id == provider_id, RefreshTarget.kind == ref.kind, RefreshTarget.ref == ref.id)
    query = select(RefreshTarget.id).where(*_free(now), *mine).with_for_update(skip_locked=True)
    return next(iter(_leased(session, owner, session.scalars(query).all(), settings, now)), None)


def _leased(session: Session, owner: str, ids: Sequence[int], settings: Refresh, now: datetime) -> list[Taken]:
    if not ids:
        return []
    names = {row.id: row.name for row in session.execute(select(Provider.id, Provider.name))}
    rows = session.execute(
        update(RefreshTarget)
        .where(RefreshTarget.id.in_(ids))
        .values(lease_owner=owner, lease_until=now + timedelta(seconds=settings.lease_seconds))
        .returning(
            RefreshTarget.id,
            RefreshTarget.provider_id,
            RefreshTarget.kind,
            RefreshTarget.ref,
            RefreshTarget.wanted,
            RefreshTarget.attempts,
            RefreshTarget.event_id,
        )
    ).all()
    return [
        Taken(r.id, r.provider_id, names[r.provider_id], ObjectRef(r.kind, r.ref), r.wanted, r.attempts, r.event_id)
        for r in rows
    ]


def renew(session: Session, owner: str, ids: Sequence[int], settings: Refresh, now: datetime) -> int:
    """Prolong the lease of a long read; returns how many of the targets are still ours."""
    rows = session.execute(
        update(RefreshTarget)
        .where(RefreshTarget.id.in_(ids), RefreshTarget.lease_owner == owner)
        .values(lease_until=now + timedelta(seconds=settings.lease_seconds))
        .returning(RefreshTarget.id)
    )
    return len(rows.all())


def settle(session: Session, taken: Taken, owner: str, now: datetime, settings: Refresh) -> bool:
    """Note a successful read. What was wanted meanwhile is owed one more. False: the lease was lost."""
    again = RefreshTarget.wanted > taken.generation
    rows = session.execute(
        update(RefreshTarget)
        .where(RefreshTarget.id == taken.id, RefreshTarget.lease_owner == owner)
        .values(
            read=taken.generation,
            read_at=now,
            attempts=0,
            error=None,
            lease_owner=None,
            lease_until=None,
            state=case((again, "wanted"), else_="read"),
            due_at=now + timedelta(seconds=settings.settle_seconds),
        )
        .returning(RefreshTarget.id)
    )
    return rows.one_or_none() is not None


def put_off(
    session: Session, taken: Taken, owner: str, error: Exception, after: float | None, now: datetime, settings: Refresh
) -> None:
    """Note a failed read: tried again later, or laid on the dead-letter desk. A target is never dropped.

    A full refresh is tried for ever: without it the provider's events are judged on stubs.
    """
    tries = taken.attempts + 1
    hopeless = isinstance(error, Permanent) or tries >= settings.attempts
    pause = max(after or 0.0, backoff(tries, settings.backoff_seconds, settings.backoff_limit_seconds))
    session.execute(
        update(RefreshTarget)
        .where(RefreshTarget.id == taken.id, RefreshTarget.lease_owner == owner)
        .values(
            attempts=tries,
            error=f"{type(error).__name__}: {error}"[:1000],
            lease_owner=None,
            lease_until=None,
            state="dead" if hopeless and taken.ref != FULL else "wanted",
            due_at=now + timedelta(seconds=min(pause, settings.backoff_limit_seconds)),
        )
    )


def give_back(session: Session, taken: Taken, owner: str) -> None:
    """Give a target back that was not tried after all."""
    session.execute(
        update(RefreshTarget)
        .where(RefreshTarget.id == taken.id, RefreshTarget.lease_owner == owner)
        .values(lease_owner=None, lease_until=None)
    )
