"""Bring inventory in line with what was read, and record every change with the event that led to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tasks.conveyor.wanted import stub
from tasks.ledger import bulk
from tasks.ledger.inventory import GONE, KNOWN, STUB, InventoryChange, InventoryObject
from tasks.model.event import ObjectRef
from tasks.refresh.aggregates import spread_aggregates, with_aggregates
from tasks.refresh.seen import Change, Seen

#: How far behind itself a service may be in what it tells.
BEHIND = timedelta(seconds=60)


def apply(
    session: Session, provider_id: int, seen: Sequence[Seen], changed: list[Change] | None = None
) -> dict[str, int]:
    """Write what was read; returns how many objects were created, changed, gone, returned, unchanged or stale.

    What became of each that is not as it was is added to ``changed``.
    """
    refs = {s.ref for s in seen}
    present = _locked(session, provider_id, refs)
    new = refs - present.keys()
    if new:
        # An event, or another reader, may have made them known a moment ago.
        stub(session, [(provider_id, ref) for ref in new], min(s.asked_at for s in seen))
        present |= _locked(session, provider_id, new)
    verdicts: dict[str, int] = {}
    made: list[tuple[int, Change]] = []
    # Under the lock, so that an aggregate which changes now either is seen here or changes these objects itself.
    for item in with_aggregates(session, provider_id, seen):
        row = present[item.ref]
        verdict, before, after = _bring(row, item)
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        if verdict not in {"unchanged", "stale"}:
            about = (item.event_id, row.tenant_id, item.asked_at, row.attributes)
            made.append((row.id, Change(item.ref, verdict, before, after, *about)))
    session.flush()
    made += spread_aggregates(session, provider_id, [change for _, change in made])
    if changed is not None:
        changed += [change for _, change in made]
    bulk.insert(session, InventoryChange, [_row(object_id, change) for object_id, change in made])
    return verdicts


def _row(object_id: int, change: Change) -> dict[str, Any]:
    return {
        "object_id": object_id,
        "at": change.at,
        "verdict": change.verdict,
        "event_id": change.event_id,
        "before": change.before,
        "after": change.after,
    }


def _locked(session: Session, provider_id: int, refs: Collection[ObjectRef]) -> dict[ObjectRef, InventoryObject]:
    rows = session.scalars(
        select(InventoryObject)
        .where(
            InventoryObject.provider_id == provider_id,
            InventoryObject.kind.in_({r.kind for r in refs}),
            InventoryObject.ref.in_({r.id for r in refs}),
        )
        .order_by(InventoryObject.id)
        .with_for_update()
    )
    return {ObjectRef(row.kind, row.ref): row for row in rows}


def _bring(row: InventoryObject, item: Seen) -> tuple[str, dict[str, Any], dict[str, Any]]:
    if row.read_at is not None and (row.read_at > item.asked_at or _older(row, item)):
        return "stale", {}, {}
    row.read_at = item.asked_at
    if item.reading is None:
        if row.state == GONE:
            return "unchanged", {}, {}
        before = _facts(row)
        row.state, row.gone_at = GONE, item.asked_at
        return "gone", before, {}
    before, was = _facts(row), row.state
    row.name, row.tenant_id = item.reading.name, item.reading.tenant_id
    row.attributes = dict(item.reading.attributes)
    row.state, row.gone_at = KNOWN, None
    old, new = _difference(before, _facts(row))
    if was == STUB:
        return "created", {}, _facts(row)
    if was == GONE:
        return "returned", old, new
    return ("changed", old, new) if new or old else ("unchanged", {}, {})


def _older(row: InventoryObject, item: Seen) -> bool:
    """Whether the service's own time says that the facts are older than those that we have.

    A list may come from a copy of the service's database that is some seconds behind. After more than that
    the service is believed all the same: its clock may have been set, or its database restored.
    """
    if item.reading is None or row.state != KNOWN or row.read_at is None:
        return False
    told, had = item.reading.attributes.get("updated_at"), row.attributes.get("updated_at")
    return isinstance(told, str) and isinstance(had, str) and told < had and item.asked_at - row.read_at < BEHIND


def _facts(row: InventoryObject) -> dict[str, Any]:
    return {"name": row.name, "tenant_id": row.tenant_id, **row.attributes}


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {k: before[k] for k in changed if k in before}, {k: after[k] for k in changed if k in after}


def absent(
    session: Session, provider_id: int, kind: str, asked_at: datetime, after: str, limit: int
) -> list[ObjectRef]:
    """Objects of a kind that a list, begun at ``asked_at``, did not meet and nobody has read since.

    So many of them whose id stands behind ``after``, in the order of their ids.
    """
    rows = session.scalars(
        select(InventoryObject.ref)
        .where(
            InventoryObject.provider_id == provider_id,
            InventoryObject.kind == kind,
            InventoryObject.ref > after,
            InventoryObject.state != GONE,
            InventoryObject.read_at.is_not(None),
            InventoryObject.read_at < asked_at,
        )
        .order_by(InventoryObject.ref)
        .limit(limit)
    )
    return [ObjectRef(kind, ref) for ref in rows]
