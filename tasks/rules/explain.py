"""Why a rule event stands as it does on an object (spec orchestrate 5.5): every constraint with what it saw."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from tasks.constraints.nodes import Group, Step, Trace
from tasks.constraints.paths import Scope
from tasks.ledger import fact_changes, rules
from tasks.ledger.facts import FactRef
from tasks.model.errors import Permanent
from tasks.rules.definition import RuleEvent
from tasks.rules.passes import NOTHING
from tasks.rules.snapshot import Snapshot, around

#: Outcomes as people read them.
WORDS = {True: "true", False: "false", None: "nothing"}


def explain(
    session: Session, rule: RuleEvent, key: str, now: datetime, disable: Collection[str] = ()
) -> dict[str, Any]:
    """The rule's sections on one object, judged now, and how it stands; nothing is changed by it.

    ``key`` is the object's id, empty for a context of fixed objects alone. ``disable`` are paths of constraints that
    are taken to hold. Raises :class:`tasks.model.errors.Permanent` for an object that there is not.
    """
    kind = rule.context.iterated
    ids: list[int] = []
    if kind is not None:
        found = fact_changes.rows_of(session, {FactRef(kind, key)})
        if not found:
            raise Permanent(f"there is no {kind} {key!r}: `catchment facts` lists the objects that there are")
        ids = list(found.values())
    elif key != NOTHING:
        raise Permanent(f"{rule.name} is about fixed objects alone: leave the object out")
    snapshot = around(session, ids, [FactRef(*fixed) for fixed in rule.context.fixed])
    rows = rules.states(session, [rule.name], [key])
    state = rows[0] if rows and rows[0].definition == rule.definition else None
    return {
        "rule": rule.name,
        "object": f"{kind}/{key}" if kind else None,
        "state": state.state if state else rules.ARMED,
        "since": state.since.isoformat() if state else None,
        "fired": state.fired if state else 0,
        "deadline": state.deadline.isoformat() if state and state.deadline else None,
        "trigger": judged(rule, rule.trigger, key, snapshot, now, disable),
        "reset": judged(rule, rule.reset, key, snapshot, now, disable) if rule.reset else None,
    }


def judged(
    rule: RuleEvent, section: Group, key: str, snapshot: Snapshot, now: datetime, disable: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Every constraint of a section in document order, with its outcome and what it looked at."""
    trace = Trace(disabled=disable)
    section.judge(Scope(rule.context.bound(key), snapshot, now), trace)
    return [_plain(step) for step in trace.steps]


def _plain(step: Step) -> dict[str, Any]:
    found = asdict(step)
    return {**found, "outcome": WORDS[step.outcome]}
