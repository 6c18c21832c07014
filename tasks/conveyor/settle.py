"""What deliveries of the switchboard mean for requests: written in the turn that made them (spec policy-alerts 6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from tasks.conveyor.advance import Failure
from tasks.conveyor.claim import Claimed
from tasks.conveyor.requesting import Way
from tasks.ledger.requests import Delivery, RequestTask
from tasks.ledger.tally import Count
from tasks.model.errors import Refused
from tasks.model.event import DELIVERY, REQUEST_EVENT
from tasks.model.event import Event as EventValue
from tasks.model.outcome import Delivered, Outcome
from tasks.site.settings import Settings

log = structlog.get_logger(__name__)

#: The event whose delivery decides whether a request starts (spec automate G26).
STARTING = "request_starting"


def settle(
    session: Session,
    settings: Settings,
    now: datetime,
    done: Sequence[tuple[Claimed, Outcome]],
    dead: Sequence[Failure],
    count: Count,
) -> set[int]:
    """Open the requests that rules asked for, make their moves, and pass on how deliveries ended.

    Returns the lanes that have work now.
    """
    concerned = [(c, o) for c, o in done if o.petitions or o.moves or _is_delivery(c.event)]
    buried = [f for f in dead if _is_delivery(f.claimed.event)]
    if not concerned and not buried:
        return set()
    way, lanes = Way(session, settings, now, count), set[int]()
    for claimed, outcome in concerned:
        event = claimed.event
        for petition in outcome.petitions:
            requester = event.facts.actor or "system"
            opened = way.open(petition, requester, event.facts.tenant_id, cause_id=event.id)
            lanes |= opened.lanes
            if petition.approved_by is not None:
                lanes |= way.approve(opened.request_id, petition.approved_by, "Asked for by a rule").lanes
        if event.namespace == DELIVERY:
            _note(session, event, outcome, now)
        if outcome.delivered is not None:
            lanes |= _ended(session, way, event, outcome.delivered)
        for move in outcome.moves:
            lanes |= _move(way, event, move.word, move.reason)
    for failure in buried:
        lanes |= _ended(session, way, failure.claimed.event, Delivered("raised", str(failure)))
    return lanes


def _is_delivery(event: EventValue) -> bool:
    return event.namespace in (REQUEST_EVENT, DELIVERY)


def _move(way: Way, event: EventValue, word: str, reason: str) -> set[int]:
    try:
        return getattr(way, word)(int(event.facts.request_id or 0), "system", reason).lanes  # type: ignore[no-any-return]  # one of three moves of the same shape
    except Refused as refusal:
        # Somebody was quicker; his decision stands.
        log.info("a rule's move came too late", event_id=event.id, move=word, reason=str(refusal))
        return set()


def _note(session: Session, event: EventValue, outcome: Outcome, now: datetime) -> None:
    """Count the delivery, and keep what its methods set in the task's options."""
    ended = outcome.delivered
    values: dict[str, Any] = {"result": "retry", "due_at": None}
    if outcome.again:
        values["due_at"] = now + timedelta(seconds=outcome.again.seconds)
    if ended:
        values |= {"result": ended.result, "reason": ended.reason, "ended_at": now}
    statement = update(Delivery).where(Delivery.event_id == event.id).values(number=Delivery.number + 1, **values)
    task_id = session.scalar(statement.returning(Delivery.task_id))
    if outcome.options is not None and task_id is not None:
        session.execute(
            update(RequestTask).where(RequestTask.id == task_id).values(options=outcome.options, updated_at=now)
        )


def _ended(session: Session, way: Way, event: EventValue, ended: Delivered) -> set[int]:
    if event.namespace == DELIVERY:
        delivery = session.get(Delivery, event.id)
        if delivery is not None:
            delivery.result, delivery.reason = ended.result, ended.reason
            way.delivered(delivery, ended)
        return set()
    if event.event_type == STARTING:
        return way.answered(int(event.facts.request_id or 0), ended)
    return set()
