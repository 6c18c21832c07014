"""The effects ledger: take effects under a lease, renew it while they run, and write how each try went."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from tasks.ledger import bulk, waiting
from tasks.ledger.effects import ASKED, DEAD, DONE, Effect, EffectTry
from tasks.ledger.events import Event
from tasks.ledger.incidents import Incident, firing_key
from tasks.ledger.inventory import InventoryObject
from tasks.ledger.labels import with_own
from tasks.model.clock import rfc3339

#: What PostgreSQL refuses in a text.
_UNFIT = re.compile("[\x00\ud800-\udfff]")


class Taken(NamedTuple):
    """An effect under our lease, with what its action may know.

    ``attempt`` counts the tries since it was opened, by a decision or by an operator; ``number`` all of them.
    ``limits`` are those of its rule, as :class:`tasks.ledger.effects.Effect` has them.
    ``since`` is when the first of those that ``attempt`` counts began.
    """

    id: int
    key: str
    action: str
    params: Mapping[str, Any]
    attempt: int
    number: int
    event: Mapping[str, Any]
    target: Mapping[str, Any] | None
    since: datetime | None = None
    asked_by: str = ""
    limits: Mapping[str, Any] | None = None
    rule: Mapping[str, Any] = MappingProxyType({})


def take(session: Session, effect_id: int, worker: str, now: datetime, seconds: float) -> Taken | None:
    """Take one effect, or None where it is done, not due, or somebody tries it already."""
    moments = {"now": bulk.moment(session, now), "until": bulk.moment(session, now + timedelta(seconds=seconds))}
    row = session.execute(_TAKE, {"id": effect_id, "worker": worker, **moments}).one_or_none()
    if row is None:
        return None
    number = session.execute(_TRY, {"id": effect_id, "worker": worker, **moments}).scalar_one()
    about = session.execute(_ABOUT, {"id": effect_id, "first": number - row.attempts + 1}).one()
    target = None
    if row.target_kind and row.target_id:
        target = {"kind": row.target_kind, "id": row.target_id, **(_object(about) if about.object_state else {})}
    rule = _rule(session, row.rule, about.provider, row.target_kind, row.target_id)
    return Taken(
        effect_id, row.key, row.action, row.params, row.attempts, number, _event(about), target, about.since,
        row.rule, row.limits, rule,
    )  # fmt: skip


#: Written out, since putting them together took longer than running them.
_TAKE: Any = text(
    "UPDATE effect SET lease_owner = :worker, lease_until = :until, attempts = attempts + 1 "
    "WHERE id = :id AND state = 'asked' AND due_at <= :now AND (lease_until IS NULL OR lease_until <= :now) "
    "RETURNING key, action, params, attempts, target_kind, target_id, rule, limits"
).columns(params=Effect.__table__.c.params.type, limits=Effect.__table__.c.limits.type)
_TRY = text(
    "INSERT INTO effect_try (effect_id, attempt, worker, started_at) "
    "SELECT :id, coalesce(max(attempt), 0) + 1, :worker, :now FROM effect_try WHERE effect_id = :id RETURNING attempt"
)
_ABOUT: Any = text(
    """SELECT e.id, p.name AS provider, e.event_type, e.raw_event_type, e.message_id, e.occurred_at, e.resource_kind,
        e.resource_id, e.parents, e.details, e.tenant_id, e.actor, e.host, e."group", e.level, e.parent_id,
        o.state AS object_state, o.name AS object_name, o.tenant_id AS object_tenant, o.attributes AS attributes,
        o.own_tags AS own_tags,
        (SELECT t.started_at FROM effect_try t WHERE t.effect_id = f.id AND t.attempt = :first) AS since
    FROM effect f JOIN event e ON e.id = f.event_id JOIN provider p ON p.id = e.provider_id
    LEFT JOIN inventory o ON o.provider_id = e.provider_id AND o.kind = f.target_kind AND o.ref = f.target_id
    WHERE f.id = :id"""
).columns(
    occurred_at=Event.__table__.c.occurred_at.type,
    parents=Event.__table__.c.parents.type,
    details=Event.__table__.c.details.type,
    attributes=InventoryObject.__table__.c.attributes.type,
    own_tags=InventoryObject.__table__.c.own_tags.type,
    since=EffectTry.__table__.c.started_at.type,
)


def _rule(session: Session, rule: str, provider: str, kind: str | None, ref: str | None) -> dict[str, Any]:
    """Who asked: ``policy:NAME:true``, ``alert:NAME`` and ``script-action:FILE:SECTION`` are how effects know rules.

    All else are methods.
    """
    word, _, rest = rule.partition(":")
    if word == "script-action":
        return {"kind": word, "name": rest, "severity": None, "summary": None}
    if word not in ("policy", "alert"):
        return {"kind": "method", "name": rule, "severity": None, "summary": None}
    name = rest if word == "alert" else rest.rpartition(":")[0] or rest
    told: dict[str, Any] = {"kind": word, "name": name, "severity": None, "summary": None}
    if word == "alert" and kind and ref:
        key = firing_key(name, provider, kind, ref)
        found = session.execute(select(Incident.severity, Incident.summary).where(Incident.open_key == key)).first()
        if found is not None:
            told |= {"severity": found.severity, "summary": found.summary}
    return told


def _object(row: Any) -> dict[str, Any]:
    return {
        "name": row.object_name,
        "tenant_id": row.object_tenant,
        "state": row.object_state,
        "attributes": with_own(row.attributes, row.own_tags),
    }


def _event(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "provider": row.provider,
        "event_type": row.event_type,
        "raw_event_type": row.raw_event_type,
        "message_id": row.message_id,
        "occurred_at": rfc3339(row.occurred_at),
        "resource_kind": row.resource_kind,
        "resource_id": row.resource_id,
        "parents": row.parents or {},
        "details": row.details or {},
        "tenant_id": row.tenant_id,
        "actor": row.actor,
        "host": row.host,
        "group": row.group,
        "level": row.level,
        "cause": row.parent_id,
    }


def renew(session: Session, effect_id: int, worker: str, attempt: int, now: datetime, seconds: float) -> bool:
    """Prolong the lease; False where it is no longer ours."""
    rows = session.execute(
        update(Effect)
        .where(Effect.id == effect_id, Effect.lease_owner == worker, Effect.attempts == attempt, Effect.state == ASKED)
        .values(lease_until=now + timedelta(seconds=seconds))
        .returning(Effect.id)
    )
    return rows.one_or_none() is not None


class Verdict(NamedTuple):
    """How a try went: ``done``, ``again`` (with the time of the next try) or ``dead``."""

    word: str
    summary: str
    detail: Mapping[str, Any] | None = None
    due_at: datetime | None = None


def finish(session: Session, taken: Taken, worker: str, verdict: Verdict, now: datetime) -> bool:
    """Write how a try went. A worker whose lease was lost writes its try and changes nothing else."""
    values: dict[str, Any] = {"lease_owner": None, "lease_until": None}
    summary = _UNFIT.sub("\ufffd", verdict.summary)
    if verdict.word == "done":
        values |= {"state": DONE, "ended_at": now, "error": None}
    elif verdict.word == "dead":
        values |= {"state": DEAD, "ended_at": now, "error": summary}
    else:
        values |= {"due_at": verdict.due_at, "error": summary}
    rows: Sequence[Any] = session.execute(
        update(Effect)
        .where(
            Effect.id == taken.id, Effect.lease_owner == worker, Effect.attempts == taken.attempt, Effect.state == ASKED
        )
        .values(**values)
        .returning(Effect.key)
    ).all()
    for row in rows:
        if verdict.word == "done":
            waiting.release(session, row.key, now)
        elif verdict.word == "dead":
            waiting.abandon(session, row.key, now)
    session.execute(
        update(EffectTry)
        .where(EffectTry.effect_id == taken.id, EffectTry.attempt == taken.number)
        .values(
            ended_at=now,
            verdict=verdict.word,
            summary=summary[:1000],
            detail=_plain(verdict.detail) if verdict.detail else None,
        )
    )
    return bool(rows)


def _plain(detail: object) -> dict[str, Any]:
    """What is worth keeping, as any action made it, as JSON: an effect whose try cannot be written is done again."""
    try:
        written = _UNFIT.sub("\ufffd", json.dumps(detail, ensure_ascii=False, default=str, skipkeys=True))
    except (ValueError, RecursionError):
        written = json.dumps(f"a {type(detail).__name__} that cannot be written as JSON")
    kept = json.loads(written, parse_constant=str)
    return kept if isinstance(kept, dict) else {"detail": kept}
