"""What the policies would conclude on an object as it is known now (spec policy-alerts 2.10): nothing is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasks.expressions.actions import ask
from tasks.expressions.facts import Facts
from tasks.expressions.tree import Expression
from tasks.expressions.verdict import EvaluationFault, plain
from tasks.model.event import POLICY_EVENT, Event, Normalised
from tasks.model.outcome import Ask, ObjectFacts
from tasks.policy.judge import MATCHED, NOT_ASSIGNED, NOT_MATCHED, judge
from tasks.policy.model import Policy, PolicySet


@dataclass(frozen=True, slots=True)
class Looked:
    """One condition: what it came to, the comparison that decided it, and the whole tree with every result."""

    name: str
    result: str
    leaf: dict[str, Any]
    tree: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resolved:
    """One policy on one event: its verdict, all of its conditions, and what it would ask for."""

    policy: str
    event: str
    verdict: str
    conditions: list[Looked] = field(default_factory=list)
    actions: list[dict[str, Any]] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        looked = [{"name": c.name, "result": c.result, **c.leaf, "tree": c.tree} for c in self.conditions]
        return {
            "policy": self.policy,
            "event": self.event,
            "verdict": self.verdict,
            "conditions": looked,
            "actions": self.actions,
            "profiles": self.profiles,
        }


def resolve(
    policies: PolicySet, provider: str, target: ObjectFacts, event_type: str | None, now: datetime
) -> list[Resolved]:
    """Each policy for the object's kind, on each event that it names or on the one that is given."""
    found: list[Resolved] = []
    for policy in policies.policies.values():
        if not policy.active or policy.target != target.ref.kind:
            continue
        for name in (name for name in policy.on if event_type in (None, name)):
            facts = Facts(_event(provider, target, name, now), target, now)
            applies, profiles = policies.assigned(policy, facts)
            found.append(_resolved(policy, name, facts) if applies else Resolved(policy.name, name, NOT_ASSIGNED))
            found[-1].profiles.extend(profiles)
    return found


def _event(provider: str, target: ObjectFacts, name: str, now: datetime) -> Event:
    """The event as it would be raised, with nothing in it but the object."""
    facts = Normalised(name, name, "resolve", now, target.ref.kind, target.ref.id, tenant_id=target.tenant_id)
    return Event(0, provider, "POLICY", POLICY_EVENT, facts, {})


def _resolved(policy: Policy, name: str, facts: Facts) -> Resolved:
    verdict = judge(policy, facts).verdict
    wanted = {MATCHED: policy.then, NOT_MATCHED: policy.otherwise}.get(verdict, ())
    asked = ask(f"policy:{policy.name}", wanted, facts, facts.target.ref if facts.target else None)
    return Resolved(policy.name, name, verdict, list(_conditions(policy, facts)), [_shown(wish) for wish in asked])


def _shown(wish: Ask) -> dict[str, Any]:
    return {"action": wish.action, "params": wish.params}


def _conditions(policy: Policy, facts: Facts) -> Iterator[Looked]:
    """All of them, the ones behind the first false one as well: a person wants to see the whole."""
    if policy.scope is not None:
        yield _look("scope", policy.scope, facts)
    for condition in policy.conditions:
        if condition.scope is not None:
            scope = _look(f"{condition.name}, scope", condition.scope, facts)
            yield scope
            if scope.result != "true":
                continue
        yield _look(condition.name, condition.when, facts)


def _look(name: str, expression: Expression, facts: Facts) -> Looked:
    tree = expression.evaluate_atoms(facts)
    try:
        verdict = expression.judge(facts)
    except EvaluationFault as fault:
        return Looked(name, "error", {"error": plain(str(fault))}, tree)
    return Looked(name, "true" if verdict.result else "false", verdict.leaf.as_dict(), tree)
