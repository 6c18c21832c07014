"""Reads the ``.policy`` of a job: its limits, its arguments, and the constraints under which it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.constraints.grammar import Findings
from tasks.constraints.nodes import Group
from tasks.constraints.xml import Element
from tasks.jobs.model import Argument
from tasks.jobs.schedules import constraints, facts
from tasks.model import fact_types

SCHEMA = "job_policy_1_0_0.xsd"
_STRINGS = f"{fact_types.STRING}{fact_types.ARRAY}"
#: What a policy may say of its job: the type, the bounds of a number, and the field of the job that it sets.
_KNOWN: Mapping[str, tuple[str, int, int, str]] = {
    "job.description": (fact_types.STRING, 0, 0, "description"),
    "job.enabled": (fact_types.BOOLEAN, 0, 0, "enabled"),
    "job.timeout": (fact_types.INTEGER, 1, 3600, "timeout"),
    "job.attempts": (fact_types.INTEGER, 1, 20, "attempts"),
    "job.memory": (fact_types.INTEGER, 64, 16_384, "memory"),
    "job.discovery": (fact_types.BOOLEAN, 0, 0, "discovery"),
    "job.maxrunning": (fact_types.INTEGER, -1, 10_000, "most_running"),
    "job.facts": (_STRINGS, 0, 0, "writes"),
    "job.resources.rankby": (_STRINGS, 0, 0, "rank_by"),
}
_CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy says: fields of the job, its arguments by name, and its constraints by type."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    constraints: Mapping[str, Group] = field(default_factory=dict)


def read_policy(root: Element, findings: Findings) -> Policy | None:
    """Read a document of the root ``<policy>``; None where it is none."""
    if root.name != "policy":
        findings.unknown(root, "a .policy file", ("policy",))
        return None
    findings.attributes(root, ())
    places = {child.attributes.get("name"): child for child in root.children if child.name == "fact"}
    fields: dict[str, Any] = {}
    arguments: dict[str, Argument] = {}
    for written in facts(root, findings):
        place = places[written.name]
        if written.name.startswith("jobargs."):
            name = written.name.removeprefix("jobargs.")
            if name == _CONTEXT and written.type != fact_types.DICTIONARY:
                findings.note(place, "E312", "jobargs.context is no Dictionary", 'Write type="Dictionary"')
            arguments[name] = Argument(name, written.type, fact_types.plain(written.value))
        elif written.name in _KNOWN:
            _set(fields, written.name, written.type, written.value, place, findings)
        else:
            mend = f"Known are jobargs.* and {', '.join(_KNOWN)}"
            findings.note(place, "E312", f"no job has a fact {written.name!r} to be set here", mend)
    return Policy(fields, arguments, constraints(root, findings))


def _set(fields: dict[str, Any], name: str, kind: str, value: Any, place: Element, findings: Findings) -> None:
    wanted, low, high, attribute = _KNOWN[name]
    if kind != wanted or value is None:
        element = fact_types.element_of(wanted)
        word = "Array" if element else wanted.capitalize()
        findings.note(place, "E303", f"{name} is of the type {word}", f'Write type="{word}" and a value')
        return
    if high and not low <= value <= high:
        findings.note(place, "E303", f"{name}={value} lies outside {low}-{high}", "Correct the value")
        return
    fields[attribute] = tuple(value) if isinstance(value, list) else value
