"""Reads ``alerts/*.yaml`` of the site: every alert, or every mistake with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from tasks.alert.entry import AlertEntry, ReadingEntry
from tasks.alert.model import Alert, AlertSet
from tasks.alert.reading import ReadingLimit
from tasks.expressions.actions import read_actions
from tasks.expressions.mistakes import At, BadText, Mistake, from_validation
from tasks.expressions.placeholders import Template, read_template
from tasks.expressions.reader import compile_expression
from tasks.model.definitions import ALERT_DUE, READING_RECEIVED
from tasks.model.event import RAISED_AS
from tasks.site.contracts import Part, Problem, SiteContext
from tasks.site.listed import read_listed
from tasks.site.profiles import profiles_of


def read(files: Mapping[str, bytes], context: SiteContext) -> tuple[AlertSet, list[Problem]]:
    """The alerts of the files, in the order of their paths, with all problems found."""

    def one(entry: dict[Any, Any], at: At, mistakes: list[Mistake]) -> Alert | None:
        return _read_alert(entry, at, context, mistakes)

    alerts, problems = read_listed(files, "alerts", "an alert", one)
    profiles = profiles_of(context)
    problems += profiles.unknown("alerts", [alert.name for alert in alerts])
    return AlertSet(alerts, profiles.listed), problems


PART = Part(name="alerts", patterns=("alerts/*.yaml", "alerts/*.yml"), read=read)


def _read_alert(entry: dict[Any, Any], at: At, context: SiteContext, mistakes: list[Mistake]) -> Alert | None:
    """Everything is checked even where something is wrong already; None where anything is."""
    found: list[Mistake] = []
    allowed = context.settings.actions.destructive
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
    notify = read_actions(
        entry.get("notify"), (*at, "notify"), context.actions, kind, found, files=context.files, destructive=allowed
    )
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
        limit=checked.limit.limit() if checked.limit else None,
        every=checked.every,
        reading=_reading(checked.reading),
    )


def _asked_on(checked: AlertEntry, at: At) -> Iterator[Mistake]:
    """An alert is asked on events, by the clock or about readings, and of what it needs for that nothing is missing."""
    given = {"on": checked.on, "every": checked.every, "reading": checked.reading}
    ways = [way for way, what in given.items() if what]
    if not ways:
        mend = "Name event types, such as vm_poweroff or compute.instance.*.error, or say `every: 1h` or `reading:`"
        yield Mistake(at, "the alert has no 'on', no 'every' and no 'reading'", mend)
    if len(ways) > 1:
        what = f"an alert is asked in one way, and this one says {' and '.join(ways)}"
        yield Mistake((*at, ways[1]), what, "Keep one of them, or make two alerts of it")
    for name in set(checked.on) & {ALERT_DUE, READING_RECEIVED}:
        mend = "Say `every` or `reading` instead"
        yield Mistake((*at, "on"), f"the event {name} is for alerts that the clock asks", mend)
    if ways in ([], ["on"]):
        return
    if checked.target is None:
        mend = "Add the kind of its objects, such as target: server"
        yield Mistake((*at, ways[-1]), f"an alert with {ways[-1]!r} has no target", mend)
    elif checked.target in RAISED_AS:
        yield Mistake((*at, "target"), f"a {checked.target} is asked about on its events alone", "Say `on` instead")
    if checked.at_least is not None:
        mend = "Remove it, or say `on` with those events"
        yield Mistake((*at, "at_least"), "at_least counts events, and this alert names none", mend)


def _reading(checked: ReadingEntry | None) -> ReadingLimit | None:
    if checked is None:
        return None
    return ReadingLimit(checked.name, checked.operator, checked.value, checked.span)


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
