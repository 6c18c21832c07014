"""Events that Catchment raises of itself: about a request, about what changed, or because the clock says so."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from tasks.conveyor.order import ENTRY_OF_RAISED
from tasks.ledger import bulk
from tasks.ledger.events import FINISHED, PENDING, Event, Notification, Place
from tasks.ledger.tally import Count
from tasks.model.event import ObjectRef, lane_of, object_key
from tasks.site.settings import Settings

#: The form of words that Catchment wrote itself.
RAISED = "raised"
#: Priorities of deliveries (spec automate 6.2): a lower number goes first.
HIGH, NORMAL = 20, 100
#: What one step of priority is worth in time. A delivery goes as if it had come so much earlier or later, so
#: that an urgent one overtakes, and none waits for ever.
STEP = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class About:
    """What such an event is about: the provider whose objects its rules see, its object, and for whom it is.

    ``message_id`` is its identity at the provider, where it must be raised once only; without one it gets one of
    its own. ``detail`` becomes its raw type, which says what of its kind it is. ``words`` is what it carries, kept
    where the words of caught events are. One that is ``kept`` back goes no way: it is stored as finished.
    """

    provider_id: int
    target: ObjectRef
    provider: str = ""
    request_id: str | None = None
    tenant_id: str | None = None
    actor: str | None = None
    cause_id: int | None = None
    group: str = "request"
    depth: int = 0
    message_id: str | None = None
    detail: str | None = None
    level: str = "critical"
    words: Mapping[str, Any] | None = None
    kept: bool = False


class Raising(NamedTuple):
    """An event that was stored: its id, the lane to ring for, and its identity."""

    id: int
    lane: int
    provider_id: int
    message_id: str


def raise_internal(
    session: Session,
    settings: Settings,
    now: datetime,
    count: Count,
    event_type: str,
    about: About,
    priority: int = HIGH,
) -> tuple[int, int]:
    """Store an event, due at once; returns its id and the lane to ring for. It counts under ``internal``.

    One that may be there already is for :func:`raise_once`.
    """
    [raised] = raise_once(session, settings, now, count, event_type, [about], priority)
    return raised.id, raised.lane


def raise_once(
    session: Session,
    settings: Settings,
    now: datetime,
    count: Count,
    event_type: str,
    wanted: Sequence[About],
    priority: int = NORMAL,
) -> list[Raising]:
    """Store those events that are not there yet, by their ``message_id``; returns the new ones.

    Of two clocks that raise the same event one stores it, and the other gets nothing back.
    """
    # Sorted, so that two clocks never wait for each other in a circle; the first of equal ones counts.
    by_identity: dict[tuple[int, str], dict[str, Any]] = {}
    abouts: dict[tuple[int, str], About] = {}
    for about in wanted:
        row = _row(event_type, about, now)
        identity = (about.provider_id, row["message_id"])
        by_identity.setdefault(identity, row)
        abouts.setdefault(identity, about)
    rows = [by_identity[key] for key in sorted(by_identity)]
    columns = ("id", "object_key", "provider_id", "message_id")
    stored = bulk.insert(session, Event, rows, conflict="DO NOTHING", returning=columns)
    lanes = settings.conveyor.lanes
    raised = [Raising(row.id, lane_of(row.object_key, lanes), row.provider_id, row.message_id) for row in stored]
    places = [
        {
            "event_id": row.id,
            "stage": ENTRY_OF_RAISED,
            "lane": found.lane,
            "occurred_at": now + (priority - NORMAL) * STEP,
            "due_at": now,
            "object_key": row.object_key,
            "attempts": 0,
        }
        for row, found in zip(stored, raised, strict=True)
        if not abouts[row.provider_id, row.message_id].kept
    ]
    bulk.insert(session, Place, places)
    words = [
        {"event_id": one.id, "form": RAISED, "road": "", "content": json.dumps(told, ensure_ascii=False)}
        for one in raised
        if (told := abouts[one.provider_id, one.message_id].words) is not None
    ]
    bulk.insert(session, Notification, words)
    if raised:
        finished = len(raised) - len(places)
        count.add(count.internal(session, now), received=len(raised), stored=len(raised), finished=finished)
    return raised


def _row(event_type: str, about: About, now: datetime) -> dict[str, Any]:
    message = about.message_id or f"{about.target}:{event_type}:{uuid.uuid4().hex}"
    return {
        "provider_id": about.provider_id,
        "message_id": message,
        "raised": True,
        "parent_id": about.cause_id,
        "depth": about.depth,
        "state": FINISHED if about.kept else PENDING,
        "finished_at": now if about.kept else None,
        "object_key": object_key(about.provider, about.target, message),
        "occurred_at": now,
        "caught_at": now,
        "event_type": event_type,
        "raw_event_type": about.detail or event_type,
        "resource_kind": about.target.kind,
        "resource_id": about.target.id,
        "tenant_id": about.tenant_id,
        "actor": about.actor,
        "group": about.group,
        "level": about.level,
        "request_id": about.request_id,
    }
