"""Judges an event's target by the control policies: a pure function of event, target and site."""

from __future__ import annotations

from typing import Any, NamedTuple

from tasks.expressions.actions import ask
from tasks.expressions.facts import Facts
from tasks.expressions.inner import put
from tasks.expressions.tree import Expression, Verdict
from tasks.expressions.verdict import EvaluationFault, plain
from tasks.model.event import Event, ObjectRef
from tasks.model.outcome import Finding, Outcome, View
from tasks.policy.model import Policy, PolicySet

MATCHED = "matched"
NOT_MATCHED = "not matched"
OUT_OF_SCOPE = "out of scope"
ERROR = "error"
NOT_ASSIGNED = "not assigned"

_NOT_ASKED = Finding("policy", "-", "not asked")


class Judgement(NamedTuple):
    """What one policy concluded, with the comparison that decided it."""

    verdict: str
    detail: dict[str, Any]


def policy_handler(event: Event, view: View) -> Outcome:
    """The policies of the event's target, where the switchboard asked for them (DESIGN 3).

    Actions of the policies that hold come before those of the policies that do not, each in the order
    of the site (spec policy-alerts 2.7). A policy that cannot be judged asks for nothing, and the
    others are not touched by it.
    """
    if not event.plan or not event.plan.get("enforce"):
        return Outcome(findings=[_NOT_ASKED])
    target = event.target()
    if target is None:
        return Outcome(findings=[Finding("policy", "-", "no target")])
    policies: PolicySet = view.site.part("policies")
    attached = policies.attached(event.event_type, target.kind)
    if not attached:
        return Outcome(findings=[Finding("policy", "-", "none attached")])
    facts = Facts(event, view.object(event.provider, target), view.now)
    freshness = _freshness(facts)
    outcome = Outcome()
    held: list[Policy] = []
    failed: list[Policy] = []
    for policy in attached:
        applies, profiles = policies.assigned(policy, facts)
        if not applies:
            outcome.findings.append(Finding("policy", policy.name, NOT_ASSIGNED, {"profiles": profiles}))
            continue
        verdict, detail = judge(policy, facts)
        through = {"profiles": profiles} if profiles else {}
        outcome.findings.append(Finding("policy", policy.name, verdict, {**detail, **freshness, **through}))
        if verdict == MATCHED:
            held.append(policy)
        elif verdict == NOT_MATCHED:
            failed.append(policy)
    _ask(outcome, held, failed, facts, target)
    return outcome


def _ask(outcome: Outcome, held: list[Policy], failed: list[Policy], facts: Facts, target: ObjectRef) -> None:
    asked = [a for policy in held for a in ask(f"policy:{policy.name}:true", policy.then, facts, target)]
    asked += [a for policy in failed for a in ask(f"policy:{policy.name}:false", policy.otherwise, facts, target)]
    put(outcome, asked, target)


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


def _freshness(facts: Facts) -> dict[str, Any]:
    """What inventory knew of the target, where conditions could not see all of it."""
    if facts.target is None:
        return {"target": "unknown"}
    return {} if facts.target.state == "known" else {"target": facts.target.state}
