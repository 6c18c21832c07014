"""Tags that rules give to objects: Catchment's own, kept beside what the provider says and read together with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tasks.ledger.inventory import InventoryObject
from tasks.model.event import ObjectRef

#: Tags that one object may get from rules.
MOST = 100


def with_own(attributes: Mapping[str, Any], own: Sequence[str] | None) -> dict[str, Any]:
    """The attributes of an object with its own tags among ``tags``, and by themselves in ``own_tags``."""
    if not own:
        return dict(attributes)
    theirs = attributes.get("tags")
    listed = [tag for tag in theirs if isinstance(tag, str)] if isinstance(theirs, list | tuple) else []
    return {**attributes, "tags": list(dict.fromkeys([*listed, *own])), "own_tags": list(own)}


def kept(own: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> list[str]:
    """An object's own tags after some were given and some taken away."""
    return [tag for tag in dict.fromkeys([*own, *add]) if tag not in remove][:MOST]


def label(session: Session, provider_id: int, target: ObjectRef, add: Sequence[str], remove: Sequence[str]) -> None:
    """Give an object tags and take some away. The lane of the object is locked by whoever does it."""
    mine = (
        InventoryObject.provider_id == provider_id,
        InventoryObject.kind == target.kind,
        InventoryObject.ref == target.id,
    )
    own = session.scalar(select(InventoryObject.own_tags).where(*mine)) or []
    now = kept(own, add, remove)
    if now != own:
        session.execute(update(InventoryObject).where(*mine).values(own_tags=now or None))
