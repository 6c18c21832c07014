"""What the actions that stay inside Catchment put into a stage's outcome (see :mod:`tasks.effects.inner`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tasks.expressions.facts import Facts
from tasks.model.compliance import NON_COMPLIANT, Checked, answer_event, check_event
from tasks.model.definitions import ALERT_DUE
from tasks.model.event import ALERT_SOURCE, MARK_SOURCE, REQUEST, TIMELINE_MARK, ObjectRef
from tasks.model.outcome import Ask, Label, Move, Outcome, Petition, Raise
from tasks.model.request import AUTOMATION

#: Puts one action into the outcome; None where its target makes it impossible.
_Put = Callable[[Outcome, Ask, ObjectRef, Facts], None]


def put(outcome: Outcome, asked: Iterable[Ask], facts: Facts, told: Mapping[str, Any] | None = None) -> None:
    """Put what rules asked for into the outcome: as effects, or as what Catchment does itself.

    ``told`` is what a custom event says of the rule that raises it, beside the rule's name.
    """
    target = facts.event.target()
    for wish in asked:
        inner = _INNER.get(wish.action)
        if target is not None and wish.action in _CUSTOM:
            outcome.raises.append(_CUSTOM[wish.action](wish, target, {"rule": wish.rule, **(told or {})}))
            continue
        if inner is not None and target is not None:
            inner(outcome, wish, target, facts)
            continue
        wish = _behind_an_effect(wish)
        if wish.guard is not None and target is not None:
            outcome.raises.append(Raise(wish.guard, target, operation=wish))
        else:
            outcome.asks.append(wish)


def _behind_an_effect(wish: Ask) -> Ask:
    """What is done inside is done with the decision, so that nobody waits for it."""
    before = wish.after
    while before is not None and (before.action in _INNER or before.action in _CUSTOM):
        before = before.after
    return wish if before is wish.after else replace(wish, after=before)


def _prevent(outcome: Outcome, wish: Ask, _target: ObjectRef, _facts: Facts) -> None:
    outcome.prevented = outcome.prevented or wish.rule


def _move(word: str) -> _Put:
    def move(outcome: Outcome, wish: Ask, target: ObjectRef, _facts: Facts) -> None:
        if target.kind == REQUEST:
            outcome.moves.append(Move(word, f"{_rule(wish)}: {wish.params['reason']}"))
        else:
            outcome.asks.append(wish)  # It ends on the desk, with the reason.

    return move


def _raise(outcome: Outcome, wish: Ask, target: ObjectRef, _facts: Facts) -> None:
    outcome.raises.append(Raise(str(wish.params["name"]), target))


def _refresh(outcome: Outcome, _wish: Ask, target: ObjectRef, _facts: Facts) -> None:
    if target not in outcome.targets:
        outcome.targets.append(target)


def _check(outcome: Outcome, _wish: Ask, target: ObjectRef, _facts: Facts) -> None:
    outcome.raises.append(Raise(check_event(target.kind), target))


def _mark(outcome: Outcome, wish: Ask, target: ObjectRef, _facts: Facts) -> None:
    outcome.checks.append(Checked(target, NON_COMPLIANT, [{"policy": _rule(wish), "verdict": "marked"}]))
    told = answer_event(target.kind, NON_COMPLIANT)
    assert told is not None
    outcome.raises.append(Raise(told, target))


def _automate(outcome: Outcome, wish: Ask, target: ObjectRef, _facts: Facts) -> None:
    *space, name, instance = [part for part in str(wish.params["instance"]).split("/") if part]
    attrs = {"namespace": "/".join(space), "class": name, "instance": instance}
    attrs |= {"message": wish.params.get("message") or "create", f"{target.kind}_id": target.id}
    options = {
        "uri": "/System/Request/Call_Instance_With_Message",
        "attrs": {**dict(wish.params.get("attrs") or {}), **attrs},
    }
    outcome.petitions.append(Petition(AUTOMATION, options, f"{_rule(wish)} on {target}", _rule(wish)))


def _request(outcome: Outcome, wish: Ask, target: ObjectRef, _facts: Facts) -> None:
    attrs = {**dict(wish.params.get("attrs") or {}), f"{target.kind}_id": target.id}
    outcome.petitions.append(
        Petition(str(wish.params["type"]), {"attrs": attrs}, str(wish.params.get("description") or ""))
    )


def _management(wish: Ask, target: ObjectRef, told: dict[str, Any]) -> Raise:
    return Raise(str(wish.params["event_name"]), target, told, ALERT_SOURCE)


def _timeline(wish: Ask, target: ObjectRef, told: dict[str, Any]) -> Raise:
    return Raise(TIMELINE_MARK, target, {**told, "text": str(wish.params["text"])}, MARK_SOURCE)


def _evaluate(outcome: Outcome, wish: Ask, target: ObjectRef, _facts: Facts) -> None:
    for name in dict.fromkeys(wish.params["alerts"]):
        outcome.raises.append(Raise(ALERT_DUE, target, detail=str(name)))


def _tag(outcome: Outcome, wish: Ask, target: ObjectRef, facts: Facts) -> None:
    new = tuple(tag for tag in wish.params["tags"] if tag not in _tags(facts))
    if new:
        outcome.labels.append(Label(target, add=new))
        outcome.raises.append(Raise("assigned_company_tag", target))


def _untag(outcome: Outcome, wish: Ask, target: ObjectRef, facts: Facts) -> None:
    own = facts.attribute(None, ("own_tags",))
    old = tuple(tag for tag in wish.params["tags"] if isinstance(own, list) and tag in own)
    if old:
        outcome.labels.append(Label(target, remove=old))
        outcome.raises.append(Raise("unassigned_company_tag", target))


def _tags(facts: Facts) -> Sequence[Any]:
    known = facts.attribute(None, ("tags",))
    return known if isinstance(known, list) else ()


def _rule(wish: Ask) -> str:
    """The rule's name: ``policy:NAME:true`` and ``alert:NAME`` are how effects know it."""
    return wish.rule.split(":")[1]


_INNER: Mapping[str, _Put] = {
    "prevent": _prevent,
    "evaluate_alerts": _evaluate,
    "tag": _tag,
    "untag": _untag,
    "approve_request": _move("approve"),
    "deny_request": _move("deny"),
    "raise_event": _raise,
    "refresh": _refresh,
    "check_compliance": _check,
    "mark_noncompliant": _mark,
    "automate": _automate,
    "open_request": _request,
}

#: Actions that raise a custom event (spec policy-alerts 5.7).
_CUSTOM: Mapping[str, Callable[[Ask, ObjectRef, dict[str, Any]], Raise]] = {
    "management_event": _management,
    "timeline_mark": _timeline,
}
