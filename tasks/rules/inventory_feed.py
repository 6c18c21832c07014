"""What inventory knows as facts: hosts are VM hosts, storage is a repository (spec orchestrate 4.3, 8).

A provider that does not answer confirms nothing: its facts become too old by themselves (4.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tasks.conveyor.firing import Fired, builtin, fire, lanes
from tasks.conveyor.telling import set_facts
from tasks.ledger import facts
from tasks.ledger.facts import FactObject, FactRef, Subject, Write
from tasks.ledger.inventory import KNOWN, InventoryObject
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model.builtin_events import VMHOST_ADDED, VMHOST_REMOVED
from tasks.model.catalogue import INVENTORY, REPOSITORY, RESOURCE, VMHOST
from tasks.model.event import INTERNAL
from tasks.model.fact_types import plain
from tasks.site.settings import Settings

#: The kinds of inventory objects that have facts, and what they are then.
KINDS: Mapping[str, str] = {"host": VMHOST, "storage_pool": REPOSITORY}
#: A provider that was in contact within this confirms what inventory has of it.
CONTACT = timedelta(seconds=60)
#: Objects whose facts are written in one transaction.
PAGE = 500


class Held(NamedTuple):
    """An object of inventory, and what it is as an object with facts."""

    object: FactRef
    provider: str
    row: Any


def feed(ledger: Ledger, settings: Settings, now: datetime) -> set[int]:
    """Bring facts in line with inventory; returns the lanes to ring for."""
    with ledger.reading() as session:
        held, alive = _objects(session, now), _in_contact(session, now)
        servers = _servers(session)
        named = _resources(session)
        known = facts.subjects(session, kinds=set(KINDS.values()))
    rung = _forget(ledger, settings, now, known, {one.object for one in held})
    fresh = [one for one in held if one.row.provider_id in alive]
    for start in range(0, len(fresh), PAGE):
        page = fresh[start : start + PAGE]
        with ledger.transaction() as session:
            rung |= _write(session, settings, now, page, servers, named)
    return rung


def _objects(session: Session, now: datetime) -> list[Held]:
    rows = session.execute(
        select(InventoryObject, Provider.name)
        .join(Provider, Provider.id == InventoryObject.provider_id)
        .where(InventoryObject.kind.in_(KINDS), InventoryObject.state == KNOWN)
        .order_by(InventoryObject.id)
    )
    return [Held(FactRef(KINDS[row.kind], f"{name}/{row.ref}"), name, row) for row, name in rows]


def _in_contact(session: Session, now: datetime) -> set[int]:
    columns = (Provider.id, Provider.contact_at, Provider.listener_at)
    rows = session.execute(select(*columns).where(Provider.kind != INTERNAL))
    return {
        row.id
        for row in rows
        if any(moment is not None and now - moment <= CONTACT for moment in (row.contact_at, row.listener_at))
    }


def _servers(session: Session) -> dict[tuple[int, str], int]:
    """How many servers inventory has on each host; a provider without any is asked for its own figures."""
    host = InventoryObject.attributes["host"].as_string()
    query = (
        select(InventoryObject.provider_id, host.label("host"), func.count().label("servers"))
        .where(InventoryObject.kind == "server", InventoryObject.state == KNOWN)
        .group_by(InventoryObject.provider_id, host)
    )
    found: dict[tuple[int, str], int] = {}
    for row in session.execute(query):
        found[row.provider_id, ""] = found.get((row.provider_id, ""), 0) + row.servers
        if row.host:
            found[row.provider_id, row.host] = row.servers
    return found


def _resources(session: Session) -> dict[str, str]:
    """Resources by their host names, short and whole."""
    found: dict[str, str] = {}
    for subject in facts.subjects(session, kinds={RESOURCE}).values():
        name = subject.facts.get("resource.hostname")
        for word in (subject.object.id, str(name.value) if name is not None and name.value else ""):
            if word:
                found.setdefault(word.partition(".")[0], subject.object.id)
    return found


def _write(
    session: Session,
    settings: Settings,
    now: datetime,
    page: Sequence[Held],
    servers: Mapping[tuple[int, str], int],
    named: Mapping[str, str],
) -> set[int]:
    count = Count()
    writes: list[Write] = []
    for one in page:
        told = _vmhost(one, servers, named) if one.object.kind == VMHOST else _repository(one)
        writes += [Write(one.object, f"{one.object.kind}.{name}", value) for name, value in told.items()]
    changes, rung = set_facts(session, settings, now, count, INVENTORY, writes, whole=True)
    new = {change.object: change.object_id for change in changes if change.new}
    for one in page:
        if one.object in new:
            home = {"provider_id": one.row.provider_id, "object_kind": one.row.kind, "object_ref": one.row.ref}
            session.execute(update(FactObject).where(FactObject.id == new[one.object]).values(**home))
    added = [builtin(VMHOST_ADDED, ref) for ref in sorted(new) if ref.kind == VMHOST]
    rung |= lanes(fire(session, settings, now, count, added))
    count.write(session)
    return rung


def _vmhost(one: Held, servers: Mapping[tuple[int, str], int], named: Mapping[str, str]) -> dict[str, Any]:
    row, told = one.row, one.row.attributes
    counted = (row.provider_id, "") in servers
    machines = servers.get((row.provider_id, row.ref), 0) if counted else told.get("running_servers")
    online = told.get("state") == "up" if told.get("state") else None
    names = [name for name in (row.ref, told.get("hypervisor_hostname"), row.name) if isinstance(name, str)]
    return {
        "name": row.name or row.ref,
        "provider": one.provider,
        "type": "vmhost",
        "online": online,
        "health": online,
        "enabled": told["status"] == "enabled" if told.get("status") else None,
        "location": told.get("availability_zone"),
        "resource": next((found for name in names if (found := named.get(name.partition(".")[0]))), None),
        "vm.count": _whole(machines),
        "memory.total": _whole(told.get("memory_mb")),
        "memory.free": _rest(told.get("memory_mb"), told.get("memory_mb_used")),
        "memory.usedpercent": _share(told.get("memory_mb"), told.get("memory_mb_used")),
        "cpu.count": _whole(told.get("vcpus")),
        "cpu.used": _whole(told.get("vcpus_used")),
        "disk.total": _whole(told.get("disk_gb"), 1024),
        "disk.free": _whole(_rest(told.get("disk_gb"), told.get("disk_gb_used")), 1024),
    }


def _repository(one: Held) -> dict[str, Any]:
    told = one.row.attributes
    total, free = told.get("total_mb"), told.get("free_mb")
    used = total - free if _is_number(total) and _is_number(free) else None
    state = told.get("state")
    online = state in ("up", "available", "active") if state else None
    return {
        "name": one.row.name or one.row.ref,
        "provider": one.provider,
        "type": told.get("type"),
        "online": online,
        "health": online,
        "location": told.get("availability_zone"),
        "capacity": _whole(total),
        "freespace": _whole(free),
        "usedpercent": _share(total, used),
        "volumes.count": _whole(told.get("volumes")),
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any, times: int = 1) -> int | None:
    return round(value * times) if _is_number(value) else None


def _rest(whole: Any, used: Any) -> Any:
    return whole - used if _is_number(whole) and _is_number(used) else None


def _share(whole: Any, used: Any) -> float | None:
    return round(100 * used / whole, 1) if _is_number(whole) and _is_number(used) and whole > 0 else None


def _forget(
    ledger: Ledger, settings: Settings, now: datetime, known: Mapping[FactRef, Subject], held: Iterable[FactRef]
) -> set[int]:
    """Delete what inventory does not have any more; a VM host says farewell with its last facts."""
    gone = {ref: subject for ref, subject in known.items() if subject.provider_id is not None} if known else {}
    for ref in held:
        gone.pop(ref, None)
    if not gone:
        return set()
    farewells: list[Fired] = [
        builtin(VMHOST_REMOVED, ref, {"facts": {n: plain(v.value) for n, v in sorted(subject.facts.items())}})
        for ref, subject in sorted(gone.items())
        if ref.kind == VMHOST
    ]
    with ledger.transaction() as session:
        count = Count()
        raised = fire(session, settings, now, count, farewells)
        facts.forget(session, gone.keys())
        count.write(session)
    return lanes(raised)
