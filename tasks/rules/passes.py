"""One pass over rule events and objects (spec orchestrate 6): judge, move on, tell; written in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, tuple_
from sqlalchemy.orm import Session

from tasks.constraints.paths import Scope
from tasks.conveyor.firing import Fired
from tasks.ledger import bulk, rules
from tasks.ledger.facts import FactRef
from tasks.ledger.rules import ARMED, RuleState
from tasks.model.builtin_events import RESET_SUFFIX
from tasks.model.event import RULE_SOURCE
from tasks.model.fact_types import plain
from tasks.rules.definition import ARM, EACH, RuleEvent
from tasks.rules.machine import State, deadline, step
from tasks.rules.snapshot import Snapshot, in_group

#: The key of the one evaluation of a context that iterates over nothing.
NOTHING = ""


@dataclass(slots=True)
class Passed:
    """What a pass came to: notifications to tell, rows to write, and how many evaluations there were."""

    fired: list[Fired] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    gone: list[tuple[str, str]] = field(default_factory=list)
    judged: int = 0


class States:
    """How rules stood before the pass."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = {(row.event, row.key): row for row in rows}

    def of(self, rule: RuleEvent, key: str) -> tuple[State | None, Any]:
        """The state on an object, and its row. A row of another definition or an armed one without row is None."""
        row = self._rows.get((rule.name, key))
        if row is None or row.definition != rule.definition:
            return None, row
        return State(row.state, row.since, row.fired_at, row.hold_since, row.fired), row


def keys(rule: RuleEvent, snapshot: Snapshot, now: datetime, only: Collection[str] | None = None) -> list[str]:
    """The keys of a rule's evaluations, by id; ``only`` narrows them."""
    kind = rule.context.iterated
    if kind is None:
        return [NOTHING]
    found = snapshot.of_kind(kind)
    if only is not None:
        found = [subject for subject in found if subject.object.id in only]
    if rule.context.group is not None:
        found = [subject for subject in found if in_group(subject, rule.context.group, now)]
    return [subject.object.id for subject in found]


def judge(
    rule: RuleEvent,
    snapshot: Snapshot,
    states: States,
    now: datetime,
    passed: Passed,
    only: Collection[str] | None = None,
) -> None:
    """Ask one rule about its objects, and add what comes of it."""
    fired: list[str] = []
    reset: list[str] = []
    for key in keys(rule, snapshot, now, only):
        state, row = states.of(rule, key)
        scope = Scope(rule.context.bound(key), snapshot, now)
        passed.judged += 1
        move = step(
            rule.timing,
            rule.initial,
            state,
            now,
            lambda scope=scope: rule.trigger.judge(scope) is True,  # type: ignore[misc]  # bound at once
            lambda scope=scope: rule.reset is not None and rule.reset.judge(scope) is True,  # type: ignore[misc]  # as above
        )
        if move.fires:
            fired.append(key)
        if move.resets:
            reset.append(key)
        _keep(rule, key, snapshot, state, row, move.state, now, passed)
    passed.fired += _told(rule, rule.name, fired, snapshot, now)
    if rule.notify_reset:
        passed.fired += _told(rule, rule.name + RESET_SUFFIX, reset, snapshot, now)


def _keep(
    rule: RuleEvent,
    key: str,
    snapshot: Snapshot,
    before: State | None,
    row: Any,
    after: State,
    now: datetime,
    passed: Passed,
) -> None:
    """Write a state that is another one than before; one that says nothing needs no row."""
    due = deadline(rule.timing, after, now)
    if after.word == ARMED and not after.fired and rule.initial != ARM:
        if row is not None:
            passed.gone.append((rule.name, key))
        return
    if after == before and row is not None and row.deadline == due:
        return
    subject = snapshot.subject(rule.context.iterated, key) if rule.context.iterated else None
    passed.rows.append(
        {
            "event": rule.name,
            "key": key,
            "object_id": subject.id if subject is not None else None,
            "state": after.word,
            "since": after.since,
            "fired_at": after.fired_at,
            "hold_since": after.hold_since,
            "fired": after.fired,
            "definition": rule.definition,
            "deadline": due,
        }
    )


def _told(rule: RuleEvent, name: str, found: Sequence[str], snapshot: Snapshot, now: datetime) -> list[Fired]:
    """One notification for all objects of the pass, or one for each (7.2)."""
    if not found:
        return []
    kind = rule.context.iterated
    fixed = dict(rule.context.fixed)
    if kind is None:
        return [_notification(rule, name, fixed, [NOTHING], None, snapshot, now)]
    if rule.notify == EACH:
        return [
            _notification(rule, name, {kind: key, **fixed}, [key], FactRef(kind, key), snapshot, now) for key in found
        ]
    return [_notification(rule, name, {kind: list(found), **fixed}, found, None, snapshot, now)]


def _notification(
    rule: RuleEvent,
    name: str,
    context: Mapping[str, Any],
    found: Sequence[str],
    about: FactRef | None,
    snapshot: Snapshot,
    now: datetime,
) -> Fired:
    kind = rule.context.iterated
    objects = [FactRef(kind, key) for key in found if kind is not None]
    objects += [FactRef(other, ref) for other, ref in rule.context.fixed]
    cause = {key or rule.name: _facts(rule, key, snapshot, now) for key in found}
    return Fired(name, RULE_SOURCE, context, objects, about, {}, cause, rule.severity)


def _facts(rule: RuleEvent, key: str, snapshot: Snapshot, now: datetime) -> dict[str, Any]:
    """The facts that a rule looked at, as they were."""
    scope = Scope(rule.context.bound(key), snapshot, now)
    return {path.name: plain(found.value) if (found := scope.get(path)) else None for path in rule.triggering}


_COLUMNS = ("object_id", "state", "since", "fired_at", "hold_since", "fired", "definition", "deadline")
_SET = ", ".join(f'"{name}" = excluded."{name}"' for name in _COLUMNS)


def store(session: Session, passed: Passed) -> None:
    """Write how rules stand now."""
    bulk.insert(session, RuleState, passed.rows, conflict=f'("event", "key") DO UPDATE SET {_SET}')
    if passed.gone:
        session.execute(delete(RuleState).where(tuple_(RuleState.event, RuleState.key).in_(passed.gone)))


def known_states(session: Session, chosen: Sequence[RuleEvent], keys: Collection[str] | None = None) -> States:
    """How these rules stand, on all objects or on some."""
    return States(rules.states(session, [rule.name for rule in chosen], keys))
