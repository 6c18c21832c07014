"""What is to be read again: refresh targets and stubs, written with the event that names them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from tasks.ledger import bulk
from tasks.ledger.inventory import STUB, InventoryObject, RefreshRequest, RefreshTarget
from tasks.model.event import ObjectRef

#: The kind of a refresh target that means many objects, and the one that means all of them. Neither is ever
#: expressed as an empty id (spec capture 9 C1).
EVERY = "*"
FULL = ObjectRef(EVERY, EVERY)


def all_of(kind: str) -> ObjectRef:
    """The refresh target that means all objects of one kind."""
    return ObjectRef(EVERY, kind)


class Wish(NamedTuple):
    """That an event wants an object read again. ``event_id`` is None for a wish of Catchment's own."""

    provider_id: int
    ref: ObjectRef
    event_id: int | None


def want(
    session: Session, wishes: Sequence[Wish], now: datetime, settle: float, list_settle: float | None = None
) -> bool:
    """Record wishes: a hundred of them for one object are one target. Returns whether any read is owed.

    ``settle`` seconds pass before the read, so that the rest of a burst joins it, and ``list_settle`` seconds
    before a list; a target that waits already keeps its time, so that a storm cannot put it off for ever.
    """
    if not wishes:
        return False
    pauses = {EVERY: settle if list_settle is None else list_settle}
    counts: dict[tuple[int, ObjectRef], list[int | None]] = {}
    for wish in wishes:
        counts.setdefault((wish.provider_id, wish.ref), []).append(wish.event_id)
    # Sorted, so that two lanes which want the same objects never wait for each other in a circle.
    rows = [
        {
            "provider_id": p,
            "kind": ref.kind,
            "ref": ref.id,
            "state": "wanted",
            "wanted": len(events),
            "event_id": events[-1],
            "due_at": now + timedelta(seconds=pauses.get(ref.kind, settle)),
        }
        for (p, ref), events in sorted(counts.items(), key=lambda item: item[0])
    ]
    waits = "refresh_target.state = 'wanted'"
    conflict = f"""(provider_id, kind, ref) DO UPDATE SET
        wanted = refresh_target.wanted + excluded.wanted,
        event_id = CASE WHEN {waits} THEN coalesce(excluded.event_id, refresh_target.event_id)
            ELSE excluded.event_id END,
        due_at = CASE WHEN {waits} THEN refresh_target.due_at ELSE excluded.due_at END,
        attempts = CASE WHEN {waits} THEN refresh_target.attempts ELSE 0 END,
        state = 'wanted'"""
    written = bulk.insert(
        session,
        RefreshTarget,
        rows,
        conflict=conflict,
        returning=("id", "provider_id", "kind", "ref", "wanted"),
    )
    requests = [
        {"event_id": event_id, "target_id": row.id, "generation": row.wanted}
        for row in written
        for event_id in set(counts[row.provider_id, ObjectRef(row.kind, row.ref)])
        if event_id is not None
    ]
    bulk.insert(session, RefreshRequest, requests, conflict="DO NOTHING")
    return True


def stub(session: Session, refs: Sequence[tuple[int, ObjectRef]], now: datetime) -> list[tuple[int, ObjectRef]]:
    """Give objects that are not known a row, so that rules always have their target; returns the new ones."""
    rows = [
        {"provider_id": p, "kind": ref.kind, "ref": ref.id, "state": STUB, "attributes": {}, "seen_at": now}
        for p, ref in sorted(set(refs))
    ]
    made = bulk.insert(session, InventoryObject, rows, conflict="DO NOTHING", returning=("provider_id", "kind", "ref"))
    return [(row.provider_id, ObjectRef(row.kind, row.ref)) for row in made]
