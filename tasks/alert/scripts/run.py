"""Concludes on one event by the site's script actions: a pure function of event and site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.alert.scripts.section import ASKED, ScriptActions, Section
from tasks.model.event import PROVIDER_EVENT, Event
from tasks.model.outcome import Ask, Finding, Outcome, View
from tasks.providers.esi_leap.envelope import ROW, data_of

PART = "actions"
#: What a row of ESI Leap's history says of its lease, in the words of a message.
_ROW_WORDS = {
    "uuid": "object_uuid",
    "resource_uuid": "resource_uuid",
    "node_uuid": "resource_uuid",
    "resource_type": "resource_type",
    "project_id": "lessee_id",
    "owner_id": "owner_id",
}


def run_scripts(event: Event, view: View, outcome: Outcome) -> None:
    """Add to the outcome what each section that names the event's type concludes.

    Only what a provider sent is looked at. Sections are independent of each other, as in the listener.
    """
    actions: ScriptActions | None = view.site.parts.get(PART)
    if not actions or event.namespace != PROVIDER_EVENT:
        return
    sections = actions.naming(event.facts.raw_event_type, event.event_type)
    if not sections:
        return
    level, data = level_of(event), data_for(event, view)
    for section in sections:
        conclusion = section.judge(level, data)
        outcome.findings.append(Finding("script action", section.label, conclusion.verdict, conclusion.detail))
        if conclusion.verdict == ASKED:
            outcome.asks.append(_ask(section, conclusion.command, conclusion.values, event))


def level_of(event: Event) -> str:
    """The level by which the message was published; a row of the history has none and gets that of its type."""
    content = event.payload.get("content")
    given = content.get("priority") if isinstance(content, Mapping) else None
    if isinstance(given, str) and given:
        return given.lower()
    return "error" if event.facts.phase == "error" else "info"


def data_for(event: Event, view: View) -> Mapping[str, Any]:
    """What keys are looked up in: the fields of the message's object.

    A row of the history carries few of them; the others are those that inventory knows of the lease.
    """
    content = event.payload.get("content")
    payload = content.get("payload") if isinstance(content, Mapping) else None
    if not isinstance(payload, Mapping):
        return {}
    if event.payload.get("form") != ROW:
        return data_of(payload)
    target = event.target()
    known = view.object(event.provider, target) if target is not None else None
    told = {word: payload[key] for word, key in _ROW_WORDS.items() if key in payload}
    return {**(known.attributes if known is not None else {}), **told}


def _ask(section: Section, command: list[str], values: dict[str, str], event: Event) -> Ask:
    params = {"command": command, "values": values, "timeout_seconds": section.timeout_seconds}
    return Ask("script", section.rule, params, event.target())
