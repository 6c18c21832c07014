"""Judges an event's target by the policies: a pure function of event, target and site."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.expressions.facts import Facts
from tasks.model.compliance import check_event
from tasks.model.event import POLICY_EVENT, Event, ObjectRef
from tasks.model.outcome import Finding, Outcome, View
from tasks.policy.compliance import checked
from tasks.policy.fresh import Age, wait_for
from tasks.policy.judge import ERROR, MATCHED, NOT_ASSIGNED, NOT_MATCHED, ask_for, freshness, judge
from tasks.policy.model import COMPLIANCE, CONTROL, Policy, PolicySet

_NOT_ASKED = Finding("policy", "-", "not asked")


def policy_handler(event: Event, view: View) -> Outcome:
    """The policies of the event's target, where the switchboard asked for them (DESIGN 3).

    Actions of the policies that hold come before those of the policies that do not, each in the order
    of the site (spec policy-alerts 2.7). A policy that cannot be judged asks for nothing, and the
    others are not touched by it.

    An event that announces an operation is always judged: no workflow can leave that out. Where one of its
    policies cannot be judged, nobody can tell whether the operation may happen (2.9).
    """
    guarding = event.namespace == POLICY_EVENT and view.site.definitions.preventable(event.event_type)
    if not guarding and (not event.plan or not event.plan.get("enforce")):
        return Outcome(findings=[_NOT_ASKED])
    target = event.target()
    if target is None:
        return Outcome(findings=[Finding("policy", "-", "no target")])
    policies: PolicySet = view.site.part("policies")
    mode = COMPLIANCE if event.event_type == check_event(target.kind) else CONTROL
    attached = [p for p in policies.attached(event.event_type, target.kind) if p.mode == mode]
    if not attached and mode == CONTROL:
        return Outcome(findings=[Finding("policy", "-", "none attached")])
    facts = Facts(event, view.object(event.provider, target), view.now)
    age = wait_for([p for p in attached if policies.assigned(p, facts)[0]], facts, target)
    if isinstance(age, Outcome):
        return age
    if mode == COMPLIANCE:
        return checked(attached, policies, facts, target)
    outcome = _controlled(attached, policies, facts, target, age)
    if guarding:
        _guard(outcome, age)
    return outcome


def _controlled(attached: Sequence[Policy], policies: PolicySet, facts: Facts, target: ObjectRef, age: Age) -> Outcome:
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
        detail = {**detail, **known, **age.of(policy), **through}
        outcome.findings.append(Finding("policy", policy.name, verdict, detail))
        if verdict == MATCHED:
            held.append(policy)
        elif verdict == NOT_MATCHED:
            failed.append(policy)
    ask_for(outcome, held, failed, facts, target)
    return outcome


def _guard(outcome: Outcome, age: Age) -> None:
    """Whether the operation may happen which the event announces."""
    unclear = [finding.name for finding in outcome.findings if finding.verdict == ERROR]
    unclear += ["a policy that asked for fresh facts"] if age.late else []
    if outcome.prevented is not None:
        outcome.findings.append(Finding("operation", "-", "prevented", {"by": outcome.prevented}))
    elif unclear:
        outcome.undecided = f"{', '.join(unclear)} could not be judged"
        outcome.findings.append(Finding("operation", "-", "undecided", {"why": outcome.undecided}))
