"""Checks an object against the compliance policies: a pure function of object and site (spec policy-alerts 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.expressions.facts import Facts
from tasks.expressions.verdict import EvaluationFault, plain
from tasks.model.compliance import COMPLIANT, NON_COMPLIANT, NOT_EVALUATED, Checked, answer_event
from tasks.model.event import ObjectRef
from tasks.model.outcome import Finding, Outcome, Raise
from tasks.policy.judge import ERROR, MATCHED, NOT_ASSIGNED, NOT_MATCHED, OUT_OF_SCOPE, ask_for, freshness
from tasks.policy.model import Policy, PolicySet


def checked(attached: Sequence[Policy], policies: PolicySet, facts: Facts, target: ObjectRef) -> Outcome:
    """The check: every condition of every policy is looked at, so that the history is whole (2.2).

    The record and the event that tells of it always say the same (check 117). Where no policy is in scope, or one
    cannot be judged and no other one is violated, the object is neither compliant nor non-compliant.
    """
    outcome, details = Outcome(), list[dict[str, Any]]()
    held: list[Policy] = []
    failed: list[Policy] = []
    verdicts = set[str]()
    for policy in attached:
        verdict, conditions = _look(policy, policies, facts)
        verdicts.add(verdict)
        held += [policy] if verdict == MATCHED else []
        failed += [policy] if verdict == NOT_MATCHED else []
        detail = {"conditions": conditions, **freshness(facts)}
        outcome.findings.append(Finding("policy", policy.name, verdict, detail))
        details.append({"policy": policy.name, "verdict": verdict, "conditions": conditions})
    status = _status(verdicts)
    outcome.findings.append(Finding("compliance", str(target), status))
    outcome.checks.append(Checked(target, status, details))
    told = answer_event(target.kind, status)
    if told is not None:
        outcome.raises.append(Raise(told, target))
    ask_for(outcome, held, failed, facts, target)
    return outcome


def _status(verdicts: set[str]) -> str:
    if NOT_MATCHED in verdicts:
        return NON_COMPLIANT
    return COMPLIANT if MATCHED in verdicts and ERROR not in verdicts else NOT_EVALUATED


def _look(policy: Policy, policies: PolicySet, facts: Facts) -> tuple[str, list[dict[str, Any]]]:
    """A policy's verdict, and one line for each condition that applies."""
    if not policies.assigned(policy, facts)[0]:
        return NOT_ASSIGNED, []
    lines: list[dict[str, Any]] = []
    name = "scope"
    try:
        if policy.scope is not None and not policy.scope.judge(facts).result:
            return OUT_OF_SCOPE, []
        for condition in policy.conditions:
            name = condition.name
            if condition.scope is not None and not condition.scope.judge(facts).result:
                continue
            verdict = condition.when.judge(facts)
            lines.append({"condition": name, "result": verdict.result, **verdict.leaf.as_dict()})
    except EvaluationFault as fault:
        return ERROR, [*lines, {"condition": name, "error": plain(str(fault))}]
    if not policy.conditions:
        return MATCHED, [{"condition": "always", "result": True}]
    if not lines:
        return OUT_OF_SCOPE, []
    return (MATCHED if all(line["result"] for line in lines) else NOT_MATCHED), lines
