"""Operations and their policies: what is asked for, whether it may happen, and the effect that it becomes.

The decision and the effect are written in one transaction with the event that announces the operation. One that
nobody could decide on does not happen (spec policy-alerts 2.9, W1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tasks.conveyor.advance import Failure
from tasks.conveyor.claim import Claimed
from tasks.conveyor.internal import About, raise_internal
from tasks.ledger import bulk, waiting
from tasks.ledger.effects import ASKED, DEAD, Effect
from tasks.ledger.operations import ALLOWED, DECIDING, PREVENTED, UNDECIDED, Operation
from tasks.ledger.tally import Count
from tasks.model.event import POLICY_EVENT
from tasks.model.outcome import Ask, Outcome
from tasks.site.contracts import Site
from tasks.site.settings import Settings

#: The stage at which policies are asked.
DECIDED_AT = "policy"
#: The event that announces an operation which has none of its own.
UNNAMED = "request_operation"


class Decided(NamedTuple):
    """What became of an operation."""

    state: str
    reason: str | None


def limits_of(wish: Ask) -> dict[str, Any] | None:
    """A rule's own limit as an effect carries it."""
    limit = wish.limit
    return None if limit is None else {"rule": limit.per_rule, "target": limit.per_target, "seconds": limit.seconds}


def row_of(event_id: int, wish: Ask, now: datetime, *, cause_id: int) -> dict[str, Any]:
    """The row of an operation; its effect gets its key from the event that asked for it."""
    assert wish.target is not None
    return {
        "event_id": event_id,
        "key": wish.key(cause_id),
        "rule": wish.rule,
        "action": wish.action,
        "params": wish.params,
        "target_kind": wish.target.kind,
        "target_id": wish.target.id,
        "after_key": wish.after.key(cause_id) if wish.after else None,
        "limits": limits_of(wish),
        "state": DECIDING,
        "asked_at": now,
    }


def request(
    session: Session, settings: Settings, now: datetime, count: Count, wish: Ask, about: About
) -> tuple[int, int]:
    """Ask for an operation by hand: raises the event that announces it; returns its id and the lane to ring for."""
    raised = raise_internal(session, settings, now, count, wish.guard or UNNAMED, about)
    bulk.insert(session, Operation, [row_of(raised[0], wish, now, cause_id=raised[0])])
    return raised


def decide(
    session: Session, site: Site, now: datetime, stage: str, done: Sequence[tuple[Claimed, Outcome]],
    dead: Sequence[Failure],
) -> list[int]:  # fmt: skip
    """Decide on the operations that these events announce; returns the effects that are due now.

    The events of a stage before the policies decide nothing unless they are dead.
    """
    decided = {f.claimed.event.id: Decided(UNDECIDED, str(f)) for f in dead if _announces(site, f.claimed)}
    if stage == DECIDED_AT:
        decided |= {c.event.id: _of(site, o) for c, o in done if o.again is None and _announces(site, c)}
    if not decided:
        return []
    return _write(session, site, now, decided)


def _announces(site: Site, claimed: Claimed) -> bool:
    event = claimed.event
    return event.namespace == POLICY_EVENT and site.definitions.preventable(event.event_type)


def _of(site: Site, outcome: Outcome) -> Decided:
    if outcome.prevented is not None:
        return Decided(PREVENTED, outcome.prevented)
    if outcome.undecided is not None and site.settings.actions.undecided == "prevent":
        return Decided(UNDECIDED, outcome.undecided)
    return Decided(ALLOWED, outcome.undecided)


def _write(session: Session, site: Site, now: datetime, decided: Mapping[int, Decided]) -> list[int]:
    found = select(Operation).where(Operation.event_id.in_(decided), Operation.state.in_((DECIDING, UNDECIDED)))
    effects: list[dict[str, Any]] = []
    for operation in session.scalars(found.order_by(Operation.event_id)):
        (state, reason), undecided = decided[operation.event_id], operation.state == UNDECIDED
        session.execute(
            update(Operation)
            .where(Operation.event_id == operation.event_id)
            .values(state=state, reason=reason, decided_at=now)
        )
        if state == ALLOWED:
            effects.append(_effect(session, site, operation, now))
            if undecided:
                # Its event is tried again, and with it what was given up.
                waiting.reopen(session, operation.key)
        else:
            waiting.abandon(session, operation.key, now, f"was {state}: {reason}")
    for effect in effects:
        if effect["state"] == DEAD:
            waiting.abandon(session, effect["key"], now)
    rows = bulk.insert(session, Effect, effects, conflict="DO NOTHING", returning=("id", "due_at", "state"))
    return [row.id for row in rows if row.state == ASKED and row.due_at <= now]


def _effect(session: Session, site: Site, operation: Operation, now: datetime) -> dict[str, Any]:
    """The effect of an operation; it lies on the desk where what comes before it was given up (2.7)."""
    over, failed = (True, None) if operation.after_key is None else waiting.before(session, operation.after_key)
    return {
        "key": operation.key,
        "event_id": operation.event_id,
        "rule": operation.rule,
        "action": operation.action,
        "params": operation.params,
        "target_kind": operation.target_kind,
        "target_id": operation.target_id,
        "site_version": site.version,
        "state": ASKED if failed is None else DEAD,
        "asked_at": now,
        "due_at": now if over else waiting.NEVER,
        "ended_at": None if failed is None else now,
        "error": None if failed is None else waiting.given_up(failed),
        "after_key": operation.after_key,
        "limits": operation.limits,
    }
