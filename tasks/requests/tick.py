"""What time does to requests: those that are scheduled start, those that nobody decided on are denied."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy import select

from tasks.conveyor.requesting import SYSTEM, Way
from tasks.ledger.requests import APPROVED, FINISHED, PENDING, PENDING_APPROVAL, Request
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model.errors import Refused
from tasks.site.settings import Settings

log = structlog.get_logger(__name__)

#: Requests looked after in one tick; the rest follows with the next one.
A_TICK = 200


def tick(ledger: Ledger, settings: Settings, now: datetime) -> set[int]:
    """Start what is due and deny what has expired; returns the lanes to ring for."""
    with ledger.reading() as session:
        due = select(Request.id).where(
            Request.approval_state == APPROVED, Request.state == PENDING, Request.due_at <= now
        )
        expired = select(Request.id).where(
            Request.approval_state == PENDING_APPROVAL, Request.state != FINISHED, Request.expires_at <= now
        )
        starts = session.scalars(due.order_by(Request.id).limit(A_TICK)).all()
        ends = session.scalars(expired.order_by(Request.id).limit(A_TICK)).all()
    lanes: set[int] = set()
    for request_id in starts:
        lanes |= _move(ledger, settings, now, request_id, start=True)
    for request_id in ends:
        lanes |= _move(ledger, settings, now, request_id, start=False)
    return lanes


def _move(ledger: Ledger, settings: Settings, now: datetime, request_id: int, *, start: bool) -> set[int]:
    try:
        with ledger.transaction() as session:
            count = Count()
            way = Way(session, settings, now, count)
            moved = way.start(request_id) if start else way.deny(request_id, SYSTEM, "Nobody decided in time")
            count.write(session)
            return moved.lanes
    except Refused as refusal:
        log.info("somebody was quicker than the clock", request=request_id, reason=str(refusal))
        return set()
