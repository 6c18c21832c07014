"""Ask rule events about what has changed, what is due by time, and in turn about everything (orchestrate 6.4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks.conveyor.firing import fire, lanes
from tasks.conveyor.sweep import mark
from tasks.ledger import fact_changes, rules
from tasks.ledger.facts import FactObject, FactRef
from tasks.ledger.providers import Mark
from tasks.ledger.session import RULES_LOCK, Ledger, try_lock
from tasks.ledger.tally import Count
from tasks.rules.affected import Wanted, affected
from tasks.rules.definition import RuleEvent, RuleSet
from tasks.rules.passes import Passed, judge, known_states, store
from tasks.rules.snapshot import Snapshot, around, whole
from tasks.site.settings import Settings

#: Changes, and states that are due, that one pass takes.
PAGE = 5000
#: Changes that a sweep takes away: what they led to is seen by it.
MOST_SEEN = 100_000
#: Evaluations of a sweep in one transaction, about, so that nobody waits long for it.
A_TRANSACTION = 10_000
#: The mark of the last sweep.
SWEEP = "rules sweep"
_OBJECTS = select(FactObject.kind, func.count()).group_by(FactObject.kind)


def active(ruleset: RuleSet, switched: dict[str, bool]) -> list[RuleEvent]:
    """The rule events that are asked: a switch stands above what the file says."""
    return [rule for rule in ruleset.rules if switched.get(rule.name, rule.enabled)]


def ask_changed(ledger: Ledger, settings: Settings, ruleset: RuleSet, now: datetime) -> tuple[int, set[int]]:
    """Ask about changed facts and states that time may change; how many evaluations, and lanes to ring for."""
    before = now - timedelta(seconds=settings.rules.debounce_seconds)
    with ledger.reading() as session:
        if not fact_changes.any_changed(session, before) and not rules.due(session, now, 1):
            return 0, set()
    with ledger.transaction() as session:
        if not try_lock(session, RULES_LOCK, 0):
            return 0, set()
        changes = fact_changes.changed(session, before, PAGE)
        wanted = affected(session, ruleset, changes)
        for event, key in rules.due(session, now, PAGE):
            if event not in wanted:
                wanted[event] = set()
            held = wanted[event]
            if held is not None:
                held.add(key)
        fact_changes.looked_at(session, [change.id for change in changes])
        chosen = [rule for rule in active(ruleset, rules.switches(session)) if rule.name in wanted]
        if not chosen:
            return 0, set()
        snapshot = _around(session, chosen, wanted)
        return _pass(session, settings, chosen, snapshot, now, wanted)


def _around(session: Session, chosen: Sequence[RuleEvent], wanted: Wanted) -> Snapshot:
    if any(wanted[rule.name] is None for rule in chosen):
        return whole(session, {kind for rule in chosen for kind in rule.kinds})
    iterated = {
        FactRef(rule.context.iterated, key)
        for rule in chosen
        for key in wanted[rule.name] or ()
        if rule.context.iterated is not None
    }
    fixed = {FactRef(kind, ref) for rule in chosen for kind, ref in rule.context.fixed}
    return around(session, list(fact_changes.rows_of(session, iterated).values()), fixed)


def _pass(
    session: Session, settings: Settings, chosen: Sequence[RuleEvent], snapshot: Snapshot, now: datetime, wanted: Wanted
) -> tuple[int, set[int]]:
    keys: Collection[str] | None = {key for rule in chosen for key in wanted[rule.name] or ()}
    if any(wanted[rule.name] is None for rule in chosen):
        keys = None
    states, passed = known_states(session, chosen, keys), Passed()
    for rule in chosen:
        judge(rule, snapshot, states, now, passed, wanted[rule.name])
    return passed.judged, _write(session, settings, passed, now)


def _write(session: Session, settings: Settings, passed: Passed, now: datetime) -> set[int]:
    store(session, passed)
    count = Count()
    raised = fire(session, settings, now, count, passed.fired)
    count.write(session)
    return lanes(raised)


def sweep_due(session: Session, settings: Settings, now: datetime) -> bool:
    """Whether all rules are to be asked about all objects again."""
    last = session.scalar(select(Mark.at).where(Mark.name == SWEEP))
    return last is None or not timedelta() <= now - last < timedelta(seconds=settings.rules.sweep_seconds)


def sweep(ledger: Ledger, settings: Settings, ruleset: RuleSet, now: datetime) -> tuple[int, set[int]]:
    """Ask all rules about all objects; how many evaluations, and lanes to ring for.

    Each transaction takes as many rules as make about :data:`A_TRANSACTION` evaluations. What had changed before is
    seen by it, and need not be asked about again.
    """
    judged, rung = 0, set[int]()
    with ledger.transaction() as session:
        mark(session, SWEEP, now)
        seen = fact_changes.noted(session, MOST_SEEN)
        rules.forget(session, [rule.name for rule in ruleset.rules])
        chosen = active(ruleset, rules.switches(session))
        objects = {row[0]: row[1] for row in session.execute(_OBJECTS)}
    for part in _parts(chosen, objects):
        with ledger.transaction() as session:
            if not try_lock(session, RULES_LOCK, 0):
                return judged, rung
            snapshot = whole(session, {kind for rule in part for kind in rule.kinds})
            found, raised = _pass(session, settings, part, snapshot, now, {rule.name: None for rule in part})
            judged, rung = judged + found, rung | raised
    with ledger.transaction() as session:
        fact_changes.looked_at(session, seen)
    return judged, rung


def _parts(chosen: Sequence[RuleEvent], objects: dict[str, int]) -> list[list[RuleEvent]]:
    parts: list[list[RuleEvent]] = []
    left = 0
    for rule in chosen:
        cost = objects.get(rule.context.iterated or "", 1)
        if not parts or cost > left:
            parts.append([])
            left = A_TRANSACTION
        parts[-1].append(rule)
        left -= cost
    return parts
