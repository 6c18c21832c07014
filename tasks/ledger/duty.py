"""Whether a role does its work, judged by what it leaves in the ledger and not by whether a process runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from tasks.ledger.agents import Agent
from tasks.ledger.effects import ASKED, Effect
from tasks.ledger.events import Hold, Place
from tasks.ledger.health import LISTENER_SILENCE
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.jobs import AT_WORK, JobInstance
from tasks.ledger.progress import progress
from tasks.ledger.providers import Mark, Provider

#: Work that is due this long and that nobody has taken up means that nobody is there to take it up.
OVERDUE = timedelta(seconds=120)
#: The clock rings the sweep each 2 s and the tick each 20 s.
SWEEP_SILENCE = timedelta(seconds=30)
TICK_SILENCE = timedelta(seconds=90)


def complaint(session: Session, role: str, now: datetime) -> str | None:
    """Why a role is held not to do its work, in one sentence; None where it does, or has none.

    Raises ``KeyError`` for a role that there is not.
    """
    return _ROLES[role](session, now)


def roles() -> tuple[str, ...]:
    """The roles that can be judged."""
    return tuple(_ROLES)


def _beat(session: Session, now: datetime) -> str | None:
    return _silent(session, "sweep", SWEEP_SILENCE, now, "the clock, or the worker that it rings for")


def _catch(session: Session, now: datetime) -> str | None:
    return _silent(session, "tick", TICK_SILENCE, now, "the clock, or the catch worker")


def _silent(session: Session, name: str, silence: timedelta, now: datetime, who: str) -> str | None:
    mark = session.get(Mark, name)
    if mark is not None and now - mark.at <= silence:
        return None
    since = "never" if mark is None else f"last at {mark.at:%Y-%m-%d %H:%M:%S} UTC"
    return f"the {name} ran {since}: {who} does not work"


def _listener(session: Session, now: datetime) -> str | None:
    query = select(Provider.name).where(Provider.listener.is_not(None), Provider.listener_at < now - LISTENER_SILENCE)
    gone = session.scalars(query.order_by(Provider.name)).all()
    return f"nobody listens to {', '.join(gone)} any more" if gone else None


def _stages(session: Session, now: datetime) -> str | None:
    held = select(Hold.event_id).where(Hold.object_key == Place.object_key, Hold.event_id != Place.event_id)
    unready = select(Provider.id).where(Provider.ready_at.is_(None)).limit(1)
    oldest = session.scalar(select(func.min(Place.due_at)).where(Place.attempts == 0, ~held.exists()))
    if oldest is None or now - oldest <= OVERDUE or session.scalar(unready) is not None:
        return None
    if progress(session, now).finished_rate:
        return None  # It is behind, and works.
    return f"events are due since {oldest:%Y-%m-%d %H:%M:%S} UTC, and none got through in the last minute"


def _effects(session: Session, now: datetime) -> str | None:
    free = or_(Effect.lease_until.is_(None), Effect.lease_until <= now)
    oldest = session.scalar(select(func.min(Effect.due_at)).where(Effect.state == ASKED, free))
    if oldest is None or now - oldest <= OVERDUE:
        return None
    ended = session.scalar(select(Effect.id).where(Effect.ended_at > now - OVERDUE).limit(1))
    if ended is not None:
        return None
    return f"an effect is due since {oldest:%Y-%m-%d %H:%M:%S} UTC, and none was done in {OVERDUE.seconds} s"


def _read(session: Session, now: datetime) -> str | None:
    free = or_(RefreshTarget.lease_until.is_(None), RefreshTarget.lease_until <= now)
    oldest = session.scalar(select(func.min(RefreshTarget.due_at)).where(RefreshTarget.state == "wanted", free))
    if oldest is None or now - oldest <= 5 * OVERDUE:
        return None
    return f"an object is to be read again since {oldest:%Y-%m-%d %H:%M:%S} UTC, and nobody reads it"


def _agent(session: Session, now: datetime) -> str | None:
    unheard = (Agent.stopped_at.is_(None), Agent.heard_at < now - OVERDUE, Agent.heard_at > now - 5 * OVERDUE)
    live = set(session.scalars(select(Agent.resource).where(Agent.heard_at >= now - OVERDUE)))
    gone = sorted(set(session.scalars(select(Agent.resource).where(*unheard))) - live)
    return f"the agents of {', '.join(gone)} were not heard for {OVERDUE.seconds} s" if gone else None


def _jobs(session: Session, now: datetime) -> str | None:
    """Runs of one host alone wait for it, however long it is away; those of any host wait for nobody."""
    free = or_(JobInstance.lease_until.is_(None), JobInstance.lease_until <= now)
    due = (JobInstance.agent.is_(None), JobInstance.state.in_(AT_WORK), JobInstance.ended_at.is_(None), free)
    oldest = session.scalar(select(func.min(JobInstance.due_at)).where(*due))
    if oldest is None or now - oldest <= OVERDUE:
        return None
    return f"a run of a job is due since {oldest:%Y-%m-%d %H:%M:%S} UTC, and no agent takes it"


_ROLES: dict[str, Callable[[Session, datetime], str | None]] = {
    "beat": _beat,
    "catch": _catch,
    "listener": _listener,
    "stages": _stages,
    "effects": _effects,
    "read": _read,
    "agent": _agent,
    "jobs": _jobs,
}
