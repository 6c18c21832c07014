"""Reads the ``<context>`` of rule events and policies (spec orchestrate 2.3)."""

from __future__ import annotations

from tasks.constraints.grammar import Findings
from tasks.constraints.xml import Element
from tasks.model.catalogue import CONTEXT_KINDS
from tasks.rules.definition import Context


def read_context(element: Element, findings: Findings) -> Context | None:
    """The objects that a ``<context>`` names; None for an empty one."""
    findings.attributes(element, ())
    iterated: list[Element] = []
    fixed: dict[str, str] = {}
    for child in element.children:
        if child.name not in CONTEXT_KINDS:
            findings.unknown(child, "context", CONTEXT_KINDS)
            continue
        findings.leaf(child)
        findings.attributes(child, (), ("id", "group"))
        given = child.attributes
        if any(given.get(name) == "" for name in ("id", "group")) or len(given) > 1:
            findings.note(
                child, "E302", f"<{child.name}> has an empty id or group, or both", "Give one, or none for all"
            )
        elif child.name in fixed or child.name in {one.name for one in iterated}:
            findings.note(child, "E302", f"a second <{child.name}> in the context", "Name each kind once")
        elif "id" in given:
            fixed[child.name] = given["id"]
        else:
            iterated.append(child)
    if not element.children:
        findings.note(element, "E205", "<context> is empty", "Name a kind of objects, such as <vmhost/>")
        return None
    if len(iterated) > 1:
        names = " and ".join(f"<{one.name}>" for one in iterated)
        findings.note(iterated[1], "E302", f"{names} would both be iterated over", "Give one of them an id")
    first = iterated[0] if iterated else None
    group = first.attributes.get("group") if first else None
    return Context(first.name if first else None, group, tuple(sorted(fixed.items())))
