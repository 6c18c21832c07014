"""Claim: which events a stage works on now, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.conveyor.order import NEEDS_INVENTORY, ORDER
from tasks.ledger import bulk
from tasks.ledger.base import Id
from tasks.ledger.events import Event as EventRow
from tasks.ledger.events import Place
from tasks.ledger.session import LANE_LOCK
from tasks.model.event import POLICY_EVENT, PROVIDER_EVENT, Event, Normalised

#: Room for lanes in a lock's number; a site has at most so many (see Conveyor.lanes).
LANES_A_STAGE = 256


@dataclass(slots=True)
class Claimed:
    """A claimed event: where it stands, and the event itself."""

    event: Event
    provider_id: int
    lane: int
    object_key: str
    attempts: int
    ready: bool


_FACTS = (
    "message_id",
    "event_type",
    "raw_event_type",
    "occurred_at",
    "resource_kind",
    "resource_id",
    "parents",
    "tenant_id",
    "actor",
    "host",
    "phase",
    "group",
    "level",
    "request_id",
    "chain_id",
)


def lock_lanes(session: Session, stages: Sequence[str], lanes: Sequence[int]) -> list[int]:
    """Lock, until the transaction ends, those of the lanes at which nobody works at these stages (DESIGN 3).

    A lane is locked for each stage by itself: a bell for one stage never finds it taken by another one,
    whose worker would not know of it. On SQLite the immediate transaction is the lock, so all are had.
    """
    wanted = sorted(set(lanes))
    if session.get_bind().dialect.name == "sqlite" or not stages:
        return wanted
    keys = [ORDER.index(stage) * LANES_A_STAGE for stage in stages]
    tried = " AND ".join(f"pg_try_advisory_xact_lock(:space, {key} + lane)" for key in keys)
    found = session.execute(
        text(f"SELECT lane FROM unnest(CAST(:lanes AS int[])) AS lane WHERE {tried}"),
        {"lanes": wanted, "space": LANE_LOCK},
    )
    return sorted(row.lane for row in found)


def claim(session: Session, stage: str, lanes: Sequence[int], now: datetime, limit: int) -> list[Claimed]:
    """The due events of a stage in the locked lanes, oldest occurrence first.

    An object whose earlier event waits for a retry is passed over; no other object is. A provider whose
    inventory was never read holds its events before the switchboard (see :mod:`tasks.refresh`).
    """
    if not lanes:
        return []
    sql = f"""
        SELECT p.lane AS "p_lane", p.object_key AS "p_object_key", p.attempts AS "p_attempts", p.plan AS "p_plan",
               e.id, e.provider_id, e.raised, e.parent_id, e.depth, e.late, pr.name AS provider, pr.kind AS kind,
               pr.ready_at IS NOT NULL AS ready,
               {", ".join(f'e."{c}"' for c in _FACTS)}
        FROM ({_places(session, stage)}) p
        JOIN event e ON e.id = p.event_id JOIN provider pr ON pr.id = e.provider_id
        ORDER BY p.occurred_at, p.event_id
    """
    columns = {c: EventRow.__table__.c[c].type for c in _FACTS}
    statement = text(sql).columns(id=Id, provider_id=Id, p_plan=Place.__table__.c.plan.type, **columns)
    parameters = {
        "stage": stage,
        "lanes": bulk.listed(session, lanes),
        "now": bulk.moment(session, now),
        "limit": limit,
    }
    return [_claimed(row) for row in session.execute(statement, parameters)]


def _places(session: Session, stage: str) -> str:
    """SQL for the places to claim: narrow rows first, so that a backlog is neither joined nor sorted whole."""
    ready = f"AND {_READY}" if stage == NEEDS_INVENTORY else ""
    where = f"p.stage = :stage AND p.due_at <= :now {ready} AND {_FREE}"
    columns = "p.event_id, p.lane, p.occurred_at, p.object_key, p.attempts, p.plan"
    order = "ORDER BY occurred_at, event_id LIMIT :limit"
    if session.get_bind().dialect.name == "sqlite":
        return f"SELECT {columns} FROM place p WHERE {where} AND {bulk.among(session, 'p.lane', 'lanes')} {order}"
    # Lane by lane, each in the order of the index.
    one = f"SELECT {columns} FROM place p WHERE {where} AND p.lane = w.lane {order}"
    return f"SELECT q.* FROM unnest(CAST(:lanes AS int[])) AS w(lane) CROSS JOIN LATERAL ({one}) q {order}"


#: Nobody's earlier event of the same object waits for a retry.
_FREE = "NOT EXISTS (SELECT 1 FROM hold h WHERE h.object_key = p.object_key AND h.event_id <> p.event_id)"
#: The provider's inventory was read once.
_READY = (
    "EXISTS (SELECT 1 FROM event e JOIN provider pr ON pr.id = e.provider_id "
    "WHERE e.id = p.event_id AND pr.ready_at IS NOT NULL)"
)


def due_lanes(session: Session, stage: str, lanes: Sequence[int], now: datetime) -> list[int]:
    """Those of the lanes in which something is due at the stage that nobody holds back."""
    if not lanes:
        return []
    ready = f"AND {_READY}" if stage == NEEDS_INVENTORY else ""
    where = f"p.stage = :stage AND p.lane = w.lane AND p.due_at <= :now {ready} AND {_FREE}"
    wanted = (
        "(SELECT value AS lane FROM json_each(:lanes))"
        if session.get_bind().dialect.name == "sqlite"
        else "unnest(CAST(:lanes AS int[]))"
    )
    found = session.execute(
        text(
            f"SELECT w.lane FROM {wanted} AS w{'' if 'json_each' in wanted else '(lane)'} "
            f"WHERE EXISTS (SELECT 1 FROM place p WHERE {where})"
        ),
        {"stage": stage, "lanes": bulk.listed(session, lanes), "now": bulk.moment(session, now)},
    )
    return sorted(row.lane for row in found)


def _claimed(row: Any) -> Claimed:
    facts = Normalised(
        event_type=row.event_type,
        raw_event_type=row.raw_event_type,
        message_id=row.message_id,
        occurred_at=row.occurred_at,
        resource_kind=row.resource_kind,
        resource_id=row.resource_id,
        parents=row.parents or {},
        tenant_id=row.tenant_id,
        actor=row.actor,
        host=row.host,
        phase=row.phase,
        group=row.group,
        level=row.level,
        request_id=row.request_id,
        chain_id=row.chain_id,
    )
    raised = bool(row.raised)
    event = Event(
        id=row.id,
        provider=row.provider,
        source="POLICY" if raised else row.kind.upper(),
        namespace=POLICY_EVENT if raised else PROVIDER_EVENT,
        facts=facts,
        payload={},
        parent_id=row.parent_id,
        depth=row.depth,
        attempts=row.p_attempts,
        plan=row.p_plan,
        late=bool(row.late),
    )
    return Claimed(event, row.provider_id, row.p_lane, row.p_object_key, row.p_attempts, bool(row.ready))
