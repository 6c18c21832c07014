"""How fast the ledger gets through, and when it will be through: samples that the sweep takes every two seconds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks.ledger import bulk
from tasks.ledger.events import Place
from tasks.ledger.lines import Line
from tasks.ledger.providers import Mark, Tally

#: The mark under which the samples are kept, and how far back they reach.
MARK = "progress"
WINDOW = timedelta(seconds=60)
#: Objects and stages that are named as the busiest.
BUSIEST = 5


@dataclass(frozen=True, slots=True)
class Busy(Line):
    """An object with many waiting events."""

    object: str
    waiting: int


@dataclass(frozen=True, slots=True)
class Progress(Line):
    """What goes on.

    ``stored_rate`` and ``finished_rate`` are events a second over the last minute, raised ones included.
    ``through_in`` are seconds until nothing waits, at this pace; None where the backlog grows or nothing
    is known yet. ``busiest`` are the objects with the most waiting events.
    """

    pending: int
    stored_rate: float | None
    finished_rate: float | None
    through_in: float | None
    busiest: list[Busy]


def sample(session: Session, now: datetime) -> None:
    """Add one sample and drop those that are older than the window."""
    row = session.get(Mark, MARK)
    samples = [s for s in _samples(row) if now - _moment(s) <= WINDOW]
    stored, finished = session.execute(select(func.sum(Tally.stored), func.sum(Tally.finished + Tally.dead))).one()
    pending = session.scalar(select(func.count()).select_from(Place)) or 0
    samples.append([now.timestamp(), pending, int(stored or 0), int(finished or 0)])
    bulk.insert(
        session,
        Mark,
        [{"name": MARK, "at": now, "note": json.dumps(samples)}],
        conflict="(name) DO UPDATE SET at = excluded.at, note = excluded.note",
    )


def progress(session: Session, now: datetime) -> Progress:
    """The pace of the last minute. Rates are None until two samples are there."""
    samples = [s for s in _samples(session.get(Mark, MARK)) if now - _moment(s) <= 2 * WINDOW]
    pending = session.scalar(select(func.count()).select_from(Place)) or 0
    stored = finished = left = None
    if len(samples) > 1 and (seconds := samples[-1][0] - samples[0][0]) > 0:
        stored = round((samples[-1][2] - samples[0][2]) / seconds, 1)
        finished = round((samples[-1][3] - samples[0][3]) / seconds, 1)
        if not pending:
            left = 0.0
        elif finished > stored:
            left = round(pending / (finished - stored), 1)
    return Progress(pending, stored, finished, left, _busiest(session) if pending else [])


def _busiest(session: Session) -> list[Busy]:
    number = func.count().label("number")
    query = select(Place.object_key, number).group_by(Place.object_key).order_by(number.desc()).limit(BUSIEST)
    return [Busy(key, waiting) for key, waiting in session.execute(query) if waiting > 1]


def _samples(row: Mark | None) -> list[list[float]]:
    return json.loads(row.note) if row is not None and row.note else []


def _moment(one: list[float]) -> datetime:
    return datetime.fromtimestamp(one[0], UTC)
