"""Events that Catchment raises of itself: about a request, or to carry a delivery along the belt."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from tasks.conveyor.order import ENTRY_OF_RAISED
from tasks.ledger import bulk
from tasks.ledger.events import PENDING, Event, Place
from tasks.ledger.tally import Count
from tasks.model.event import ObjectRef, lane_of, object_key
from tasks.site.settings import Settings

#: Priorities of deliveries (spec automate 6.2): a lower number goes first.
HIGH, NORMAL = 20, 100
#: What one step of priority is worth in time. A delivery goes as if it had come so much earlier or later, so
#: that an urgent one overtakes, and none waits for ever.
STEP = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class About:
    """What such an event is about: the provider whose objects its rules see, its object, and for whom it is."""

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


def raise_internal(
    session: Session,
    settings: Settings,
    now: datetime,
    count: Count,
    event_type: str,
    about: About,
    priority: int = HIGH,
) -> tuple[int, int]:
    """Store an event, due at once; returns its id and the lane to ring for. It counts under ``internal``."""
    message = about.message_id or f"{about.target}:{event_type}:{uuid.uuid4().hex}"
    key = object_key(about.provider, about.target, message)
    lane = lane_of(key, settings.conveyor.lanes)
    event = {
        "provider_id": about.provider_id,
        "message_id": message,
        "raised": True,
        "parent_id": about.cause_id,
        "depth": about.depth,
        "state": PENDING,
        "object_key": key,
        "occurred_at": now,
        "caught_at": now,
        "event_type": event_type,
        "raw_event_type": event_type,
        "resource_kind": about.target.kind,
        "resource_id": about.target.id,
        "tenant_id": about.tenant_id,
        "actor": about.actor,
        "group": about.group,
        "level": "critical",
        "request_id": about.request_id,
    }
    [row] = bulk.insert(session, Event, [event], returning=("id",))
    standing = {
        "event_id": row.id,
        "stage": ENTRY_OF_RAISED,
        "lane": lane,
        "occurred_at": now + (priority - NORMAL) * STEP,
        "due_at": now,
        "object_key": key,
        "attempts": 0,
    }
    bulk.insert(session, Place, [standing])
    count.add(count.internal(session, now), received=1, stored=1)
    return row.id, lane
