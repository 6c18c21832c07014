"""Reads ``.sched`` files of the second generation (spec orchestrate 9.1), and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

from tasks.constraints.grammar import Findings
from tasks.constraints.nodes import Group
from tasks.constraints.read import ConstraintReader
from tasks.constraints.xml import Element
from tasks.jobs.model import ALLOW, CONSTRAINTS, PRIORITIES, QUEUE, SKIP, SYSTEM_USER, Schedule, event_name
from tasks.jobs.triggers import name_of
from tasks.jobs.values import Written, read_fact
from tasks.model import fact_types
from tasks.model.catalogue import CONTEXT_KINDS

SCHEMA = "schedule_2_0_0.xsd"
_PARTS = ("runjob", "jobargs", "passuserenv", "foreach", "constraint", "triggers")
_ONCE = tuple(name for name in _PARTS if name != "constraint")


def read_schedule(root: Element, findings: Findings) -> Schedule | None:
    """Read a document of the root ``<schedule>`` with a name; None where it is wrong."""
    if not findings.attributes(root, ("name",), ("description", "active", "overlap")):
        return None
    name = name_of(root, findings)
    parts = parts_of(root, findings)
    run = parts.get("runjob")
    if run is None:
        findings.note(root, "E203", "a schedule runs a job", 'Add <runjob job="…"/>')
        return None
    if not findings.attributes(run, ("job",), ("user", "priority")):
        return None
    job = name_of(run, findings, "job")
    if "foreach" in parts and findings.attributes(parts["foreach"], ("kind",)):
        findings.chosen(parts["foreach"], "kind", ("resource",), "resource")
    given = arguments(parts["jobargs"], findings) if "jobargs" in parts else {}
    asked = constraints(root, findings)
    named = triggers(parts["triggers"], findings) if "triggers" in parts else ()
    if name is None or job is None:
        return None
    return Schedule(
        name=name,
        job=job,
        description=root.attributes.get("description", ""),
        active=findings.flag(root, "active", False),
        overlap=findings.chosen(root, "overlap", (ALLOW, SKIP, QUEUE), ALLOW),
        user=run.attributes.get("user", SYSTEM_USER),
        priority=findings.chosen(run, "priority", PRIORITIES, "medium"),
        arguments=given,
        foreach="foreach" in parts,
        constraints=asked,
        triggers=named,
    )


def parts_of(root: Element, findings: Findings) -> dict[str, Element]:
    """The children that may be there once, by their names."""
    found: dict[str, Element] = {}
    for child in root.children:
        if child.name not in _PARTS:
            findings.unknown(child, root.name, _PARTS)
        elif child.name in _ONCE:
            if child.name in found:
                findings.note(child, "E203", f"<{child.name}> a second time", "Join the two")
            found[child.name] = child
            if child.name in ("runjob", "passuserenv", "foreach"):
                findings.leaf(child)
    return found


def constraints(root: Element, findings: Findings) -> Mapping[str, Group]:
    """The constraints of a schedule or policy, joined by their types."""
    found: dict[str, list[Group]] = {}
    for element in root.children:
        if element.name != "constraint":
            continue
        kind = element.attributes.get("type", "")
        if kind not in CONSTRAINTS:
            mend = f"Write one of: {', '.join(CONSTRAINTS)}"
            findings.note(element, "E208", f"type={kind[:60]!r}", mend)
            continue
        plain = Element(element.name, {}, element.line, element.column, element.children)
        findings.attributes(element, ("type",))
        found.setdefault(kind, []).append(ConstraintReader(findings, CONTEXT_KINDS).section(plain))
    return {kind: groups[0] if len(groups) == 1 else Group("and", kind, groups) for kind, groups in found.items()}


def arguments(element: Element, findings: Findings) -> Mapping[str, Any]:
    """The arguments that a schedule gives, as plain values by their names."""
    found: dict[str, Any] = {}
    for written in facts(element, findings):
        name = written.name.removeprefix("jobargs.")
        found[name] = fact_types.plain(written.value)
    return found


def facts(element: Element, findings: Findings) -> list[Written]:
    """The ``<fact>`` children of an element, each name once."""
    found: dict[str, Written] = {}
    for child in element.children:
        if child.name != "fact":
            if child.name != "constraint":
                findings.unknown(child, element.name, ("fact",))
            continue
        made = read_fact(child, findings)
        if made is not None:
            if made.name in found:
                findings.note(child, "E203", f"{made.name} a second time", "Remove one of them")
            found[made.name] = made
    return list(found.values())


def triggers(element: Element, findings: Findings) -> tuple[str, ...]:
    """The names of triggers in a ``<triggers>`` element, each once."""
    found: list[str] = []
    for child in element.children:
        if child.name != "trigger":
            findings.unknown(child, element.name, ("trigger",))
            continue
        findings.leaf(child)
        if not findings.attributes(child, ("name",)):
            continue
        written = event_name(child.attributes["name"])
        plain = Element(child.name, {"name": written}, child.line, child.column)
        if name_of(plain, findings) is not None and written not in found:
            found.append(written)
    return tuple(found)


def write_schedule(schedule: Schedule) -> bytes:
    """A schedule in the form of the second generation, without its constraints."""
    root = etree.Element("schedule", name=schedule.name)
    if schedule.description:
        root.set("description", schedule.description)
    root.set("active", "true" if schedule.active else "false")
    root.set("overlap", schedule.overlap)
    etree.SubElement(root, "runjob", job=schedule.job, user=schedule.user, priority=schedule.priority)
    if schedule.arguments:
        given = etree.SubElement(root, "jobargs")
        for name, value in schedule.arguments.items():
            _write_fact(given, name, value)
    if schedule.foreach:
        etree.SubElement(root, "foreach", kind="resource")
    named = etree.SubElement(root, "triggers")
    for trigger in schedule.triggers:
        etree.SubElement(named, "trigger", name=trigger)
    return bytes(etree.tostring(root, pretty_print=True, encoding="utf-8"))


def _write_fact(parent: etree._Element, name: str, value: Any) -> None:
    kind = fact_types.type_of(value)
    element = fact_types.element_of(kind)
    fact = etree.SubElement(parent, "fact", name=name, type="Array" if element else kind.capitalize())
    if element:
        fact.set("of", element.capitalize())
        for item in value:
            etree.SubElement(fact, "element", value=fact_types.dump(element, item))
    elif kind == fact_types.DICTIONARY:
        for key, inner in value.items():
            scalar = fact_types.type_of(inner)
            etree.SubElement(fact, "dict", name=key, type=scalar.capitalize(), value=fact_types.dump(scalar, inner))
    elif value is not None:
        fact.set("value", fact_types.dump(kind, value))
