"""Which aggregates a host and its servers belong to: told by the aggregates, kept with each of them.

A provider tells the hosts of an aggregate and not the aggregates of a server, which is what rules ask for. Hosts
and servers with the attribute ``aggregates`` have it filled in from the aggregates that inventory knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from tasks.ledger.inventory import KNOWN, InventoryObject
from tasks.refresh.seen import Change, Seen

AGGREGATES = "aggregates"
_KINDS = frozenset({"host", "server"})


def with_aggregates(session: Session, provider_id: int, seen: Sequence[Seen]) -> Sequence[Seen]:
    """What was seen, hosts and servers with the names of their aggregates."""
    if not any(s.ref.kind in _KINDS and s.reading is not None and AGGREGATES in s.reading.attributes for s in seen):
        return seen
    names = _names(session, provider_id)
    return [_with(item, names) for item in seen]


def _with(item: Seen, names: dict[str, list[str]]) -> Seen:
    reading = item.reading
    if reading is None or item.ref.kind not in _KINDS or AGGREGATES not in reading.attributes:
        return item
    host = item.ref.id if item.ref.kind == "host" else reading.attributes.get("host")
    attributes = {**reading.attributes, AGGREGATES: names.get(str(host), [])}
    return item._replace(reading=replace(reading, attributes=attributes))


def _names(session: Session, provider_id: int) -> dict[str, list[str]]:
    """By host, the names of its aggregates in order."""
    rows = session.execute(
        select(InventoryObject.name, InventoryObject.attributes).where(
            InventoryObject.provider_id == provider_id,
            InventoryObject.kind == "aggregate",
            InventoryObject.state == KNOWN,
        )
    )
    found: dict[str, list[str]] = {}
    for name, attributes in rows:
        for host in attributes.get("hosts") or ():
            found.setdefault(host, []).append(name or "")
    return {host: sorted(names) for host, names in found.items()}


def spread_aggregates(session: Session, provider_id: int, changes: Iterable[Change]) -> list[tuple[int, Change]]:
    """Bring hosts and servers in line with aggregates that have changed; returns what became of each of them."""
    found: list[tuple[int, Change]] = []
    for change in changes:
        if change.ref.kind == "aggregate":
            found += _spread(session, provider_id, change, _hosts(change))
    return found


def _hosts(change: Change) -> list[str]:
    """Hosts that were put in or taken out; all of its hosts where it has another name, or is gone or back."""
    before, after = set(change.before.get("hosts") or ()), set(change.after.get("hosts") or ())
    if change.verdict == "changed" and "name" not in change.before:
        return sorted(before ^ after)
    return sorted(before | after | set(change.facts.get("hosts") or ()))


def _spread(session: Session, provider_id: int, cause: Change, hosts: Sequence[str]) -> list[tuple[int, Change]]:
    if not hosts:
        return []
    names = _names(session, provider_id)
    theirs = InventoryObject.attributes["host"].as_string().in_(hosts)
    rows = session.scalars(
        select(InventoryObject)
        .where(
            InventoryObject.provider_id == provider_id,
            InventoryObject.state == KNOWN,
            or_(
                and_(InventoryObject.kind == "host", InventoryObject.ref.in_(hosts)),
                and_(InventoryObject.kind == "server", theirs),
            ),
        )
        .order_by(InventoryObject.id)
        .with_for_update()
    )
    return [(row.id, change) for row in rows if (change := _bring(row, names, cause)) is not None]


def _bring(row: InventoryObject, names: dict[str, list[str]], cause: Change) -> Change | None:
    host = row.ref if row.kind == "host" else str(row.attributes.get("host"))
    old: Any = row.attributes.get(AGGREGATES)
    new = names.get(host, [])
    if AGGREGATES not in row.attributes or old == new:
        return None
    row.attributes = {**row.attributes, AGGREGATES: new}
    ref = cause.ref._replace(kind=row.kind, id=row.ref)
    about = (cause.event_id, row.tenant_id, cause.at, row.attributes)
    return Change(ref, "changed", {AGGREGATES: old}, {AGGREGATES: new}, *about)
