"""Events that events raise: written with the decision that raised them, and the operations that they announce."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from tasks.conveyor.claim import Claimed
from tasks.conveyor.internal import RAISED
from tasks.conveyor.operations import row_of
from tasks.conveyor.order import ENTRY_OF_RAISED
from tasks.ledger import bulk
from tasks.ledger.events import DEAD, PENDING, DeadLetter, Event, Notification, Place
from tasks.ledger.operations import DECIDING, UNDECIDED, Operation
from tasks.ledger.tally import Count
from tasks.model.event import Event as EventValue
from tasks.model.event import lane_of, object_key, raised_as, raw_type_of
from tasks.model.outcome import Raise
from tasks.site.contracts import Site


class Raised(NamedTuple):
    """An internal event to store, with the event that caused it and its place among its siblings."""

    cause: Claimed
    ordinal: int
    wish: Raise


class Born(NamedTuple):
    """What came of raised events: lanes that have work now, and those that the turn itself takes along."""

    lanes: set[int]
    taken: list[Claimed]


def raise_events(
    session: Session, raised: Sequence[Raised], site: Site, now: datetime, count: Count, *, take: bool
) -> Born:
    """Store raised events as children of their causes.

    An event that would lie deeper than the site allows is stored dead, so that the loop is seen and cut
    (DESIGN 3). A child's identity comes from its cause: raising it again stores nothing. With ``take``
    those about their cause's own object go on with it at once and get no place.
    """
    if not raised:
        return Born(set(), [])
    lanes = site.settings.conveyor.lanes
    by_message = {_message_id(r): r for r in raised}
    rows = [_event_row(message, r, site, now) for message, r in by_message.items()]
    stored = bulk.insert(
        session,
        Event,
        rows,
        conflict="DO NOTHING",
        returning=("id", "message_id", "object_key", "occurred_at", "depth"),
    )
    places: list[dict[str, Any]] = []
    letters: list[dict[str, Any]] = []
    taken: list[Claimed] = []
    for row in stored:
        cause = by_message[row.message_id].cause
        if row.depth > site.settings.conveyor.depth:
            fate = {"stage": ENTRY_OF_RAISED, "died_at": now, "attempts": 0, "error": _too_deep(site)}
            letters.append({"event_id": row.id, **fate})
        elif take and row.object_key == cause.object_key:
            taken.append(_child(row.id, row.message_id, by_message[row.message_id]))
        else:
            places.append(_place(row, lanes, now))
    _keep_words(session, [(row.id, by_message[row.message_id].wish) for row in stored])
    bulk.insert(session, Place, places)
    bulk.insert(session, DeadLetter, letters)
    bulk.insert(session, Operation, _operations(stored, by_message, {letter["event_id"] for letter in letters}, now))
    count.add(
        count.internal(session, now),
        received=len(stored),
        stored=len(stored),
        dead=len(letters),
    )
    return Born({p["lane"] for p in places}, taken)


def _place(row: Any, lanes: int, now: datetime) -> dict[str, Any]:
    return {
        "event_id": row.id,
        "stage": ENTRY_OF_RAISED,
        "lane": lane_of(row.object_key, lanes),
        "occurred_at": row.occurred_at,
        "due_at": now,
        "object_key": row.object_key,
        "attempts": 0,
    }


def _operations(
    stored: Sequence[Any], by_message: Mapping[str, Raised], dead: set[int], now: datetime
) -> list[dict[str, Any]]:
    """The operations that raised events announce; those of an event that lies too deep are never decided on."""
    rows = []
    for row in stored:
        cause, _, wish = by_message[row.message_id]
        if wish.operation is None:
            continue
        operation = row_of(row.id, wish.operation, now, cause_id=cause.event.id)
        rows.append({**operation, "state": UNDECIDED if row.id in dead else DECIDING})
    return rows


def _child(number: int, message: str, raised: Raised) -> Claimed:
    """A raised event as :func:`tasks.conveyor.claim.claim` would find it."""
    cause, wish = raised.cause, raised.wish
    facts = replace(
        cause.event.facts,
        message_id=message,
        event_type=wish.event_type,
        raw_event_type=wish.detail or raw_type_of(wish.source, wish.event_type),
        resource_kind=wish.target.kind,
        resource_id=wish.target.id,
        phase=None,
    )
    namespace, source = raised_as(facts)
    event = EventValue(
        id=number,
        provider=cause.event.provider,
        source=source,
        namespace=namespace,
        facts=facts,
        payload={},
        parent_id=cause.event.id,
        depth=cause.event.depth + 1,
    )
    return Claimed(event, cause.provider_id, cause.lane, cause.object_key, 0, cause.ready, placed=False)


def _keep_words(session: Session, born: Sequence[tuple[int, Raise]]) -> None:
    """Keep what custom events carry where the words of caught ones are."""
    rows = [
        {"event_id": number, "form": RAISED, "road": "", "content": json.dumps(wish.words())}
        for number, wish in born
        if wish.source
    ]
    bulk.insert(session, Notification, rows)


def _message_id(raised: Raised) -> str:
    return f"raised:{raised.cause.event.id}:{raised.ordinal}:{raised.wish.event_type}"


def _too_deep(site: Site) -> str:
    return (
        f"raised by an event that was raised by an event, more than {site.settings.conveyor.depth} deep: "
        "a rule sets off its own cause. `catchment why` shows the line: mend the rule there. "
        "A deeper line is allowed by conveyor.depth in catchment.toml"
    )


def _event_row(message: str, raised: Raised, site: Site, now: datetime) -> dict[str, Any]:
    cause, wish = raised.cause.event, raised.wish
    depth = cause.depth + 1
    return {
        "provider_id": raised.cause.provider_id,
        "message_id": message,
        "raised": True,
        "parent_id": cause.id,
        "depth": depth,
        "state": DEAD if depth > site.settings.conveyor.depth else PENDING,
        "object_key": object_key(cause.provider, wish.target, message),
        "occurred_at": cause.facts.occurred_at,
        "caught_at": now,
        "event_type": wish.event_type,
        "raw_event_type": wish.detail or raw_type_of(wish.source, wish.event_type),
        "resource_kind": wish.target.kind,
        "resource_id": wish.target.id,
        "parents": cause.facts.parents,
        "details": cause.facts.details or None,
        "tenant_id": cause.facts.tenant_id,
        "actor": cause.facts.actor,
        "host": cause.facts.host,
        "group": cause.facts.group,
        "level": cause.facts.level,
        "request_id": cause.facts.request_id,
        "chain_id": cause.facts.chain_id,
    }
