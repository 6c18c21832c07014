"""Lists of what the ledger holds, filtered and bounded: events, inventory, effects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, literal, select, tuple_
from sqlalchemy.orm import Session

from tasks.ledger.effects import Effect
from tasks.ledger.events import FINISHED, PENDING, DeadLetter, Event, Place
from tasks.ledger.inventory import InventoryChange, InventoryObject, RefreshTarget
from tasks.ledger.labels import with_own
from tasks.ledger.lines import EffectLine, EventLine, ObjectDetail, ObjectLine
from tasks.ledger.patterns import fits, led_by
from tasks.ledger.providers import Provider
from tasks.ledger.selects import (
    change_lines,
    effect_lines,
    event_lines,
    read_changes,
    read_effects,
    read_events,
    refresh_line,
)
from tasks.model.event import INTERNAL

#: Changes of one object that are shown, newest first.
HISTORY = 200


def events(
    session: Session,
    *,
    provider: str | None = None,
    event_type: str | None = None,
    resource: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    stage: str | None = None,
    state: str | None = None,
    project: str | None = None,
    after_id: int | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> list[EventLine]:
    """Events for which all given filters hold, in the order in which they happened.

    ``provider`` is the one whose object an event concerns, or ``internal`` for raised events alone;
    ``event_type`` may have ``*`` and ``?``; ``resource`` is ``kind/id`` or an id; ``since`` is included and
    ``until`` is not; ``stage`` is what a pending event stands before, or where a dead one died. The list
    goes on after the event ``after_id``, in its own order.
    """
    query = event_lines().where(
        *_about(provider, event_type, resource, project, since, until, session), *_standing(session, state, stage)
    )
    place = tuple_(Event.occurred_at, Event.id)
    if after_id is not None:
        anchor = tuple_(select(Event.occurred_at).where(Event.id == after_id).scalar_subquery(), literal(after_id))
        query = query.where(place < anchor if newest_first else place > anchor)
    ends = (Event.occurred_at, Event.id)
    query = query.order_by(*((end.desc() for end in ends) if newest_first else ends)).limit(limit)
    return read_events(session, query)


def events_among(
    session: Session,
    ids: Sequence[int],
    *,
    provider: str | None = None,
    event_type: str | None = None,
    resource: str | None = None,
    project: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[EventLine]:
    """Those of the events ``ids`` for which all given filters of :func:`events` hold, by id."""
    query = event_lines().where(Event.id.in_(ids))
    query = query.where(*_about(provider, event_type, resource, project, since, until, session))
    return read_events(session, query.order_by(Event.id))


def _about(
    provider: str | None,
    event_type: str | None,
    resource: str | None,
    project: str | None,
    since: datetime | None,
    until: datetime | None,
    session: Session,
) -> list[ColumnElement[bool]]:
    """Conditions on what an event is: those that never change once it is converted."""
    found: list[ColumnElement[bool]] = []
    if provider == INTERNAL:
        found.append(Event.raised.is_(True))
    elif provider is not None:
        found.append(Event.provider_id == _provider_id(provider))
    if event_type is not None:
        found.append(fits(session, Event.event_type, event_type))
    if resource is not None:
        found.append(_concerns(session, resource))
    if project is not None:
        found.append(Event.tenant_id == project)
    if since is not None:
        found.append(Event.occurred_at >= since)
    if until is not None:
        found.append(Event.occurred_at < until)
    return found


def _provider_id(name: str) -> Any:
    return select(Provider.id).where(Provider.name == name).scalar_subquery()


def _concerns(session: Session, resource: str) -> ColumnElement[bool]:
    kind, slash, ref = resource.partition("/")
    if not slash:
        return Event.resource_id == resource
    # By the object's key in each provider, which is what the index has.
    names = session.scalars(select(Provider.name)).all()
    keys = [f"{name}/{kind}/{ref}" for name in names]
    return and_(Event.object_key.in_(keys), Event.resource_kind == kind, Event.resource_id == ref)


def _standing(session: Session, state: str | None, stage: str | None) -> list[ColumnElement[bool]]:
    """Conditions on where an event stands. The narrow tables lead, however many events are through."""
    if stage is None and state in (None, FINISHED):
        return [] if state is None else [Event.state == state]
    if state == FINISHED:
        # What is through stands nowhere.
        return [false()]
    places, letters = select(Place.event_id), select(DeadLetter.event_id)
    if stage is not None:
        places, letters = places.where(Place.stage == stage), letters.where(DeadLetter.stage == stage)
    if state is None:
        return [led_by(session, Event.id, places.union_all(letters))]
    return [Event.state == state, led_by(session, Event.id, places if state == PENDING else letters)]


def inventory(
    session: Session,
    *,
    provider: str | None = None,
    kind: str | None = None,
    state: str | None = None,
    project: str | None = None,
    name: str | None = None,
    limit: int = 200,
) -> list[ObjectLine]:
    """Inventory objects for which all given filters hold, by provider, kind and id.

    ``name`` may have ``*`` and ``?``; ``state`` is ``known``, ``stub`` or ``gone``.
    """
    query = _objects()
    if provider is not None:
        query = query.where(InventoryObject.provider_id == _provider_id(provider))
    for column, value in (
        (InventoryObject.kind, kind),
        (InventoryObject.state, state),
        (InventoryObject.tenant_id, project),
    ):
        if value is not None:
            query = query.where(column == value)
    if name is not None:
        query = query.where(fits(session, InventoryObject.name, name))
    ordered = query.order_by(InventoryObject.provider_id, InventoryObject.kind, InventoryObject.ref).limit(limit)
    return [ObjectLine(**_with_tags(row)) for row in session.execute(ordered)]


def _with_tags(row: Any) -> dict[str, Any]:
    shown = dict(row._mapping)
    return shown | {"attributes": with_own(shown["attributes"], shown.pop("own_tags"))}


def _objects() -> Select[Any]:
    taken = ("kind", "ref", "name", "state", "tenant_id", "seen_at", "read_at", "gone_at", "attributes", "own_tags")
    return (
        select(*(getattr(InventoryObject, column) for column in taken), Provider.name.label("provider"))
        .select_from(InventoryObject)
        .join(Provider, Provider.id == InventoryObject.provider_id)
    )


def inventory_object(session: Session, provider: str, kind: str, ref: str) -> ObjectDetail | None:
    """One object with its history, or None where Catchment has never heard of it."""
    query = _objects().where(Provider.name == provider, InventoryObject.kind == kind, InventoryObject.ref == ref)
    row = session.execute(query).first()
    if row is None:
        return None
    changes = (
        change_lines()
        .where(Provider.name == provider, InventoryObject.kind == kind, InventoryObject.ref == ref)
        .order_by(InventoryChange.id.desc())
        .limit(HISTORY)
    )
    target = session.execute(
        select(RefreshTarget)
        .join(Provider, Provider.id == RefreshTarget.provider_id)
        .where(Provider.name == provider, RefreshTarget.kind == kind, RefreshTarget.ref == ref)
    ).scalar()
    refresh = refresh_line(target, provider, target.event_id, target.wanted) if target is not None else None
    return ObjectDetail(**_with_tags(row), refresh=refresh, changes=read_changes(session, changes))


def effects(
    session: Session, *, state: str | None = None, event_id: int | None = None, limit: int = 100
) -> list[EffectLine]:
    """Effects, the newest first. ``state`` is ``asked``, ``done`` or ``dead``."""
    query = effect_lines()
    if state is not None:
        query = query.where(Effect.state == state)
    if event_id is not None:
        query = query.where(Effect.event_id == event_id)
    return read_effects(session, query.order_by(Effect.id.desc()).limit(limit))
