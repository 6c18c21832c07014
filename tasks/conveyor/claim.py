"""Claim: which events a stage works on now, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tasks.conveyor.order import NEEDS_INVENTORY
from tasks.ledger import bulk
from tasks.ledger.base import Id
from tasks.ledger.events import Event as EventRow
from tasks.ledger.events import Place
from tasks.ledger.session import LANE_LOCK, lock
from tasks.model.event import POLICY_EVENT, PROVIDER_EVENT, Event, Normalised

#: A bell for so few lanes is a trickle's: it waits for them so long, where the sweep would take seconds. In a
#: storm a bell names many, finds some that are free, and has others behind it.
FEW_LANES = 2
PATIENCE_MS = 500
#: PostgreSQL's word for a lock that was not had in time.
LOCK_NOT_AVAILABLE = "55P03"


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


def lock_lanes(session: Session, lanes: Sequence[int]) -> list[int]:
    """Lock, until the transaction ends, those of the lanes that nobody else works on (DESIGN 3).

    Where that is none of a few, wait a moment for them: whoever works there may be at another stage and
    not ring for this one. On SQLite the immediate transaction is the lock, so all of them are had.
    """
    wanted = sorted(set(lanes))
    if session.get_bind().dialect.name == "sqlite":
        return wanted
    found = session.execute(
        text("SELECT lane FROM unnest(CAST(:lanes AS int[])) AS lane WHERE pg_try_advisory_xact_lock(:space, lane)"),
        {"lanes": wanted, "space": LANE_LOCK},
    )
    free = sorted(row.lane for row in found)
    return free if free or len(wanted) > FEW_LANES else _wait_for(session, wanted)


def _wait_for(session: Session, lanes: Sequence[int]) -> list[int]:
    try:
        with session.begin_nested():
            session.execute(text(f"SET LOCAL lock_timeout = {PATIENCE_MS}"))
            for lane in lanes:
                lock(session, LANE_LOCK, lane)
            session.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        return []
    return list(lanes)


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
        FROM place p JOIN event e ON e.id = p.event_id JOIN provider pr ON pr.id = e.provider_id
        WHERE p.stage = :stage AND {bulk.among(session, "p.lane", "lanes")} AND p.due_at <= :now
          {"AND pr.ready_at IS NOT NULL" if stage == NEEDS_INVENTORY else ""}
          AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.object_key = p.object_key AND h.event_id <> p.event_id)
        ORDER BY p.occurred_at, p.event_id LIMIT :limit
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


def due_lanes(session: Session, stage: str, lanes: Sequence[int], now: datetime) -> list[int]:
    """Those of the lanes in which something is due at the stage that nobody holds back."""
    if not lanes:
        return []
    ready = (
        "AND EXISTS (SELECT 1 FROM event e JOIN provider pr ON pr.id = e.provider_id "
        "WHERE e.id = p.event_id AND pr.ready_at IS NOT NULL)"
        if stage == NEEDS_INVENTORY
        else ""
    )
    where = f"""p.stage = :stage AND p.lane = w.lane AND p.due_at <= :now {ready}
        AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.object_key = p.object_key AND h.event_id <> p.event_id)"""
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
