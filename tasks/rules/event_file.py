"""Reads one ``NAME.event`` (spec orchestrate 2): the rule event, or all that is wrong with it."""

from __future__ import annotations

import re
from datetime import UTC, tzinfo

from tasks.constraints import durations
from tasks.constraints.grammar import Findings, sentence
from tasks.constraints.read import ConstraintReader
from tasks.constraints.xml import Complaint, Element, Refused, against_schema, parse
from tasks.model.builtin_events import RESET_SUFFIX, is_taken
from tasks.model.catalogue import CONTEXT_KINDS
from tasks.rules.context_file import read_context
from tasks.rules.definition import (
    ARM,
    BATCH,
    BOTH,
    BY_RULE,
    BY_TIMEOUT,
    DEFAULT_INTERVAL,
    EACH,
    EITHER,
    FIRE,
    RESET_MODES,
    RuleEvent,
    Timing,
    completed,
)
from tasks.rules.lint import flapping

#: The published schema of these files.
SCHEMA = "event_1_0_0.xsd"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_SECTIONS = ("context", "trigger", "reset")
_ATTRIBUTES = (
    "name", "description", "enabled", "resetInterval", "resetMode", "notify", "notifyReset", "initial", "for",
    "keepFiringFor", "severity",
)  # fmt: skip
_SEVERITIES = ("info", "warning", "error")


def read_event(
    content: bytes, stem: str, path: str = "", zone: tzinfo = UTC
) -> tuple[RuleEvent | None, list[Complaint]]:
    """The rule event of a file, and its complaints; None where one of them is an error.

    ``stem`` is the file's name without its ending, which is the event's name. ``zone`` is that of dates without
    an offset.
    """
    try:
        root = parse(content)
    except Refused as refusal:
        return None, [refusal.complaint]
    findings = Findings(zone=zone)
    rule = _read(root, stem, path, content, findings)
    if not findings.errors:
        findings.complaints += against_schema(content, SCHEMA)
    return (None if findings.errors else rule), sorted(findings.complaints, key=lambda c: (c.line, c.column))


def _read(root: Element, stem: str, path: str, content: bytes, findings: Findings) -> RuleEvent | None:
    if root.name != "event":
        findings.note(root, "E201", f"the root is <{root.name[:60]}>", "Begin with <event>")
        return None
    findings.attributes(root, (), _ATTRIBUTES)
    _check_name(root, stem, findings)
    sections = _sections(root, findings)
    context = read_context(sections["context"], findings) if "context" in sections else None
    reader = ConstraintReader(findings, context.kinds if context else CONTEXT_KINDS)
    trigger = reader.section(sections["trigger"]) if "trigger" in sections else None
    reset = reader.section(sections["reset"]) if "reset" in sections else None
    timing = _timing(root, reset is not None, findings)
    given = root.attributes
    if context is None or trigger is None:
        return None
    rule = RuleEvent(
        name=stem,
        path=path,
        context=context,
        trigger=trigger,
        reset=reset,
        timing=timing,
        notify=findings.chosen(root, "notify", (BATCH, EACH), BATCH),
        notify_reset=findings.flag(root, "notifyReset", False),
        initial=findings.chosen(root, "initial", (FIRE, ARM), FIRE),
        enabled=findings.flag(root, "enabled", True),
        severity=findings.chosen(root, "severity", _SEVERITIES, "info"),
        description=given.get("description", "").strip(),
        source=content.decode("utf-8", "replace"),
    )
    if reset is not None and flapping(trigger, reset):
        what = "trigger and reset can hold at the same time: it would fire at every second pass"
        findings.note(sections["reset"], "W401", what, "Leave a band between them")
    return completed(rule)


def _check_name(root: Element, stem: str, findings: Findings) -> None:
    named = root.attributes.get("name", stem)
    if named != stem:
        findings.note(root, "E208", f"name={named[:80]!r}", f"The file's name says {stem!r}: make them the same")
    if not _NAME.fullmatch(stem):
        what = f"{stem[:80]!r} is no name of an event"
        findings.note(root, "E208", what, "Use up to 128 letters, digits and _ . -, beginning with a letter")
    if is_taken(stem) or stem.upper().endswith(RESET_SUFFIX):
        findings.note(root, "E309", f"the name {stem} is one of Catchment's own", "Give the file another name")


def _sections(root: Element, findings: Findings) -> dict[str, Element]:
    found: dict[str, Element] = {}
    for child in root.children:
        if child.name not in _SECTIONS:
            findings.unknown(child, "event", _SECTIONS)
        elif child.name in found:
            findings.note(child, "E201", f"a second <{child.name}>", "Put all of it into one")
        else:
            found[child.name] = child
    for name in ("context", "trigger"):
        if name not in found:
            findings.note(root, "E203", f"there is no <{name}>", "Add it")
    return found


def _timing(root: Element, has_reset: bool, findings: Findings) -> Timing:
    spans = {name: _span(root, name, findings) for name in ("resetInterval", "for", "keepFiringFor")}
    interval = spans["resetInterval"]
    given = "resetMode" in root.attributes
    mode = findings.chosen(root, "resetMode", RESET_MODES, BY_RULE if has_reset else BY_TIMEOUT)
    if has_reset and interval is not None and not given:
        what = "resetInterval is not used: there is a <reset>, which decides"
        findings.note(root, "W404", what, 'Remove one, or say resetMode="either" or "both"')
    if mode in (BY_RULE, BOTH) and not has_reset:
        findings.note(root, "E305", f'resetMode="{mode}" without a <reset>', "Add a <reset>")
    if mode == EITHER and not has_reset:
        findings.note(root, "E305", 'resetMode="either" without a <reset>', 'Add a <reset>, or say "timeout"')
    if mode == BOTH and interval is None:
        findings.note(root, "E305", 'resetMode="both" without a resetInterval', "Add it")
    if mode in (BY_TIMEOUT, EITHER):
        interval = interval or DEFAULT_INTERVAL
    return Timing(mode, None if mode == BY_RULE else interval, spans["for"] or 0, spans["keepFiringFor"] or 0)


def _span(root: Element, name: str, findings: Findings) -> int | None:
    written = root.attributes.get(name)
    if written is None:
        return None
    try:
        return durations.seconds(written)
    except ValueError as error:
        findings.note(root, "E208", f"{name}={written[:60]!r}", sentence(error))
        return None
