"""Reads one ``NAME.policy``: facts by decree, and constraints on health (spec orchestrate 3, 8)."""

from __future__ import annotations

from datetime import UTC, tzinfo

from tasks.constraints.grammar import Findings, sentence
from tasks.constraints.read import ConstraintReader
from tasks.constraints.xml import Complaint, Element, Refused, against_schema, parse
from tasks.model.catalogue import lookup
from tasks.model.fact_types import STRING, TYPES, BadValue, canonical, element_of
from tasks.model.fact_types import parse as parse_value
from tasks.rules.context_file import read_context
from tasks.rules.definition import Context, FactPolicy

#: The published schema of these files.
SCHEMA = "policy_1_0_0.xsd"
#: The one type of constraint that is looked at here; all others are for jobs.
HEALTH = "health"


def read_policy(
    content: bytes, stem: str, path: str = "", zone: tzinfo = UTC
) -> tuple[FactPolicy | None, list[Complaint]]:
    """The policy of a file, and its complaints; None where one of them is an error."""
    try:
        root = parse(content)
    except Refused as refusal:
        return None, [refusal.complaint]
    findings = Findings(zone=zone)
    made = _read(root, stem, path, findings)
    if not findings.errors:
        findings.complaints += against_schema(content, SCHEMA)
    return (None if findings.errors else made), sorted(findings.complaints, key=lambda c: (c.line, c.column))


def _read(root: Element, stem: str, path: str, findings: Findings) -> FactPolicy | None:
    if root.name != "policy":
        findings.note(root, "E201", f"the root is <{root.name[:60]}>", "Begin with <policy>")
        return None
    findings.attributes(root, ())
    first = root.children[0] if root.children else None
    if first is None or first.name != "context":
        findings.note(root, "E203", "there is no <context>", "Begin with the objects that it is for")
        return None
    context = read_context(first, findings)
    if context is None:
        return None
    facts: list[tuple[str, str, object]] = []
    health = None
    for child in root.children[1:]:
        if child.name == "fact":
            facts += _fact(child, context, findings)
        elif child.name == "constraint" and health is None:
            findings.attributes(child, ("type",))
            findings.chosen(child, "type", (HEALTH,), HEALTH)
            bare = Element(child.name, {}, child.line, child.column, child.children)
            health = ConstraintReader(findings, context.kinds).section(bare)
        else:
            findings.unknown(child, "policy", ("fact", "constraint"))
    return FactPolicy(stem, path, context, tuple(facts), health)


def _fact(element: Element, context: Context, findings: Findings) -> list[tuple[str, str, object]]:
    findings.leaf(element)
    if not findings.attributes(element, ("name", "value"), ("type",)):
        return []
    given = element.attributes
    kind = context.iterated or context.kinds[0]
    if not given["name"].startswith(f"{kind}."):
        findings.note(element, "E306", f"name={given['name'][:80]!r}", f"Name a fact of the {kind}")
        return []
    known = lookup(given["name"])
    wanted = known.type if known is not None else given.get("type", STRING).lower()
    if wanted not in TYPES or ("type" in given and given["type"].lower() != wanted):
        findings.note(element, "E208", f"type={given.get('type', '')[:60]!r}", f"It is of the type {wanted}")
        return []
    try:
        inner = element_of(wanted)
        read = (
            canonical(wanted, given["value"].split(","))
            if inner
            else parse_value(wanted, given["value"], findings.zone)
        )
    except BadValue as error:
        findings.note(element, "E303", f"value={given['value'][:60]!r}", sentence(error))
        return []
    return [(given["name"], wanted, read)]
