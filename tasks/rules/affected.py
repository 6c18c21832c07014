"""Which rule events must be asked about which objects after facts have changed (spec orchestrate 6.4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy.orm import Session

from tasks.ledger import fact_changes
from tasks.ledger.fact_changes import Changed
from tasks.ledger.facts import WHOLE, FactRef
from tasks.model.catalogue import MATRIX
from tasks.rules.definition import Dependence, RuleEvent, RuleSet

#: By rule, the keys to ask it about; None is all of them.
Wanted = dict[str, set[str] | None]


def affected(session: Session, rules: RuleSet, changes: Iterable[Changed]) -> Wanted:
    """The rules that look at what has changed, each with the objects from which it does."""
    wanted: Wanted = {}
    by_fact: dict[str, set[FactRef]] = {}
    for change in changes:
        if change.object is not None:
            by_fact.setdefault(change.name, set()).add(change.object)
    for name, objects in by_fact.items():
        if name == WHOLE:
            for ref in objects:
                for rule in rules.on_kind(ref.kind):
                    want(wanted, rule, [ref])
            continue
        for dependence in rules.concerned(name):
            found = rules.get(dependence.rule)
            if found is not None:
                want(wanted, found, _seen_from(session, dependence, objects))
    return wanted


def want(wanted: Wanted, rule: RuleEvent, objects: Collection[FactRef]) -> None:
    """Have a rule asked about the objects that it binds: the iterated ones, or all where a fixed one is among them."""
    fixed = {FactRef(kind, ref) for kind, ref in rule.context.fixed}
    if any(ref in fixed or ref.kind == MATRIX for ref in objects):
        wanted[rule.name] = None
    elif rule.name not in wanted or wanted[rule.name] is not None:
        keys = {ref.id for ref in objects if ref.kind == rule.context.iterated}
        if keys:
            wanted[rule.name] = (wanted.get(rule.name) or set()) | keys


def _seen_from(session: Session, dependence: Dependence, objects: Collection[FactRef]) -> Sequence[FactRef]:
    """From which objects those that have changed are reached, through the junctions of a path."""
    found: Collection[FactRef] = objects
    for junction in reversed(dependence.through):
        rows = fact_changes.links_to(session, junction, {ref.id for ref in found})
        found = set(fact_changes.refs_of(session, rows).values())
    return [ref for ref in found if ref.kind == dependence.bound]
