"""Move events on: to the next stage, to their end, to a later try, or to the dead-letter desk."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.conveyor.claim import Claimed
from tasks.conveyor.order import ORDER, after
from tasks.ledger import bulk
from tasks.ledger.events import DeadLetter, Event, Hold, Place
from tasks.ledger.tally import Count
from tasks.model.errors import Permanent, Transient
from tasks.model.event import PROVIDER_EVENT
from tasks.site.settings import Conveyor

#: An error is kept to this many characters: enough to mend the cause, not enough to fill a disk.
ERROR_LIMIT = 2000

PLACE_COLUMNS = ("event_id", "stage", "lane", "occurred_at", "due_at", "object_key", "attempts")


@dataclass(frozen=True, slots=True)
class Failure:
    """One event that a stage could not work on, and why."""

    claimed: Claimed
    error: Exception

    def __str__(self) -> str:
        name = type(self.error).__name__
        return f"{name}: {self.error}"[:ERROR_LIMIT] if str(self.error) else name


def backoff(attempt: int, first: float, limit: float) -> float:
    """Seconds to wait after the given number of failed tries: doubling, with a little chance in it."""
    pause = min(limit, first * 2.0 ** min(attempt - 1, 30))
    return pause * (0.9 + 0.2 * random.random())  # noqa: S311 - spreads retries, protects nothing


def advance(session: Session, stage: str, done: Sequence[Claimed], now: datetime, count: Count) -> None:
    """Send events to the stage that follows, or close those that have met the last one."""
    if not done:
        return
    following = after(stage)
    if following is not None:
        park(session, following, done, now)
    else:
        ids = bulk.listed(session, [claimed.event.id for claimed in done])
        moment = bulk.moment(session, now)
        session.execute(text(f"DELETE FROM place WHERE {bulk.among(session, 'event_id')}"), {"ids": ids})
        session.execute(
            text(f"UPDATE event SET state = 'finished', finished_at = :now WHERE {bulk.among(session, 'id')}"),
            {"ids": ids, "now": moment},
        )
        count_finished(session, done, now, count)


def count_finished(session: Session, done: Sequence[Claimed], now: datetime, count: Count) -> None:
    """Count events that are through."""
    raised = [c for c in done if c.event.namespace != PROVIDER_EVENT]
    if raised:
        count.add(count.internal(session, now), finished=len(raised))
    for provider, number in Counter(c.provider_id for c in done if c.event.namespace == PROVIDER_EVENT).items():
        count.add(provider, finished=number)


def park(session: Session, stage: str, events: Sequence[Claimed], now: datetime) -> None:
    """Have events stand at a stage, due at once, with what the switchboard planned for them."""
    if not events:
        return
    _place(session, stage, events, now)
    planned = [{"event_id": c.event.id, "plan": c.event.plan} for c in events if c.event.plan is not None]
    bulk.update(session, Place, "event_id", planned)
    session.execute(
        text(f"UPDATE place SET stage = :stage, due_at = :now, attempts = 0 WHERE {bulk.among(session, 'event_id')}"),
        {
            "ids": bulk.listed(session, [c.event.id for c in events]),
            "stage": stage,
            "now": bulk.moment(session, now),
        },
    )


def wait(session: Session, stage: str, events: Sequence[tuple[Claimed, float]], now: datetime) -> None:
    """Have events stand at the stage that they are at until so many seconds from now. They hold back nobody."""
    _place(session, stage, [c for c, _ in events], now)
    rows = [
        {
            "event_id": c.event.id,
            "stage": stage,
            "plan": c.event.plan,
            "attempts": 1,
            "due_at": now + timedelta(seconds=pause),
        }
        for c, pause in events
    ]
    bulk.update(session, Place, "event_id", rows)


def _place(session: Session, stage: str, events: Sequence[Claimed], now: datetime) -> None:
    """Give those a place that were raised in this turn and go no further in it."""
    young = [c for c in events if not c.placed]
    rows = [(c.event.id, stage, c.lane, c.event.facts.occurred_at, now, c.object_key, 0) for c in young]
    bulk.append(session, Place, PLACE_COLUMNS, rows)
    for claimed in young:
        claimed.placed = True


def release(session: Session, done: Sequence[Claimed], now: datetime) -> None:
    """Let the objects go that these events held while they waited for a retry; the next stage counts anew."""
    retried = [claimed for claimed in done if claimed.attempts]
    _let_go(session, retried, now)
    for claimed in retried:
        claimed.attempts = claimed.event.attempts = 0


def _let_go(session: Session, events: Sequence[Claimed], now: datetime) -> None:
    """Take the holds of these events off.

    An object has one hold, and two stages may fail on it at the same time: the event that waits for its
    retry without one gets it now, or those behind it would overtake it.
    """
    if not events:
        return
    ids = bulk.listed(session, [claimed.event.id for claimed in events])
    session.execute(text(f"DELETE FROM hold WHERE {bulk.among(session, 'event_id')}"), {"ids": ids})
    session.execute(
        text(
            "INSERT INTO hold (object_key, event_id, since) SELECT object_key, event_id, :now FROM place "
            f"WHERE {bulk.among(session, 'stage', 'stages')} AND {bulk.among(session, 'lane', 'lanes')} "
            f"AND {bulk.among(session, 'object_key', 'keys')} AND NOT {bulk.among(session, 'event_id')} "
            "AND attempts > 0 ORDER BY occurred_at, event_id ON CONFLICT DO NOTHING"
        ),
        {
            "ids": ids,
            "now": bulk.moment(session, now),
            "stages": bulk.listed(session, ORDER),
            "lanes": bulk.listed(session, {claimed.lane for claimed in events}),
            "keys": bulk.listed(session, {claimed.object_key for claimed in events}),
        },
    )


def put_back(
    session: Session, stage: str, failures: Sequence[Failure], settings: Conveyor, now: datetime, count: Count
) -> list[Failure]:
    """Give each failed event its own later try, or lay it on the dead-letter desk; returns those that it lay there.

    While it waits, its object is held: later events about the same object stay behind it.
    """
    _place(session, stage, [failure.claimed for failure in failures], now)
    waiting: list[dict[str, Any]] = []
    holds: list[dict[str, Any]] = []
    letters: list[dict[str, Any]] = []
    dead: list[Failure] = []
    for failure in failures:
        claimed = failure.claimed
        tries = claimed.attempts + 1
        if isinstance(failure.error, Permanent) or tries >= settings.attempts:
            letters.append(
                {
                    "event_id": claimed.event.id,
                    "stage": stage,
                    "died_at": now,
                    "attempts": tries,
                    "plan": claimed.event.plan,
                    "error": str(failure),
                }
            )
            dead.append(failure)
            continue
        pause = backoff(tries, settings.backoff_seconds, settings.backoff_limit_seconds)
        if isinstance(failure.error, Transient) and failure.error.after:
            pause = max(pause, min(failure.error.after, settings.backoff_limit_seconds))
        waiting.append(
            {
                "event_id": claimed.event.id,
                "stage": stage,
                "plan": claimed.event.plan,
                "attempts": tries,
                "due_at": now + timedelta(seconds=pause),
            }
        )
        holds.append({"object_key": claimed.object_key, "event_id": claimed.event.id, "since": now})
    bulk.update(session, Place, "event_id", waiting)
    # Touched where another stage's failure has it, so that it is not let go before this is committed.
    bulk.insert(session, Hold, holds, conflict="(object_key) DO UPDATE SET since = hold.since")
    bury(session, letters, {f.claimed.event.id: f.claimed for f in failures}, now, count)
    return dead


def bury(
    session: Session,
    letters: Sequence[dict[str, Any]],
    claimed: dict[int, Claimed],
    now: datetime,
    count: Count,
) -> None:
    """Close events as dead, with what is needed to open them again."""
    if not letters:
        return
    bulk.insert(session, DeadLetter, letters)
    ids = {"ids": bulk.listed(session, [letter["event_id"] for letter in letters])}
    session.execute(text(f"DELETE FROM place WHERE {bulk.among(session, 'event_id')}"), ids)
    _let_go(session, [claimed[letter["event_id"]] for letter in letters], now)
    bulk.update(
        session,
        Event,
        "id",
        [{"id": letter["event_id"], "state": "dead", "finished_at": now} for letter in letters],
    )
    for letter in letters:
        count.add(counts_under(session, claimed[letter["event_id"]], now, count), dead=1)


def counts_under(session: Session, claimed: Claimed, now: datetime, count: Count) -> int:
    """The provider in whose balance an event counts: raised ones under ``internal``."""
    raised = claimed.event.namespace != PROVIDER_EVENT
    return count.internal(session, now) if raised else claimed.provider_id
