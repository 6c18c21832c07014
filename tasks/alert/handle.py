"""Decides which alerts fire on an event: a pure function of event, target, site and what fired before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from tasks.alert.model import Alert, AlertSet
from tasks.alert.reading import HOLDS, OPEN
from tasks.alert.reading import judge as judge_readings
from tasks.alert.scripts.run import run_scripts
from tasks.expressions.actions import ask
from tasks.expressions.facts import Facts
from tasks.expressions.inner import put
from tasks.expressions.verdict import EvaluationFault, plain
from tasks.model.definitions import ALERT_DUE, READING_RECEIVED
from tasks.model.event import CUSTOM_EVENT, POLICY_EVENT, Event, ObjectRef
from tasks.model.outcome import Finding, Firing, Outcome, Plan, Resolution, View

FIRED = "fired"
RESOLVED = "resolved"
NOT_FIRED = "not fired"
NOT_ASKED = "not asked"
NOT_ASSIGNED = "not assigned"
ERROR = "error"

#: An incident's line is cut to this many characters.
SUMMARY_LIMIT = 500


def alert_handler(event: Event, view: View) -> Outcome:
    """The alerts and the script actions that name the event's type, neither touched by what the other comes to."""
    outcome = _alerts(event, view)
    run_scripts(event, view, outcome)
    return outcome


def _alerts(event: Event, view: View) -> Outcome:
    """The alerts that name the event's type.

    On an internal event they are those of its target, and only where the switchboard asked for policies
    and alerts (DESIGN 3); on a provider's event they are always asked. An alert that cannot be judged
    does not fire, and the others are not touched by it. What the clock raises is for the alert that it names.
    """
    alerts: AlertSet = view.site.part("alerts")
    if event.namespace == POLICY_EVENT and event.event_type == ALERT_DUE:
        return _due(event, view, alerts)
    if event.namespace == POLICY_EVENT and event.event_type == READING_RECEIVED:
        return _received(event, view, alerts)
    target = event.target()
    kind = target.kind if target else None
    named, ending = alerts.naming(event.event_type, kind), alerts.ending(event.event_type, kind)
    outcome = Outcome()
    if not named and not ending:
        return outcome
    plan = Plan.from_dict(event.plan)
    if event.namespace in (POLICY_EVENT, CUSTOM_EVENT) and not (plan.enforce or plan.alerts):
        outcome.findings += [Finding("alert", alert.name, NOT_ASKED) for alert in named]
        return outcome
    for alert in ending if target is not None else ():
        _resolve(alert, event, view, outcome)
    facts = Facts(event, view.object(event.provider, target) if target else None, view.now)
    for alert in named:
        _judge(alert, facts, view, outcome)
    return outcome


def _due(event: Event, view: View, alerts: AlertSet) -> Outcome:
    """The one alert that is due; where it does not hold any more, its incident is over (spec policy-alerts 5.5).

    One that a rule asks for (``evaluate_alerts``) is judged though it is inactive or assigned elsewhere (4.2).
    """
    outcome, name, target = Outcome(), event.facts.raw_event_type, event.target()
    alert = alerts.alerts.get(name)
    by_rule = event.parent_id is not None
    if target is None or alert is None or alert.target not in (None, target.kind):
        outcome.findings.append(Finding("alert", name, "there is no such alert for the object"))
        return outcome
    if not by_rule and not (alert.active and alert.every is not None):
        outcome.findings.append(Finding("alert", name, "not asked by the clock any more"))
        return outcome
    facts = Facts(event, view.object(event.provider, target), view.now)
    if _judge(alert, facts, view, outcome, everywhere=by_rule) == NOT_FIRED:
        _end(alert, event, target, view, outcome)
    return outcome


def _received(event: Event, view: View, alerts: AlertSet) -> Outcome:
    """The alerts that look at the readings of this name; one whose newest reading is well again is over."""
    outcome, name, target = Outcome(), event.facts.raw_event_type, event.target()
    if target is None:
        return outcome
    facts = Facts(event, view.object(event.provider, target), view.now)
    for alert in alerts.watching(name, target.kind):
        limit = alert.reading
        assert limit is not None
        until = event.facts.occurred_at
        read = view.readings(event.provider, target, name, until - limit.reach(), until)
        run = judge_readings(limit, read, until)
        detail = {"reading": name, "found": run.found, "expected": f"{limit.operator} {limit.value:g}"}
        if limit.span:
            detail |= {"for": _short(limit.span), "held": _short(run.held)}
        verdict = NOT_FIRED
        if run.state == HOLDS:
            verdict = _judge(alert, facts, view, outcome, detail)
        else:
            outcome.findings.append(Finding("alert", alert.name, NOT_FIRED, detail))
        if verdict == NOT_FIRED and run.state != OPEN:
            _end(alert, event, target, view, outcome)
    return outcome


def _end(alert: Alert, event: Event, target: ObjectRef, view: View, outcome: Outcome) -> None:
    """Close the alert's incident, where it has one: it does not hold any more."""
    if view.alert_state(alert.name, event.provider, target).open:
        _resolve(alert, event, view, outcome)


def _resolve(alert: Alert, event: Event, view: View, outcome: Outcome) -> None:
    target = event.target()
    if target is None:
        return
    if view.alert_state(alert.name, event.provider, target).open:
        outcome.findings.append(Finding("alert", alert.name, RESOLVED))
        outcome.resolutions.append(Resolution(alert.name, target))
    else:
        outcome.findings.append(Finding("alert", alert.name, "no incident is open"))


def _judge(
    alert: Alert, facts: Facts, view: View, outcome: Outcome, known: Mapping[str, Any] = MappingProxyType({}),
    *, everywhere: bool = False,
) -> str:  # fmt: skip
    """Judge one alert, and fire it where it holds; returns whether it did, in a word."""
    alerts: AlertSet = view.site.part("alerts")
    applies, profiles = alerts.assigned(alert, facts)
    if not applies and not everywhere:
        outcome.findings.append(Finding("alert", alert.name, NOT_ASSIGNED, {"profiles": profiles}))
        return NOT_ASSIGNED
    try:
        detail: dict[str, Any] = dict(known) or {"condition": "always"}
        if alert.when is not None:
            verdict = alert.when.judge(facts)
            detail = {**known, "condition": verdict.leaf.as_dict()} if known else verdict.leaf.as_dict()
            if not verdict.result:
                outcome.findings.append(Finding("alert", alert.name, NOT_FIRED, detail))
                return NOT_FIRED
    except EvaluationFault as fault:
        outcome.findings.append(Finding("alert", alert.name, ERROR, {"error": plain(str(fault))}))
        return ERROR
    if alert.times > 1:
        happened = _happened(alert, facts, view)
        detail = {**detail, "happened": happened, "at least": alert.times, "within": _short(alert.within)}
        if happened < alert.times:
            outcome.findings.append(Finding("alert", alert.name, NOT_FIRED, detail))
            return NOT_FIRED
    _fire(alert, facts, view, outcome, detail)
    return FIRED


def _happened(alert: Alert, facts: Facts, view: View) -> int:
    """How often the alert's events happened on the object up to this one, which counts."""
    event, target = facts.event, facts.event.target()
    if target is None:
        return 1
    until = event.facts.occurred_at
    return sum(map(alert.names, view.happened(event.provider, target, until - alert.within, until)))


def _fire(alert: Alert, facts: Facts, view: View, outcome: Outcome, detail: dict[str, Any]) -> None:
    event = facts.event
    target = event.target()
    about = target or ObjectRef("event", event.event_type)
    notified = view.alert_state(alert.name, event.provider, about).fired_at
    due = notified is None or view.now - notified >= alert.delay
    silence = view.silenced(alert.name, alert.severity, event.provider, about) if due else None
    if silence is not None:
        outcome.firings.append(Firing(alert.name, about, alert.severity, alert.summarise(facts)[:SUMMARY_LIMIT], False))
        outcome.findings.append(Finding("alert", alert.name, "silenced", {**detail, "silence": silence}))
        return
    summary = alert.summarise(facts)[:SUMMARY_LIMIT]
    outcome.firings.append(Firing(alert.name, about, alert.severity, summary, due))
    if due:
        outcome.findings.append(Finding("alert", alert.name, FIRED, detail))
        told = {"alert": alert.name, "severity": alert.severity, "description": summary}
        put(outcome, ask(f"alert:{alert.name}", alert.notify, facts, target, alert.limit), facts, told)
        return
    outcome.findings.append(Finding("alert", alert.name, _held(notified, alert.delay, view.now), detail))


def _held(notified: datetime | None, delay: timedelta, now: datetime) -> str:
    ago = "" if notified is None else f"fired {_short(now - notified)} ago, "
    return f"held: {ago}delay {_short(delay)}"


def _short(span: timedelta) -> str:
    """A span in its largest unit, as people say it."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
