"""Reads ``alerts/*.yaml`` of the site: every alert, or every mistake with its line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from tasks.alert.entry import AlertEntry
from tasks.alert.model import Alert, AlertSet
from tasks.expressions.actions import read_actions
from tasks.expressions.mistakes import At, BadText, Mistake, from_validation
from tasks.expressions.placeholders import Template, read_template
from tasks.expressions.reader import compile_expression
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
    )


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
