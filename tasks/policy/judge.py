"""How one policy is judged: its scope, then its conditions (spec policy-alerts 2.4, 2.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tasks.expressions.actions import ask
from tasks.expressions.facts import Facts
from tasks.expressions.inner import put
from tasks.expressions.tree import Expression, Verdict
from tasks.expressions.verdict import EvaluationFault, plain
from tasks.model.event import ObjectRef
from tasks.model.outcome import Outcome
from tasks.policy.model import Policy

MATCHED = "matched"
NOT_MATCHED = "not matched"
OUT_OF_SCOPE = "out of scope"
ERROR = "error"
NOT_ASSIGNED = "not assigned"


class Judgement(NamedTuple):
    """What one policy concluded, with the comparison that decided it."""

    verdict: str
    detail: dict[str, Any]


def judge(policy: Policy, facts: Facts) -> Judgement:
    """One policy: its scope, then its conditions until one is false (spec policy-alerts 2.4, 2.5)."""
    part = "scope"
    try:
        if policy.scope is not None:
            verdict = policy.scope.judge(facts)
            if not verdict.result:
                return Judgement(OUT_OF_SCOPE, _detail(part, verdict))
        first: dict[str, Any] | None = None
        for condition in policy.conditions:
            part = condition.name
            if not _applies(condition.scope, facts):
                continue
            verdict = condition.when.judge(facts)
            if not verdict.result:
                return Judgement(NOT_MATCHED, _detail(part, verdict))
            first = first or _detail(part, verdict)
        return Judgement(MATCHED, first or {"condition": "always"})
    except EvaluationFault as fault:
        return Judgement(ERROR, {"condition": part, "error": plain(str(fault))})


def _applies(scope: Expression | None, facts: Facts) -> bool:
    return scope is None or scope.judge(facts).result


def _detail(name: str, verdict: Verdict) -> dict[str, Any]:
    return {"condition": name, **verdict.leaf.as_dict()}


def freshness(facts: Facts) -> dict[str, Any]:
    """What inventory knew of the target, where conditions could not see all of it."""
    if facts.target is None:
        return {"target": "unknown"}
    return {} if facts.target.state == "known" else {"target": facts.target.state}


def ask_for(
    outcome: Outcome, held: Sequence[Policy], failed: Sequence[Policy], facts: Facts, target: ObjectRef
) -> None:
    """Ask for the actions of the policies that hold, then for those of the policies that do not (2.7)."""
    asked = [a for p in held for a in ask(f"policy:{p.name}:true", p.then, facts, target, p.limit)]
    asked += [a for p in failed for a in ask(f"policy:{p.name}:false", p.otherwise, facts, target, p.limit)]
    put(outcome, asked, facts)
