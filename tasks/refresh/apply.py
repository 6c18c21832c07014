"""Bring inventory in line with what was read, and record every change with the event that led to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from tasks.conveyor.wanted import stub
from tasks.ledger import bulk
from tasks.ledger.inventory import GONE, KNOWN, STUB, InventoryChange, InventoryObject
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Reading


class Seen(NamedTuple):
    """An object as read, or ``reading`` None where the provider says that it is gone (404).

    ``asked_at`` is when the read began: facts asked for earlier never replace those asked for later.
    """

    ref: ObjectRef
    reading: Reading | None
    event_id: int | None
    asked_at: datetime


class Change(NamedTuple):
    """What became of an object, with the facts that differ; ``event_id`` had it read."""

    ref: ObjectRef
    verdict: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    event_id: int | None
    tenant_id: str | None


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
    changes: list[dict[str, Any]] = []
    for item in seen:
        row = present[item.ref]
        verdict, before, after = _bring(row, item)
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        if verdict not in {"unchanged", "stale"}:
            if changed is not None:
                changed.append(Change(item.ref, verdict, before, after, item.event_id, row.tenant_id))
            changes.append(
                {
                    "object_id": row.id,
                    "at": item.asked_at,
                    "verdict": verdict,
                    "event_id": item.event_id,
                    "before": before,
                    "after": after,
                }
            )
    session.flush()
    bulk.insert(session, InventoryChange, changes)
    return verdicts


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
    if row.read_at is not None and row.read_at > item.asked_at:
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


def _facts(row: InventoryObject) -> dict[str, Any]:
    return {"name": row.name, "tenant_id": row.tenant_id, **row.attributes}


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {k: before[k] for k in changed if k in before}, {k: after[k] for k in changed if k in after}


def absent(session: Session, provider_id: int, kind: str, asked_at: datetime) -> list[ObjectRef]:
    """Objects of a kind that a full refresh, begun at ``asked_at``, did not meet and nobody has read since."""
    rows = session.scalars(
        select(InventoryObject.ref).where(
            InventoryObject.provider_id == provider_id,
            InventoryObject.kind == kind,
            InventoryObject.state != GONE,
            InventoryObject.read_at.is_not(None),
            InventoryObject.read_at < asked_at,
        )
    )
    return [ObjectRef(kind, ref) for ref in rows]
