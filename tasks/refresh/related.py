"""Objects that a change says something of: read too, so that what hangs together is known alike (spec capture 5.3).

Events get lost, and one event may change two objects. Where a read finds that an object has another relation than
before, the object on its other side is read as well, unless it agrees already or was read since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import String, cast, select, tuple_
from sqlalchemy.orm import Session

from tasks.conveyor.wanted import EVERY, Wish, all_of, want
from tasks.ledger.inventory import GONE, KNOWN, InventoryObject
from tasks.model.event import ObjectRef
from tasks.refresh.seen import Change
from tasks.site.settings import Refresh


class Relation(NamedTuple):
    """That ``attribute`` of a kind names objects of the kind ``other``.

    ``back`` is the attribute by which the other side names this one. Without it the other side tells something of
    this one all the same, and is read when any of ``watched`` is another. An object on the other side that is not
    known is read for the first time, unless ``must`` says that the name may be of something else.
    """

    kind: str
    attribute: str
    other: str
    back: str | None = None
    watched: tuple[str, ...] = ()
    must: bool = True


#: Relations whose other side changes with them.
RELATIONS = (
    Relation("server", "volume_ids", "volume", "server_ids"),
    Relation("volume", "server_ids", "server", "volume_ids"),
    Relation("network", "subnet_ids", "subnet", "network_id"),
    Relation("subnet", "network_id", "network", "subnet_ids"),
    Relation("server", "host", "host", watched=("host", "vcpus", "memory_mb", "disk_gb")),
    # An Ironic node stands for its server's host; in all other clouds that name is no node's, and standalone Ironic
    # may keep there what nova has never heard of.
    Relation("node", "server_id", "server", "hypervisor_hostname", must=False),
    Relation("server", "hypervisor_hostname", "node", "server_id", must=False),
    Relation("port", "server_id", "server", watched=("server_id", "addresses")),
    Relation("floatingip", "server_id", "server", watched=("server_id", "address")),
)
#: Relations to objects that must be known at all.
_MUST_BE_KNOWN = (
    *((relation.kind, relation.attribute, relation.other) for relation in RELATIONS if relation.must),
    ("port", "network_id", "network"),
    ("snapshot", "volume_id", "volume"),
    ("backup", "volume_id", "volume"),
    ("server_group", "server_ids", "server"),
    ("aggregate", "hosts", "host"),
)
#: Kinds that name an object without a word from its side, and change when it goes.
_NAMED_BY = {"server": ("server_group",), "port": ("floatingip",)}
#: Kinds of which one change may change many: the list of the other kind is read, one request as a rule.
_LISTS = {("aggregate", "hosts"): "availability_zone", ("aggregate", "availability_zone"): "availability_zone"}


def follow(
    session: Session,
    provider_id: int,
    changes: Sequence[Change],
    kinds: Collection[str],
    now: datetime,
    settings: Refresh,
) -> bool:
    """Want what the changes say something of, as far as the reader has ``kinds``; returns whether that is anything."""
    wishes: dict[ObjectRef, int | None] = {}
    for change in changes:
        for ref in _touched(session, provider_id, change):
            if (ref.id if ref.kind == EVERY else ref.kind) in kinds:
                wishes.setdefault(ref, change.event_id)
    made = [Wish(provider_id, ref, event_id) for ref, event_id in wishes.items()]
    return want(session, made, now, settings.settle_seconds, settings.list_settle_seconds)


def _touched(session: Session, provider_id: int, change: Change) -> Iterator[ObjectRef]:
    changed = {**change.before, **change.after}.keys()
    for (kind, attribute), other in _LISTS.items():
        if change.ref.kind == kind and attribute in changed and _zoned(change):
            yield all_of(other)
    refs = {ref for relation in RELATIONS if relation.kind == change.ref.kind for ref in _sides(relation, change)}
    unknown = set(_must_be_known(change))
    present = _present(session, provider_id, refs | unknown)
    for relation in RELATIONS:
        if relation.kind == change.ref.kind:
            sides = sorted(_sides(relation, change) & present.keys())
            yield from (ref for ref in sides if _differs(relation, change, ref, present[ref]))
    yield from sorted(unknown - present.keys())
    if change.verdict == "gone":
        yield from _naming(session, provider_id, change.ref)


def _zoned(change: Change) -> bool:
    """Whether an aggregate makes a zone, or did."""
    return any(facts.get("availability_zone") for facts in (change.facts, change.before))


def _sides(relation: Relation, change: Change) -> set[ObjectRef]:
    """The objects on the other side that a change concerns."""
    if relation.back is None:
        watched = any(name in change.before or name in change.after for name in relation.watched)
        names = {*_names(change.before, relation.attribute), *_names(change.after, relation.attribute)}
        if watched and not names:
            names = set(_names(change.facts, relation.attribute))
        return {ObjectRef(relation.other, name) for name in names} if watched else set()
    before, after = set(_names(change.before, relation.attribute)), set(_names(change.after, relation.attribute))
    return {ObjectRef(relation.other, name) for name in before ^ after}


def _names(facts: Mapping[str, Any], attribute: str) -> list[str]:
    value = facts.get(attribute)
    return [value] if isinstance(value, str) else [v for v in value if isinstance(v, str)] if value else []


class _Known(NamedTuple):
    state: str
    read_at: datetime | None
    attributes: Mapping[str, Any]


def _present(session: Session, provider_id: int, refs: set[ObjectRef]) -> dict[ObjectRef, _Known]:
    if not refs:
        return {}
    row = InventoryObject
    rows = session.execute(
        select(row.kind, row.ref, row.state, row.read_at, row.attributes).where(
            row.provider_id == provider_id, tuple_(row.kind, row.ref).in_([tuple(ref) for ref in sorted(refs)])
        )
    )
    return {ObjectRef(kind, ref): _Known(*known) for kind, ref, *known in rows}


def _differs(relation: Relation, change: Change, ref: ObjectRef, other: _Known) -> bool:
    """Whether the other side may be wrong about this one."""
    if other.state == GONE:
        return False
    if relation.back is None:
        return other.read_at is None or other.read_at < change.at
    named = ref.id in _names(change.after, relation.attribute)
    return named != (change.ref.id in _names(other.attributes, relation.back))


def _must_be_known(change: Change) -> Iterator[ObjectRef]:
    for kind, attribute, other in _MUST_BE_KNOWN:
        if kind == change.ref.kind:
            yield from (ObjectRef(other, name) for name in _names(change.after, attribute))
    tenant = change.after.get("tenant_id")
    if isinstance(tenant, str) and change.ref.kind != "project":
        yield ObjectRef("project", tenant)


def _naming(session: Session, provider_id: int, ref: ObjectRef) -> list[ObjectRef]:
    """Objects that name one that is gone."""
    kinds = _NAMED_BY.get(ref.kind)
    if not kinds:
        return []
    row = InventoryObject
    quoted = ref.id.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows = session.execute(
        select(row.kind, row.ref).where(
            row.provider_id == provider_id,
            row.kind.in_(kinds),
            row.state == KNOWN,
            cast(row.attributes, String).like(f'%"{quoted}"%', escape="\\"),
        )
    )
    return [ObjectRef(kind, key) for kind, key in rows]
