"""Judges an event's target by the control policies: a pure function of event, target and site."""

from __future__ import annotations

from tasks.expressions.actions import ask
from tasks.expressions.facts import Facts
from tasks.expressions.inner import put
from tasks.model.compliance import check_event
from tasks.model.event import Event, ObjectRef
from tasks.model.outcome import Finding, Outcome, View
from tasks.policy.compliance import checked
from tasks.policy.judge import MATCHED, NOT_ASSIGNED, NOT_MATCHED, freshness, judge
from tasks.policy.model import COMPLIANCE, CONTROL, Policy, PolicySet

_NOT_ASKED = Finding("policy", "-", "not asked")


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
    mode = COMPLIANCE if event.event_type == check_event(target.kind) else CONTROL
    attached = [p for p in policies.attached(event.event_type, target.kind) if p.mode == mode]
    if mode == COMPLIANCE:
        return checked(attached, policies, Facts(event, view.object(event.provider, target), view.now), target)
    if not attached:
        return Outcome(findings=[Finding("policy", "-", "none attached")])
    facts = Facts(event, view.object(event.provider, target), view.now)
    known = freshness(facts)
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
        outcome.findings.append(Finding("policy", policy.name, verdict, {**detail, **known, **through}))
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
