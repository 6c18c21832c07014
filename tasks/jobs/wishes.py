"""Writes what a handler wanted to have done, in one transaction with its end (docs/jobs.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from tasks.conveyor.telling import set_facts
from tasks.effects import by_hand
from tasks.jobs import deployed, moves
from tasks.jobs.model import PRIORITIES, event_name
from tasks.jobs.scene import bound
from tasks.ledger import bulk
from tasks.ledger.events import Event
from tasks.ledger.facts import FactRef, Write
from tasks.ledger.jobs import A_JOB, CALL_PENDING, JobCall, JobInstance, JobSubscription
from tasks.ledger.tally import Count
from tasks.model.catalogue import KINDS, RESOURCE
from tasks.model.errors import Permanent
from tasks.model.event import ObjectRef
from tasks.model.fact_types import BadValue
from tasks.site.settings import Settings

#: What one handler may want, of each kind, and what an instance may keep, in bytes of JSON.
MOST, KEPT_LIMIT = 1000, 256 * 1024
_SUBSCRIPTIONS = 100


class Unfit(Permanent):
    """A handler wanted what it may not have: it has failed, and nothing of it is done."""


def write(
    session: Session,
    settings: Settings,
    instance: JobInstance,
    call: JobCall,
    said: Mapping[str, Any],
    now: datetime,
    count: Count,
) -> set[int]:
    """Do all that a handler wanted; returns the lanes to ring for. Raises :class:`Unfit`."""
    lanes = _facts(session, settings, instance, _list(said, "facts"), now, count)
    _subscriptions(session, instance, _list(said, "subscriptions"), now)
    _calls(session, instance, call, _list(said, "calls"), now)
    lanes |= _operations(session, settings, instance, call, _list(said, "operations"), now)
    kept = said.get("kept")
    if not isinstance(kept, dict):
        raise Unfit("what the job keeps is no dictionary")
    instance.kept = _bounded(kept, "the job keeps")
    if said.get("result") is not None:
        instance.result = _bounded(said["result"], "the result has")
    return lanes


def _list(said: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = said.get(name, [])
    if not isinstance(found, list) or len(found) > MOST:
        raise Unfit(f"more than {MOST} {name} at once")
    return found


def _bounded(value: Any, what: str) -> Any:
    size = len(json.dumps(value).encode())
    if size > KEPT_LIMIT:
        raise Unfit(f"{what} {size} bytes, more than {KEPT_LIMIT}")
    return _clean(value)


def _clean(value: Any) -> Any:
    """Without what some databases do not hold: NUL, and halves of surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(inner) for key, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


def may_write(instance: JobInstance, name: str, ref: FactRef) -> bool:
    """Whether a job may set a fact: its policy names it, or it discovers the host that it runs on."""
    if instance.terms["discovery"] and ref.kind == RESOURCE and ref.id == instance.host:
        return True
    patterns = instance.terms["writes"]
    return any(name == p or (p.endswith("*") and name.startswith(p[:-1]) and len(name) >= len(p)) for p in patterns)


def object_of(instance: JobInstance, name: str, of: Any, host: str) -> FactRef:
    """The object that a fact is asked of or set on. Raises ``ValueError`` where none is meant."""
    kind = name.partition(".")[0] if isinstance(name, str) else ""
    if kind not in KINDS:
        raise ValueError(f"{str(name)[:80]!r} is no name of a fact: it begins with one of {', '.join(KINDS)}")
    if of is not None:
        return FactRef(kind, str(of)[:255])
    objects = {"resource": host, "matrix": "catchment", **bound(instance)}
    if kind not in objects:
        raise ValueError(f"the run is about no {kind}: say which one with of=")
    return FactRef(kind, objects[kind])


def _facts(
    session: Session, settings: Settings, instance: JobInstance, wanted: Sequence[Any], now: datetime, count: Count
) -> set[int]:
    writes: list[Write] = []
    for one in wanted:
        try:
            name, of, value = one
            ref = object_of(instance, name, of, instance.host or "")
        except (TypeError, ValueError) as mistake:
            raise Unfit(f"a fact cannot be set: {mistake}") from mistake
        if not may_write(instance, name, ref):
            raise Unfit(f"the job may not set {name}: its policy has to name it in job.facts")
        writes.append(Write(ref, name, value))
    try:
        return set_facts(session, settings, now, count, f"job {instance.job}", writes)[1]
    except BadValue as mistake:
        raise Unfit(str(mistake)) from mistake


def _subscriptions(session: Session, instance: JobInstance, wanted: Sequence[Any], now: datetime) -> None:
    for one in wanted:
        try:
            what, written, method = (str(part) for part in one)
        except (TypeError, ValueError) as mistake:
            raise Unfit("a subscription that cannot be understood") from mistake
        if method not in instance.terms["handlers"]:
            raise Unfit(f"a callback is a method of the job's class, and {method[:80]!r} is none")
        event = event_name(written)[:128]
        key = {"instance_id": instance.id, "word": event.upper(), "method": method}
        if what == "add":
            newest = session.scalar(select(func.max(Event.id))) or 0
            row = {**key, "event": event, "since": now, "after_event": newest}
            bulk.insert(session, JobSubscription, [row], conflict='("instance_id", "word", "method") DO NOTHING')
        else:
            _end(session, instance, key, now)
    total = select(func.count()).where(JobSubscription.instance_id == instance.id)
    if (session.scalar(total) or 0) > _SUBSCRIPTIONS:
        raise Unfit(f"more than {_SUBSCRIPTIONS} subscriptions")


def _end(session: Session, instance: JobInstance, key: Mapping[str, Any], now: datetime) -> None:
    """End a subscription, and what is queued for it."""
    same = [getattr(JobSubscription, name) == value for name, value in key.items()]
    ended = session.scalars(delete(JobSubscription).where(*same).returning(JobSubscription.id)).all()
    if ended:
        moves.drop_calls(session, instance.id, now, JobCall.subscription_id.in_(ended))


def _calls(session: Session, instance: JobInstance, call: JobCall, wanted: Sequence[Any], now: datetime) -> None:
    """Run other jobs. A handler that is tried again runs none of them twice."""
    for number, one in enumerate(wanted):
        name = str(one.get("job", "")) if isinstance(one, dict) else ""
        detail = deployed.definition(session, A_JOB, name)
        if detail is None:
            raise Unfit(f"no job is called {name[:80]!r}")
        given = one.get("args") or {}
        unknown = given.keys() - detail["arguments"].keys()
        if unknown:
            raise Unfit(f"the job {name} declares no argument {min(unknown)[:80]!r}")
        moves.create(
            session,
            now,
            f"call:{call.id}:{number}",
            name,
            detail,
            f"job {instance.job} {instance.id}",
            user=instance.user,
            priority=PRIORITIES[instance.priority],
            arguments=_bounded(given, "the arguments have"),
            parent_id=instance.id,
            agent=str(one["on"])[:200] if one.get("on") else None,
        )


def _operations(
    session: Session, settings: Settings, instance: JobInstance, call: JobCall, wanted: Sequence[Any], now: datetime
) -> set[int]:
    lanes: set[int] = set()
    for number, one in enumerate(wanted):
        kind, slash, ref = str(one.get("target", "")).partition("/")
        if not slash:
            raise Unfit("the object of an operation is written KIND/ID")
        lanes.add(
            by_hand.ask(
                session,
                settings,
                now,
                provider=str(one.get("provider")),
                target=ObjectRef(kind, ref),
                action=str(one.get("action")),
                params=one.get("params") or {},
                who=instance.user,
                rule=f"job:{instance.job}",
                message_id=f"job:{call.id}:{number}",
            )[1]
        )
    return lanes


def waits_for(session: Session, instance: JobInstance) -> bool:
    """Whether an instance is to go on after its handlers: it is subscribed, has called jobs, or is to be called."""
    subscribed = select(JobSubscription.id).where(JobSubscription.instance_id == instance.id)
    called = select(JobInstance.id).where(JobInstance.parent_id == instance.id, JobInstance.ended_at.is_(None))
    asked = select(JobCall.id).where(JobCall.instance_id == instance.id, JobCall.state == CALL_PENDING)
    return any(session.scalar(query.limit(1)) is not None for query in (subscribed, called, asked))
