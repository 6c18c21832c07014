"""Reads ``policies/*.yaml`` of the site: every policy, or every mistake with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from tasks.expressions.actions import Wanted, read_actions
from tasks.expressions.mistakes import At, Mistake, from_validation, shown
from tasks.expressions.reader import compile_expression
from tasks.expressions.tree import Expression
from tasks.model.compliance import check_event
from tasks.model.event import RAISED_AS
from tasks.policy.entry import ConditionEntry, PolicyEntry
from tasks.policy.model import COMPLIANCE, Condition, Policy, PolicySet
from tasks.site.contracts import Part, Problem, SiteContext
from tasks.site.listed import read_listed
from tasks.site.profiles import profiles_of


def read(files: Mapping[str, bytes], context: SiteContext) -> tuple[PolicySet, list[Problem]]:
    """The policies of the files, in the order of their paths, with all problems found."""

    def one(entry: dict[Any, Any], at: At, mistakes: list[Mistake]) -> Policy | None:
        return _read_policy(entry, at, context, mistakes)

    policies, problems = read_listed(files, "policies", "a policy", one)
    profiles = profiles_of(context)
    problems += profiles.unknown("policies", [policy.name for policy in policies])
    return PolicySet(policies, profiles.listed), problems


#: The action that has the target checked.
_CHECK = "check_compliance"

PART = Part(name="policies", patterns=("policies/*.yaml", "policies/*.yml"), read=read)


def _read_policy(entry: dict[Any, Any], at: At, context: SiteContext, mistakes: list[Mistake]) -> Policy | None:
    """Everything is checked even where something is wrong already; None where anything is."""
    found: list[Mistake] = []
    entry = _asked_on_checks(entry, at, found)
    checked = _validate(entry, at, found)
    kind = checked.target if checked else entry.get("target")
    kind = kind if isinstance(kind, str) else None
    strict = entry.get("missing") == "strict"
    scope = _tree(entry, "scope", at, kind, strict, found)
    conditions = _conditions(entry, at, kind, strict, found)
    then, otherwise = (_actions(entry, key, at, context, kind, found) for key in ("then", "otherwise"))
    if checked is not None:
        found += _unknown_events(checked, at, context)
        found += _never_checked(checked, at)
    mistakes += found
    if checked is None or any(mistake.severity == "error" for mistake in found):
        return None
    return Policy(
        name=checked.name,
        description=checked.description,
        target=checked.target,
        on=tuple(checked.on),
        scope=scope,
        conditions=conditions,
        then=then,
        otherwise=otherwise,
        active=checked.active,
        mode=checked.mode,
        fresh=checked.fresh,
        limit=checked.limit.limit() if checked.limit else None,
        every=checked.every,
    )


def _asked_on_checks(entry: dict[Any, Any], at: At, mistakes: list[Mistake]) -> dict[Any, Any]:
    """A compliance policy names no events: it is asked when an object of its kind is checked (7)."""
    if entry.get("mode") != COMPLIANCE or not isinstance(entry.get("target"), str):
        return entry
    if "on" in entry:
        mend = "Remove it: a compliance policy is asked when an object is checked"
        mistakes.append(Mistake((*at, "on"), "a compliance policy names no events", mend))
    for key in ("then", "otherwise"):
        asked = entry.get(key)
        for index, item in enumerate(asked if isinstance(asked, list) else []):
            if item == _CHECK or (isinstance(item, dict) and _CHECK in item):
                what = f"{_CHECK} in a compliance policy would never come to an end"
                mistakes.append(Mistake((*at, key, index), what, "Remove it, or use a control policy"))
    return {**entry, "on": [check_event(entry["target"])]}


def _validate(entry: dict[Any, Any], at: At, mistakes: list[Mistake]) -> PolicyEntry | None:
    try:
        return PolicyEntry.model_validate(entry)
    except ValidationError as error:
        mistakes += from_validation(error, at, "the policy", PolicyEntry)
        return None


def _actions(
    entry: dict[Any, Any], key: str, at: At, context: SiteContext, kind: str | None, found: list[Mistake]
) -> tuple[Wanted, ...]:
    allowed = context.settings.actions.destructive
    read = read_actions(
        entry.get(key), (*at, key), context.actions, kind, found, files=context.files, destructive=allowed
    )
    on = entry.get("on")
    names = [name for name in (on if isinstance(on, list) else [on]) if isinstance(name, str)]
    if any(one.action == "prevent" for one in read) and not any(map(context.definitions.preventable, names)):
        what = "there is nothing to prevent: none of the events announces an operation"
        found.append(Mistake((*at, key), what, "Set it on one that does, such as request_vm_start"))
    return read


def _unknown_events(checked: PolicyEntry, at: At, context: SiteContext) -> Iterator[Mistake]:
    """Warn of events that nobody raises, and of those that no control policy is asked on."""
    known = context.definitions
    for name in checked.on:
        if checked.mode == COMPLIANCE:
            continue
        if name not in known:
            close = get_close_matches(name, known, 1, 0.8)
            meant = f"Did you mean {close[0]!r}? " if close else ""
            mend = f"{meant}One of your own is defined in events/*.yaml"
            yield Mistake((*at, "on"), f"there is no internal event {shown(name)}", mend, "warning")
        elif not known[name].control:
            what = f"the event {name} ({known[name].category}) sets off no control policy"
            yield Mistake((*at, "on"), what, "Use an alert, or another event", "warning")


def _never_checked(checked: PolicyEntry, at: At) -> Iterator[Mistake]:
    """A period says how often objects are checked, so it is for policies that are asked then."""
    if checked.every is not None and checked.mode != COMPLIANCE:
        mend = "Remove it, or write mode: compliance"
        yield Mistake((*at, "every"), "a control policy is asked on events, not by the clock", mend)
    if checked.every is not None and checked.target in RAISED_AS:
        yield Mistake((*at, "every"), f"a {checked.target} is not checked by the clock", "Remove it")


def _tree(
    entry: Mapping[Any, Any], key: str, at: At, kind: str | None, strict: bool, mistakes: list[Mistake]
) -> Expression | None:
    if entry.get(key) is None:
        return None
    expression, found = compile_expression(entry[key], at=(*at, key), kind=kind, strict=strict)
    mistakes += found
    return expression


def _conditions(
    entry: dict[Any, Any], at: At, kind: str | None, strict: bool, mistakes: list[Mistake]
) -> tuple[Condition, ...]:
    named: list[Condition] = []
    when = _tree(entry, "when", at, kind, strict, mistakes)
    if when is not None:
        named.append(Condition("when", when))
    listed = entry.get("conditions")
    for index, item in enumerate(listed if isinstance(listed, list) else []):
        place = (*at, "conditions", index)
        if not isinstance(item, dict):
            mistakes.append(Mistake(place, f"{shown(item)} is no condition", "Write {name: …, when: …}"))
            continue
        try:
            ConditionEntry.model_validate(item)
        except ValidationError as error:
            mistakes += from_validation(error, place, "the condition", ConditionEntry)
        scope = _tree(item, "scope", place, kind, strict, mistakes)
        tree = _tree(item, "when", place, kind, strict, mistakes)
        if "when" in item and item["when"] is None:
            mistakes.append(Mistake((*place, "when"), "the condition is empty", "Write {field: …, is: …}"))
        if tree is not None:
            named.append(Condition(str(item.get("name")), tree, scope))
    return tuple(named)
