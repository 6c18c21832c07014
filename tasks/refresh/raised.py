"""Internal events about what inventory has become, raised with the change (spec policy-alerts 1.3 C)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from tasks.conveyor.internal import About, raise_internal
from tasks.ledger.events import Event
from tasks.ledger.tally import Count
from tasks.refresh.seen import Change
from tasks.site.settings import Settings

log = structlog.get_logger(__name__)

#: What is said of a machine that was read for the first time; of any other object it is ``object_created``.
_CREATED = {"server": "vm_create"}
#: Facts that say where an object is, and whose.
_PLACE = frozenset({"tenant_id", "host", "availability_zone"})


def name_of(change: Change) -> str | None:
    """The internal event that tells of a change; None where none does."""
    if change.verdict in ("created", "returned"):
        return _CREATED.get(change.ref.kind, "object_created")
    if change.verdict == "gone":
        return "object_removed"
    if change.verdict != "changed":
        return None
    changed = {*change.before, *change.after}
    if changed & _PLACE:
        return "object_moved"
    return "object_renamed" if "name" in changed else None


def raise_changes(
    session: Session, settings: Settings, provider_id: int, provider: str, changes: Sequence[Change], now: datetime
) -> set[int]:
    """Raise an event for each change that has one; returns the lanes to ring for.

    The event that had the object read is the cause. One that lies as deep as the site allows causes nothing
    more: a rule sets off its own cause there.
    """
    named = [(name, change) for change in changes if (name := name_of(change)) is not None]
    if not named or not settings.refresh.events:
        return set()
    asked = {change.event_id for _, change in named if change.event_id is not None}
    rows = session.execute(select(Event.id, Event.depth).where(Event.id.in_(asked))) if asked else ()
    depths = {row.id: row.depth for row in rows}
    count, lanes = Count(), set[int]()
    for name, change in named:
        depth = depths.get(change.event_id or 0, -1) + 1
        if depth > settings.conveyor.depth:
            log.warning(
                "a change is told to no rule: its line of causes is too long", object=str(change.ref), event=name
            )
            continue
        about = About(
            provider_id,
            change.ref,
            provider,
            tenant_id=change.tenant_id,
            cause_id=change.event_id,
            group="inventory",
            depth=depth,
        )
        lanes.add(raise_internal(session, settings, now, count, name, about)[1])
    count.write(session)
    return lanes
