"""Policies of facts, applied: what objects have by decree, and how well they are by constraint (spec orchestrate 8)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tasks.constraints.nodes import Group
from tasks.constraints.paths import Scope
from tasks.conveyor.telling import set_facts
from tasks.ledger import facts
from tasks.ledger.facts import Fact, FactObject, FactRef, Write
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model.catalogue import CONSTRAINT, POLICY
from tasks.rules.definition import Context, FactPolicy, RuleSet
from tasks.rules.snapshot import Snapshot, in_group, whole
from tasks.site.settings import Settings

_Facts = dict[tuple[FactRef, str], tuple[str, Any]]


def apply(ledger: Ledger, settings: Settings, ruleset: RuleSet, now: datetime) -> set[int]:
    """Set what policies decree, and take back what they decree no more; returns the lanes to ring for."""
    with ledger.reading() as session:
        standing = _standing(session)
        if not ruleset.policies and not standing:
            return set()
        snapshot = whole(session, _kinds(ruleset))
    decreed, healthy = _wanted(ruleset.policies, snapshot, now)
    wanted = {POLICY: decreed, CONSTRAINT: healthy}
    rung: set[int] = set()
    with ledger.transaction() as session:
        count = Count()
        for origin, theirs in wanted.items():
            facts.erase(session, now, origin, [key for key in standing.get(origin, ()) if key not in theirs])
            session.flush()
            writes = [Write(ref, name, value, kind) for (ref, name), (kind, value) in sorted(theirs.items())]
            rung |= set_facts(session, settings, now, count, origin, writes)[1]
        count.write(session)
    return rung


def _standing(session: Session) -> dict[str, set[tuple[FactRef, str]]]:
    """What policies have set, by origin."""
    query = (
        select(Fact.origin, Fact.name, FactObject.kind, FactObject.ref)
        .join(FactObject, FactObject.id == Fact.object_id)
        .where(Fact.origin.in_((POLICY, CONSTRAINT)), ~Fact.name.endswith(".id"))
    )
    found: dict[str, set[tuple[FactRef, str]]] = {}
    for row in session.execute(query):
        found.setdefault(row.origin, set()).add((FactRef(row.kind, row.ref), row.name))
    return found


def _kinds(ruleset: RuleSet) -> set[str]:
    named = {kind for policy in ruleset.policies for kind in policy.context.kinds}
    # Health may hang on what lies behind a junction.
    return {*named, "resource", "vmhost"}


def _wanted(policies: tuple[FactPolicy, ...], snapshot: Snapshot, now: datetime) -> tuple[_Facts, _Facts]:
    """Facts by decree, of which the first policy's counts, and health, which all of its constraints must grant."""
    decreed: _Facts = {}
    healthy: _Facts = {}
    for policy in policies:
        for ref in _objects(policy.context, snapshot, now):
            for name, kind, value in policy.facts:
                decreed.setdefault((ref, name), (kind, value))
            if policy.health is not None:
                key = (ref, f"{ref.kind}.health")
                _, before = healthy.get(key, ("boolean", True))
                healthy[key] = ("boolean", before and _grants(policy.health, policy.context, ref, snapshot, now))
    return decreed, healthy


def _objects(context: Context, snapshot: Snapshot, now: datetime) -> list[FactRef]:
    if context.iterated is None:
        fixed = FactRef(*context.fixed[0])
        return [fixed] if snapshot.subject(*fixed) is not None else []
    found = snapshot.of_kind(context.iterated)
    return [s.object for s in found if context.group is None or in_group(s, context.group, now)]


def _grants(health: Group, context: Context, ref: FactRef, snapshot: Snapshot, now: datetime) -> bool:
    """Whether an object is well; a constraint that has nothing to say forbids nothing."""
    bound = context.bound(ref.id) if context.iterated else dict(context.fixed)
    return health.judge(Scope(bound, snapshot, now)) is not False
