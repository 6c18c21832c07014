"""The objects that rules are asked about by the clock: those of inventory that were read, and the providers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Subquery, Text, cast, literal, null, select
from sqlalchemy.orm import Session

from tasks.ledger.inventory import KNOWN, InventoryObject
from tasks.ledger.providers import Provider
from tasks.model.event import INTERNAL, PROVIDER


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


def page(session: Session, kind: str, after: int, limit: int) -> Sequence[Any]:
    """The next objects of a kind whose row's id is higher, in that order."""
    found = known(kind)
    return session.execute(select(found).where(found.c.id > after).order_by(found.c.id).limit(limit)).all()
