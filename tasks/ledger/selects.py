"""The statements behind the lists: which columns a line of each sort has, and where they come from.

A list narrows and orders the statement, then has it read.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, select
from sqlalchemy.orm import Session

from tasks.ledger.balance import GIVEN_UP, READ
from tasks.ledger.effects import ASKED, DEAD, Effect
from tasks.ledger.events import DeadLetter, Event, Place
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import InventoryChange, InventoryObject, RefreshTarget
from tasks.ledger.lines import ChangeLine, EffectLine, EventLine, IncidentLine, RefreshLine
from tasks.ledger.providers import Provider
from tasks.model import clock

_TAKEN = (
    "id", "raised", "parent_id", "depth", "event_type", "raw_event_type", "message_id", "state",
    "occurred_at", "caught_at", "finished_at", "late", "resource_kind", "resource_id", "tenant_id",
    "actor", "host", "phase",
    "group", "level", "request_id", "chain_id", "result",
)  # fmt: skip


def event_lines() -> Select[Any]:
    """The statement behind every list of events: to be narrowed, then given to :func:`read_events`."""
    name = and_(
        InventoryObject.provider_id == Event.provider_id,
        InventoryObject.kind == Event.resource_kind,
        InventoryObject.ref == Event.resource_id,
    )
    return (
        select(
            *(getattr(Event, column) for column in _TAKEN),
            Event.parents.label("found_parents"),
            Event.details.label("found_details"),
            Provider.name.label("provider"),
            func.coalesce(Place.stage, DeadLetter.stage).label("stage"),
            Place.due_at.label("due_at"),
            func.coalesce(Place.attempts, DeadLetter.attempts, 0).label("attempts"),
            DeadLetter.error.label("error"),
            InventoryObject.name.label("resource_name"),
        )
        .select_from(Event)
        .join(Provider, Provider.id == Event.provider_id)
        .outerjoin(Place, Place.event_id == Event.id)
        .outerjoin(DeadLetter, DeadLetter.event_id == Event.id)
        .outerjoin(InventoryObject, name)
    )


def read_events(session: Session, query: Select[Any]) -> list[EventLine]:
    """Run a statement made of :func:`event_lines`."""
    lines = []
    for row in session.execute(query):
        values = dict(row._mapping)
        parents, details = values.pop("found_parents") or {}, values.pop("found_details") or {}
        lines.append(EventLine(parents=parents, details=details, **values))
    return lines


def change_lines() -> Select[Any]:
    """The statement behind every list of changes."""
    taken = ("id", "at", "verdict", "event_id", "before", "after")
    return (
        select(
            *(getattr(InventoryChange, column) for column in taken),
            Provider.name.label("provider"),
            InventoryObject.kind,
            InventoryObject.ref,
            InventoryObject.name.label("name"),
            Event.event_type.label("event_type"),
        )
        .select_from(InventoryChange)
        .join(InventoryObject, InventoryObject.id == InventoryChange.object_id)
        .join(Provider, Provider.id == InventoryObject.provider_id)
        .outerjoin(Event, Event.id == InventoryChange.event_id)
    )


def read_changes(session: Session, query: Select[Any]) -> list[ChangeLine]:
    """Run a statement made of :func:`change_lines`."""
    return [ChangeLine(**row._mapping) for row in session.execute(query)]


def refresh_line(target: RefreshTarget, provider: str, event_id: int | None, generation: int) -> RefreshLine:
    """How the wish that made the target ``generation`` stands: a read that began later answers it."""
    leased = target.lease_until is not None and target.lease_until > clock.now()
    if target.read >= generation:
        state = "read"
    elif target.state == GIVEN_UP:
        state = "failed"
    else:
        state = "being read" if leased and target.state != READ else "owed"
    return RefreshLine(
        event_id,
        provider,
        target.kind,
        target.ref,
        state,
        target.due_at,
        target.attempts,
        target.read_at,
        target.error,
    )


def effect_lines() -> Select[Any]:
    """The statement behind every list of effects."""
    taken = (
        "id", "key", "event_id", "rule", "action", "params", "target_kind", "target_id", "site_version",
        "state", "asked_at", "due_at", "attempts", "ended_at", "error",
    )  # fmt: skip
    running = case((and_(Effect.state == ASKED, Effect.lease_until > clock.now()), True), else_=False)
    return (
        select(
            *(getattr(Effect, column) for column in taken),
            running.label("running"),
            Event.event_type.label("event_type"),
        )
        .select_from(Effect)
        .join(Event, Event.id == Effect.event_id)
    )


def read_effects(session: Session, query: Select[Any]) -> list[EffectLine]:
    """Run a statement made of :func:`effect_lines`."""
    return [EffectLine(**{**row._mapping, "running": bool(row.running)}) for row in session.execute(query)]


def incident_lines() -> Select[Any]:
    """The statement behind every list of incidents."""
    taken = (
        "id", "alert", "kind", "ref", "severity", "state", "summary", "event_id", "opened_at", "last_at",
        "count", "acknowledged_at", "acknowledged_by", "closed_at", "closed_by", "assigned_to", "notified_by",
    )  # fmt: skip
    about_object = and_(
        InventoryObject.provider_id == Incident.provider_id,
        InventoryObject.kind == Incident.kind,
        InventoryObject.ref == Incident.ref,
    )
    return (
        select(
            *(getattr(Incident, column) for column in taken),
            Provider.name.label("provider"),
            InventoryObject.name.label("name"),
            cannot_notify().label("cannot_notify"),
        )
        .select_from(Incident)
        .join(Provider, Provider.id == Incident.provider_id)
        .outerjoin(InventoryObject, about_object)
    )


def read_incidents(session: Session, query: Select[Any]) -> list[IncidentLine]:
    """Run a statement made of :func:`incident_lines`."""
    return [
        IncidentLine(**{**row._mapping, "cannot_notify": bool(row.cannot_notify)}) for row in session.execute(query)
    ]


def cannot_notify() -> ColumnElement[bool]:
    """That an effect of the incident's newest notification is dead; a probe by the event for each incident."""
    return exists().where(
        Effect.event_id == Incident.notified_by,
        Effect.rule == literal("alert:") + Incident.alert,
        Effect.state == DEAD,
    )
