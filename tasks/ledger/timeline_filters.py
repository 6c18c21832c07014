"""Which events a timeline is about, and how SQL files them (spec capture 7.1, 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, false, func, not_, or_, select
from sqlalchemy.orm import Session

from tasks.ledger.events import Event
from tasks.ledger.patterns import fits
from tasks.ledger.providers import Provider
from tasks.model.definitions import OWN
from tasks.model.event import CUSTOM_EVENT, INTERNAL
from tasks.model.result import DETAIL
from tasks.model.timeline import MANAGEMENT, POLICY, PROVIDER, listed_types, types_of

#: How the raw types of management events and of marks begin: they carry words of their own, and no policy event does.
MANAGED = f"{CUSTOM_EVENT}/"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The events of a timeline: all filters given must hold, and of each list one entry.

    ``since`` is included and ``until`` is not. ``provider`` is the one whose object an event concerns, or
    ``internal`` for raised events alone; ``resource`` is kind and id of an object. ``groups`` are words of
    :func:`tasks.model.timeline.groups`, ``result`` keeps the policy events that came to it.
    """

    since: datetime
    until: datetime
    provider: str | None = None
    project: str | None = None
    resource: tuple[str, str] | None = None
    source: str | None = None
    groups: Sequence[str] = ()
    levels: Sequence[str] = ()
    result: str | None = None
    event_type: str | None = None


def conditions(session: Session, wanted: Wanted) -> list[ColumnElement[bool]]:
    """What holds of the events that are wanted."""
    found = [Event.occurred_at >= wanted.since, Event.occurred_at < wanted.until]
    if wanted.provider is not None or wanted.resource is not None:
        ids = {row.name: row.id for row in session.execute(select(Provider.id, Provider.name))}
        found += _provider(session, wanted.provider, ids)
        found += [] if wanted.resource is None else [_concerns(wanted.resource, list(ids))]
    if wanted.project is not None:
        found.append(Event.tenant_id == wanted.project)
    if wanted.source is not None:
        found.append(_of_source(wanted.source))
    if wanted.groups:
        found.append(or_(*(_in_group(group) for group in wanted.groups)))
    if wanted.levels:
        found.append(level().in_(list(wanted.levels)))
    if wanted.result is not None:
        found += [_of_source(POLICY), level() == wanted.result]
    if wanted.event_type is not None:
        found.append(fits(session, Event.event_type, wanted.event_type))
    return found


def source() -> ColumnElement[str]:
    """SQL for where an event comes from."""
    return case((Event.raised.is_(False), PROVIDER), (_managed(), MANAGEMENT), else_=POLICY)


def word() -> ColumnElement[str]:
    """SQL for what its group is found by: a provider's own group, or the type of a raised event."""
    return case((Event.raised.is_(False), Event.group), (_managed(), MANAGEMENT), else_=Event.event_type)


def level() -> ColumnElement[str]:
    """SQL for its level: that of a provider's event, or what policies concluded."""
    return case((Event.raised.is_(False), Event.level), else_=func.coalesce(Event.result, DETAIL))


def _managed() -> ColumnElement[bool]:
    return Event.raw_event_type.startswith(MANAGED, autoescape=True)


def _of_source(name: str) -> ColumnElement[bool]:
    if name == PROVIDER:
        return Event.raised.is_(False)
    return and_(Event.raised.is_(True), _managed() if name == MANAGEMENT else not_(_managed()))


def _in_group(name: str) -> ColumnElement[bool]:
    own = and_(Event.raised.is_(False), Event.group == name)
    if name == MANAGEMENT:
        return or_(own, _of_source(MANAGEMENT))
    if name == OWN:
        return or_(own, and_(_of_source(POLICY), Event.event_type.not_in(sorted(listed_types()))))
    types = sorted(types_of(name))
    return or_(own, and_(_of_source(POLICY), Event.event_type.in_(types))) if types else own


def _provider(session: Session, name: str | None, ids: dict[str, int]) -> list[ColumnElement[bool]]:
    if name is None:
        return []
    if name == INTERNAL:
        return [Event.raised.is_(True)]
    if name not in ids:
        return [false()]
    # SQLite would take the index of the provider's messages, which knows no time, over that of time.
    column = Event.provider_id + 0 if session.get_bind().dialect.name == "sqlite" else Event.provider_id
    return [column == ids[name]]


def _concerns(resource: tuple[str, str], providers: Sequence[str]) -> ColumnElement[bool]:
    """Events of the object, and those raised about it; of a host, a zone and a project what happened in it, too."""
    kind, ref = resource
    # By the object's key in each provider, which is what the index has; Catchment's own objects have none.
    keys = [f"{name}/{kind}/{ref}" for name in (*providers, "")]
    own = and_(Event.object_key.in_(keys), Event.resource_kind == kind, Event.resource_id == ref)
    if kind == "host":
        return or_(own, Event.host == ref)
    if kind == "project":
        return or_(own, Event.tenant_id == ref)
    if kind == "availability_zone":
        return or_(own, Event.parents[kind].as_string() == ref)
    return own
