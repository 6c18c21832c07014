"""Claim: which events a stage works on now, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.conveyor.order import NEEDS_INVENTORY, ORDER
from tasks.ledger import bulk
from tasks.ledger.events import Event as EventRow
from tasks.ledger.events import Place
from tasks.ledger.session import LANE_LOCK
from tasks.model.event import PROVIDER, PROVIDER_EVENT, Event, Normalised, raised_as, source_of
from tasks.model.outcome import Finding

#: Room for lanes in a lock's number; a site has at most so many (see Conveyor.lanes).
LANES_A_STAGE = 256


@dataclass(slots=True)
class Claimed:
    """A claimed event: where it stands, the event itself, and what this turn has concluded on it so far.

    ``placed`` is False for an event that was raised in this turn and stands nowhere yet.
    """

    event: Event
    provider_id: int
    lane: int
    object_key: str
    attempts: int
    ready: bool
    placed: bool = True
    steps: list[tuple[str, list[Finding]]] = field(default_factory=list)


_FACTS = tuple(field.name for field in fields(Normalised))
#: JSON and moments must be read; texts come as they are.
_FACT_TYPES = {c: EventRow.__table__.c[c].type for c in ("occurred_at", "parents", "details")}


def lock_lanes(session: Session, lanes: Sequence[int]) -> list[int]:
    """Lock, until the transaction ends, those of the lanes in which nobody works (DESIGN 3).

    A lane is locked for all stages: whoever has it may carry its events as far as he likes and overtakes
    nobody. Who finds it taken goes away, for the holder looks after its commit for what came meanwhile.
    On SQLite the immediate transaction is the lock, so all are had.
    """
    wanted = sorted(set(lanes))
    if session.get_bind().dialect.name == "sqlite":
        return wanted
    found = session.execute(_TRY_LANES, {"lanes": wanted, "space": LANE_LOCK})
    return sorted(row.lane for row in found)


#: One lock for each stage of a lane, the first one deciding: earlier workers lock a single stage.
_TRY_LANES = text(
    "SELECT lane FROM unnest(CAST(:lanes AS int[])) AS lane WHERE "
    + " AND ".join(f"pg_try_advisory_xact_lock(:space, {n * LANES_A_STAGE} + lane)" for n in range(len(ORDER)))
)


def claim(session: Session, stage: str, lanes: Sequence[int], now: datetime, limit: int) -> list[Claimed]:
    """The due events of a stage in the locked lanes, oldest occurrence first.

    An object whose earlier event waits for a retry is passed over; no other object is. A provider whose
    inventory was never read holds its events before the switchboard (see :mod:`tasks.refresh`), but for those
    about itself: they may say why it was never read.
    """
    if not lanes:
        return []
    sql = f"""
        SELECT p.lane, p.object_key, p.attempts, p.plan,
               pr.ready_at IS NOT NULL OR e.resource_kind = :itself, pr.name, coalesce(pr.source, pr.kind),
               e.id, e.provider_id, e.raised, e.parent_id, e.depth, e.late, {", ".join(f'e."{c}"' for c in _FACTS)}
        FROM ({_places(session, stage)}) p
        JOIN event e ON e.id = p.event_id JOIN provider pr ON pr.id = e.provider_id
        ORDER BY p.occurred_at, p.event_id
    """
    statement = text(sql).columns(plan=Place.__table__.c.plan.type, **_FACT_TYPES)
    parameters = {
        "stage": stage,
        "lanes": bulk.listed(session, lanes),
        "now": bulk.moment(session, now),
        "limit": limit,
        "itself": PROVIDER,
    }
    return [_claimed(*row) for row in session.execute(statement, parameters)]


def _places(session: Session, stage: str) -> str:
    """SQL for the places to claim: narrow rows first, so that a backlog is neither joined nor sorted whole."""
    ready = _ready(session) if stage == NEEDS_INVENTORY else ""
    where = f"p.stage = :stage AND {_DUE} AND {_FREE} {ready}"
    columns = "p.event_id, p.lane, p.occurred_at, p.object_key, p.attempts, p.plan"
    order = "ORDER BY occurred_at, event_id LIMIT :limit"
    if session.get_bind().dialect.name == "sqlite":
        return f"SELECT {columns} FROM place p WHERE {where} AND {bulk.among(session, 'p.lane', 'lanes')} {order}"
    # Lane by lane, each in the order of the index.
    one = f"SELECT {columns} FROM place p WHERE {where} AND p.lane = w.lane {order}"
    return f"SELECT q.* FROM unnest(CAST(:lanes AS int[])) AS w(lane) CROSS JOIN LATERAL ({one}) q {order}"


#: Only a retry has to wait for its time: order must not hang on clocks of several hosts.
_DUE = "(p.attempts = 0 OR p.due_at <= :now)"
#: Nobody's earlier event of the same object waits for a retry.
_FREE = "NOT EXISTS (SELECT 1 FROM hold h WHERE h.object_key = p.object_key AND h.event_id <> p.event_id)"


def _ready(session: Session) -> str:
    """SQL that leaves out events whose provider's inventory was never read; empty where there is no such provider."""
    new = session.scalars(_NEW_PROVIDERS).all()
    if not new:
        return ""
    other = f"AND coalesce(e.resource_kind, '') <> '{PROVIDER}'"
    theirs = f"SELECT 1 FROM event e WHERE e.id = p.event_id AND e.provider_id IN ({', '.join(map(str, new))}) {other}"
    return f"AND (p.stage <> '{NEEDS_INVENTORY}' OR NOT EXISTS ({theirs}))"


_NEW_PROVIDERS = text("SELECT id FROM provider WHERE ready_at IS NULL ORDER BY id")


def due_places(session: Session, stages: Sequence[str], lanes: Sequence[int], now: datetime) -> dict[str, list[int]]:
    """At which of the stages, and in which of the lanes, something is due that nobody holds back."""
    return _due_places(session, stages, lanes, now, "")


def busy_lanes(session: Session, lanes: Sequence[int], before: int, now: datetime) -> set[int]:
    """Those of the lanes in which an event older than ``before`` (an event id) is due at any stage.

    Somebody works on it or was rung for, and looks after the lane when he is done.
    """
    found = _due_places(session, ORDER, lanes, now, "AND p.event_id < :before", before=before)
    return {lane for lanes in found.values() for lane in lanes}


def _due_places(
    session: Session, stages: Sequence[str], lanes: Sequence[int], now: datetime, more: str, **parameters: Any
) -> dict[str, list[int]]:
    if not lanes or not stages:
        return {}
    if session.get_bind().dialect.name == "sqlite":
        lane_of = "SELECT value AS lane FROM json_each(:lanes)"
        stage_of = "SELECT value AS stage FROM json_each(:stages)"
    else:
        lane_of = "SELECT unnest(CAST(:lanes AS int[])) AS lane"
        stage_of = "SELECT unnest(CAST(:stages AS text[])) AS stage"
    ready = _ready(session) if NEEDS_INVENTORY in stages else ""
    where = f"p.stage = s.stage AND p.lane = w.lane AND {_DUE} AND {_FREE} {ready} {more}"
    rows = session.execute(
        text(
            f"SELECT s.stage, w.lane FROM ({stage_of}) AS s CROSS JOIN ({lane_of}) AS w "
            f"WHERE EXISTS (SELECT 1 FROM place p WHERE {where}) ORDER BY w.lane"
        ),
        {
            "lanes": bulk.listed(session, lanes),
            "stages": bulk.listed(session, stages),
            "now": bulk.moment(session, now),
            **parameters,
        },
    )
    found: dict[str, list[int]] = {}
    for stage, lane in rows:
        found.setdefault(stage, []).append(lane)
    return found


def _claimed(
    lane: int, key: str, attempts: int, plan: dict[str, Any] | None, ready: object, provider: str, word: str,
    number: int, provider_id: int, raised: object, parent_id: int | None, depth: int, late: object, *facts: Any,
) -> Claimed:  # fmt: skip
    """One row of a claim; ``facts`` are in the order of ``_FACTS``, which is that of the fields of the facts."""
    normal = _normalised(*facts)
    namespace, source = PROVIDER_EVENT, source_of(word)
    if raised:
        namespace, source = raised_as(normal)
    event = Event(
        id=number,
        provider=provider,
        source=source,
        namespace=namespace,
        facts=normal,
        payload={},
        parent_id=parent_id,
        depth=depth,
        attempts=attempts,
        plan=plan,
        late=bool(late),
    )
    return Claimed(event, provider_id, lane, key, attempts, bool(ready))


def _normalised(*values: Any) -> Normalised:
    facts = Normalised(*values)
    facts.parents = facts.parents or {}
    facts.details = facts.details or {}
    return facts
