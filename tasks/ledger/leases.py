"""Leases, projects and nodes by what tenants call them: from inventory, and from the newest message of a lease."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from tasks.ledger.esi import EsiEvent
from tasks.ledger.events import Notification
from tasks.ledger.inventory import STUB, InventoryObject
from tasks.ledger.providers import Provider
from tasks.model.leases import FIELDS

_KIND = "esi_leap"
#: So many leases of one name are looked at, and so many messages of one lease.
_NAMESAKES, _MESSAGES = 50, 20
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def leases(session: Session, ident: str, project: str | None) -> list[dict[str, Any]]:
    """The leases of this id or name that a project may see, as lessee or as owner (None: all of them).

    What inventory has not read yet is told from the newest message about it. More than one have the same name.
    """
    rows = session.scalars(
        _objects("lease").where(or_(InventoryObject.ref == ident, InventoryObject.name == ident)).limit(_NAMESAKES)
    ).all()
    found = [_shown(row.ref, row.attributes) for row in rows]
    if not found:
        found = _told(session, ident)
    return [lease for lease in found if project is None or project in (lease["project_id"], lease["owner_id"])]


def project_named(session: Session, ident: str) -> str | None:
    """The id of a project: itself where it looks like one or has events, else by its name in inventory."""
    if _ID.fullmatch(ident):
        return ident
    mine = or_(EsiEvent.lessee_id == ident, EsiEvent.owner_id == ident)
    if session.scalars(select(EsiEvent.event_id).where(mine).limit(1)).first() is not None:
        return ident
    query = select(InventoryObject.ref).where(InventoryObject.kind == "project", InventoryObject.name == ident)
    found = session.scalars(query.distinct().limit(2)).all()
    return found[0] if len(found) == 1 else None


def node_named(session: Session, ident: str) -> str | None:
    """The id of the node that has this name; None where none has, or several."""
    found: Sequence[InventoryObject] = session.scalars(
        _objects("node").where(InventoryObject.name == ident).limit(2)
    ).all()
    return found[0].ref if len(found) == 1 else None


def _objects(kind: str) -> Any:
    return (
        select(InventoryObject)
        .join(Provider, Provider.id == InventoryObject.provider_id)
        .where(Provider.kind == _KIND, InventoryObject.kind == kind, InventoryObject.state != STUB)
        .order_by(InventoryObject.id)
    )


def _told(session: Session, ident: str) -> list[dict[str, Any]]:
    """A lease from the newest message about it that has its fields, or the little that the newest record says."""
    rows = session.execute(
        select(EsiEvent, Notification.content)
        .join(Notification, EsiEvent.event_id == Notification.event_id)
        .where(EsiEvent.object_uuid == ident, EsiEvent.object_type == "lease")
        .order_by(EsiEvent.event_id.desc())
        .limit(_MESSAGES)
    ).all()
    for _, content in rows:
        payload = json.loads(content).get("payload")
        if isinstance(payload, dict) and payload.get("uuid") == ident:
            return [_shown(ident, {**payload, "resource": payload.get("node_name")})]
    return [_recorded(ident, rows[0][0])] if rows else []


def _recorded(ident: str, record: EsiEvent) -> dict[str, Any]:
    known = {"project_id": record.lessee_id, "owner_id": record.owner_id}
    return _shown(ident, {**known, "resource_type": record.resource_type, "resource_uuid": record.resource_uuid})


def _shown(ref: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    lease = {name: attributes.get(name) for name in FIELDS}
    for name, value in lease.items():
        if name.endswith("_time") and isinstance(value, str):
            # Messages write a zone there, and the API does not.
            lease[name] = value.removesuffix("Z")
    return {**lease, "uuid": ref}
