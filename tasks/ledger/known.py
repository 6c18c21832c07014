"""The objects that rules are asked about by the clock: those of inventory that were read, and the providers."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Subquery, Text, cast, literal, null, select
from sqlalchemy.orm import Session

from tasks.ledger.contact import facts_of
from tasks.ledger.inventory import KNOWN, InventoryObject
from tasks.ledger.labels import with_own
from tasks.ledger.providers import Provider
from tasks.model.event import INTERNAL, PROVIDER, ObjectRef
from tasks.model.outcome import ObjectFacts


def known(kind: str) -> Subquery:
    """The objects of a kind: ``id`` (of the row), ``provider_id``, ``provider``, ``ref`` and ``tenant_id``."""
    if kind == PROVIDER:
        owner = (Provider.id, Provider.id.label("provider_id"), Provider.name.label("provider"))
        nobody = cast(null(), Text).label("tenant_id")
        return select(*owner, Provider.name.label("ref"), nobody).where(Provider.kind != INTERNAL).subquery()
    own = (InventoryObject.id, InventoryObject.provider_id, Provider.name.label("provider"))
    return (
        select(*own, InventoryObject.ref, InventoryObject.tenant_id)
        .join(Provider, Provider.id == InventoryObject.provider_id)
        .where(InventoryObject.kind == kind, InventoryObject.state == KNOWN)
        .subquery()
    )


def key_of(provider: ColumnElement[str], kind: str, ref: ColumnElement[str]) -> ColumnElement[str]:
    """SQL for :func:`tasks.model.event.object_key`."""
    return provider + literal(f"/{kind}/") + ref


class Known(NamedTuple):
    """One object: the id of its row, whose it is, and what rules see of it."""

    id: int
    provider_id: int
    provider: str
    facts: ObjectFacts


def page(session: Session, kind: str, after: int, limit: int) -> list[Known]:
    """The next objects of a kind whose row's id is higher, in that order."""
    found = known(kind)
    query = select(found.c.id, found.c.provider).where(found.c.id > after).order_by(found.c.id).limit(limit)
    owners = {row.id: row.provider for row in session.execute(query)}
    if kind == PROVIDER:
        providers = session.scalars(select(Provider).where(Provider.id.in_(owners)).order_by(Provider.id))
        return [Known(row.id, row.id, row.name, facts_of(row)) for row in providers]
    objects = session.scalars(
        select(InventoryObject).where(InventoryObject.id.in_(owners)).order_by(InventoryObject.id)
    )
    return [Known(row.id, row.provider_id, owners[row.id], _facts(row)) for row in objects]


def _facts(row: InventoryObject) -> ObjectFacts:
    ref = ObjectRef(row.kind, row.ref)
    return ObjectFacts(ref, row.state, row.name, row.tenant_id, row.read_at, with_own(row.attributes, row.own_tags))
