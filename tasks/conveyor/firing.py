"""Tell of events that schedules, jobs, policies and alerts wait for (spec orchestrate 7): the one way out of all rooms.

A notification is an event of the ledger under the provider ``internal`` or that of its object, with the words of 7.1.
It stands in the transaction of what it tells of, so that neither is there without the other.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from tasks.conveyor.internal import NORMAL, About, Raising, raise_once
from tasks.ledger.facts import FactObject, FactRef
from tasks.ledger.providers import Provider
from tasks.ledger.rules import STORM, count_told
from tasks.ledger.tally import Count
from tasks.model.builtin_events import BUILTINS, VMHOST_NOT_AVAILABLE
from tasks.model.clock import rfc3339
from tasks.model.event import BUILTIN_SOURCE, INTERNAL, RULE, RULE_SOURCE, ObjectRef, raw_type_of
from tasks.site.settings import Settings

log = structlog.get_logger(__name__)

#: The kinds of notifications by their sources (7.1).
_KINDS = {"Rule": "rule", "Builtin": "builtin", "External": "external", "Timer": "timer"}
_LEVELS = {"info": "detail", "warning": "warning", "error": "critical"}


@dataclass(frozen=True, slots=True)
class Fired:
    """One notification to be told.

    ``context`` is what a job gets as ``jobargs.context``; all that is more goes into ``more``. ``about`` is the one
    object that policies and alerts look at; without one it is the rule or event itself. ``cause`` are the facts that
    decided. One with an ``identity`` is told once, however often it is asked for.
    """

    name: str
    source: str
    context: Mapping[str, Any]
    objects: Sequence[FactRef] = ()
    about: FactRef | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    cause: Mapping[str, Any] = field(default_factory=dict)
    severity: str = "info"
    identity: str | None = None
    cause_id: int | None = None
    depth: int = 0


def builtin(
    name: str,
    object: FactRef | None = None,
    more: Mapping[str, Any] | None = None,
    *,
    identity: str | None = None,
    severity: str = "info",
) -> Fired:
    """A built-in event; its context names its object, and nothing else (8). Raises ``KeyError`` for an unknown name."""
    known = BUILTINS[name]
    context = {object.kind: object.id} if object is not None else {}
    objects = [object] if object is not None else []
    return Fired(known.name, BUILTIN_SOURCE, context, objects, object, more or {}, severity=severity, identity=identity)


def no_vmhost(asker: FactRef, request: str) -> Fired:
    """That a placement found no VM host: once for each request, however often it is tried again (8)."""
    return builtin(VMHOST_NOT_AVAILABLE, asker, {"request": request}, identity=f"{VMHOST_NOT_AVAILABLE}:{request}")


def fire(session: Session, settings: Settings, now: datetime, count: Count, fired: Sequence[Fired]) -> list[Raising]:
    """Store notifications, due at once; returns those that are new, with the lanes to ring for.

    More than a hundred of one name in a minute are a storm (7.3): the surplus is stored and goes no way.
    """
    homes = _homes(session, {one.about for one in fired if one.about is not None})
    internal = count.internal(session, now) if fired else 0
    raised: list[Raising] = []
    groups: dict[tuple[str, str], list[Fired]] = {}
    for one in fired:
        groups.setdefault((one.name, one.source), []).append(one)
    # Counted in the order of the names, so that two that tell never wait for each other in a circle.
    before = {group: count_told(session, group[0], now, len(groups[group])) for group in sorted(groups)}
    for group, members in groups.items():
        told = before[group]
        if told <= STORM < told + len(members):
            log.warning("EVENT_STORM", name=group[0], told=STORM, minute=rfc3339(now)[:16])
        # They are stored in the order of their identities.
        numbers = sorted(str(_uuid7(now)) for _ in members)
        wanted = [
            _about(one, homes, internal, now, number, suppressed=told + n > STORM)
            for n, (one, number) in enumerate(zip(members, numbers, strict=True), 1)
        ]
        raised += raise_once(session, settings, now, count, group[0], wanted, NORMAL)
    return raised


def lanes(raised: Sequence[Raising]) -> set[int]:
    """The lanes to ring for."""
    return {one.lane for one in raised}


def _homes(session: Session, objects: set[FactRef]) -> dict[FactRef, tuple[int, str, ObjectRef]]:
    """Where inventory has the objects: provider, its name, and the object there."""
    if not objects:
        return {}
    rows = session.execute(
        select(FactObject, Provider.name)
        .join(Provider, Provider.id == FactObject.provider_id)
        .where(FactObject.kind.in_({o.kind for o in objects}), FactObject.ref.in_({o.id for o in objects}))
    )
    return {
        FactRef(row.kind, row.ref): (row.provider_id, name, ObjectRef(row.object_kind, row.object_ref))
        for row, name in rows
        if row.provider_id is not None and row.object_kind and row.object_ref
    }


def _about(
    one: Fired,
    homes: Mapping[FactRef, tuple[int, str, ObjectRef]],
    internal: int,
    now: datetime,
    number: str,
    *,
    suppressed: bool,
) -> About:
    provider_id, provider, target = internal, INTERNAL, ObjectRef(RULE, one.name)
    if one.about is not None:
        provider_id, provider, target = homes.get(one.about, (internal, INTERNAL, ObjectRef(*one.about)))
    return About(
        provider_id,
        target,
        provider,
        cause_id=one.cause_id,
        depth=one.depth,
        group="rule" if one.source == RULE_SOURCE else "orchestration",
        message_id=one.identity or f"{one.source}:{number}",
        detail=raw_type_of(one.source, one.name),
        level=_LEVELS.get(one.severity, "detail"),
        words={"event_type": one.name, "payload": _payload(one, number, now, suppressed)},
        kept=suppressed,
    )


def _payload(one: Fired, number: str, now: datetime, suppressed: bool) -> dict[str, Any]:
    """The record of a notification (7.1). Its ``seq`` is the id of the event."""
    record: dict[str, Any] = {
        "id": number,
        "name": one.name,
        "kind": _KINDS[one.source],
        "time": rfc3339(now),
        "context": dict(one.context),
        "objects": [{"type": ref.kind, "id": ref.id} for ref in one.objects],
        "event": dict(one.more),
        "cause": dict(one.cause),
        "severity": one.severity,
    }
    return {**record, "suppressed": True} if suppressed else record


def _uuid7(now: datetime) -> uuid.UUID:
    """An identity that sorts by time (RFC 9562, version 7)."""
    moment = int(now.timestamp() * 1000) & (2**48 - 1)
    spread = secrets.randbits(74)
    return uuid.UUID(int=moment << 80 | 0x7 << 76 | (spread >> 62) << 64 | 0b10 << 62 | (spread & (2**62 - 1)))
