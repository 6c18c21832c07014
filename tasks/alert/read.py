"""Reads ``alerts/*.yaml`` of the site: every alert, or every mistake with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from tasks.alert.entry import AlertEntry
from tasks.alert.model import Alert, AlertSet
from tasks.expressions.actions import read_actions
from tasks.expressions.mistakes import At, BadText, Mistake, from_validation
from tasks.expressions.placeholders import Template, read_template
from tasks.expressions.reader import compile_expression
from tasks.model.definitions import ALERT_DUE, READING_RECEIVED
from tasks.model.event import RAISED_AS
from tasks.site.contracts import Part, Problem, SiteContext
from tasks.site.listed import read_listed


def read(files: Mapping[str, bytes], context: SiteContext) -> tuple[AlertSet, list[Problem]]:
    """The alerts of the files, in the order of their paths, with all problems found."""

    def one(entry: dict[Any, Any], at: At, mistakes: list[Mistake]) -> Alert | None:
        return _read_alert(entry, at, context, mistakes)

    alerts, problems = read_listed(files, "alerts", "an alert", one)
    return AlertSet(alerts), problems


PART = Part(name="alerts", patterns=("alerts/*.yaml", "alerts/*.yml"), read=read)


def _read_alert(entry: dict[Any, Any], at: At, context: SiteContext, mistakes: list[Mistake]) -> Alert | None:
    """Everything is checked even where something is wrong already; None where anything is."""
    found: list[Mistake] = []
    checked: AlertEntry | None = None
    try:
        checked = AlertEntry.model_validate(entry)
    except ValidationError as error:
        found += from_validation(error, at, "the alert", AlertEntry)
    kind = entry.get("target") if isinstance(entry.get("target"), str) else None
    when = None
    if entry.get("when") is not None:
        strict = entry.get("missing") == "strict"
        when, wrong = compile_expression(entry["when"], at=(*at, "when"), kind=kind, strict=strict)
        found += wrong
    notify = read_actions(entry.get("notify"), (*at, "notify"), context.actions, kind, found)
    summary = _summary(entry, at, kind, found)
    if checked is not None:
        found += _asked_on(checked, at)
    mistakes += found
    if checked is None or any(mistake.severity == "error" for mistake in found):
        return None
    return Alert(
        name=checked.name,
        summary=summary,
        severity=checked.severity,
        on=tuple(checked.on),
        target=checked.target,
        when=when,
        delay=checked.delay,
        notify=notify,
        active=checked.active,
        resolved_by=tuple(checked.resolved_by),
        times=checked.at_least.times if checked.at_least else 1,
        within=checked.at_least.within if checked.at_least else timedelta(),
        every=checked.every,
    )


def _asked_on(checked: AlertEntry, at: At) -> Iterator[Mistake]:
    """An alert is asked on events or by the clock, and of what it needs for that nothing is missing."""
    if not checked.on and checked.every is None:
        mend = "Name event types, such as vm_poweroff or compute.instance.*.error, or say `every: 1h`"
        yield Mistake(at, "the alert has no 'on' and no 'every'", mend)
    for name in set(checked.on) & {ALERT_DUE, READING_RECEIVED}:
        yield Mistake((*at, "on"), f"the event {name} is for alerts that the clock asks", "Say `every: 1h` instead")
    if checked.every is None:
        return
    if checked.on:
        mend = "Remove one of the two, or make two alerts of it"
        yield Mistake((*at, "every"), "an alert is asked on events or by the clock, and this one says both", mend)
    if checked.target is None:
        mend = "Add the kind of its objects, such as target: server"
        yield Mistake((*at, "every"), "an alert that the clock asks has no target", mend)
    elif checked.target in RAISED_AS:
        yield Mistake((*at, "target"), f"the clock asks nothing about a {checked.target}", "Say `on` with its events")
    if checked.at_least is not None:
        mend = "Remove it, or say `on` with those events"
        yield Mistake((*at, "at_least"), "at_least counts events, and this alert names none", mend)


def _summary(entry: dict[Any, Any], at: At, kind: str | None, mistakes: list[Mistake]) -> str | Template:
    """The incident's line: the description, or the name where there is none."""
    written = entry.get("description") or entry.get("name")
    if not isinstance(written, str):
        return ""
    try:
        return read_template(written.strip(), kind)
    except BadText as mistake:
        mistakes.append(mistake.at(*at, "description"))
        return ""
