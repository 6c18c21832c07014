"""Values that files of jobs write: ``<fact>`` elements with their types, lists and dictionaries."""

from __future__ import annotations

from typing import Any, NamedTuple

from tasks.constraints.grammar import Findings
from tasks.constraints.xml import Element
from tasks.model import fact_types

#: Types as files write them; an ``Array`` says the type of its elements with ``of``.
_TYPES = {name: name for name in (*fact_types.SCALARS, fact_types.DICTIONARY)} | {"array": fact_types.ARRAY}
_NAME_LENGTH = 128
WRONG_VALUE = "E303"


class Written(NamedTuple):
    """One ``<fact>``: its name, type and canonical value, None where none is written."""

    name: str
    type: str
    value: Any


def read_fact(element: Element, findings: Findings) -> Written | None:
    """Read a ``<fact name= type= value=>``; None where it is wrong."""
    if not findings.attributes(element, ("name",), ("type", "value", "of")):
        return None
    given = element.attributes
    name = given["name"]
    if not name or len(name) > _NAME_LENGTH or not all(c.isalnum() or c in "._-*" for c in name):
        findings.note(element, "E208", f"name={name[:60]!r}", "Write letters, digits, points, _ and -")
        return None
    kind = _kind(element, findings)
    if kind is None:
        return None
    try:
        return Written(name, kind, _value(element, kind, findings))
    except fact_types.BadValue as mistake:
        findings.note(element, WRONG_VALUE, f"{name} is no value of the type {kind}", str(mistake).capitalize())
        return None


def _kind(element: Element, findings: Findings) -> str | None:
    written = element.attributes.get("type", "String")
    kind = _TYPES.get(written.lower())
    if kind is None:
        known = ", ".join(word.capitalize() for word in _TYPES)
        findings.note(element, "E208", f"type={written[:60]!r}", f"Write one of: {known}")
        return None
    if kind != fact_types.ARRAY:
        return kind
    of = element.attributes.get("of", "String").lower()
    if of not in fact_types.SCALARS:
        findings.note(element, "E208", f"of={of[:60]!r}", "Name the type of the elements, such as String")
        return None
    return f"{of}{fact_types.ARRAY}"


def _value(element: Element, kind: str, findings: Findings) -> Any:
    written = element.attributes.get("value")
    inner = "element" if fact_types.element_of(kind) else "dict" if kind == fact_types.DICTIONARY else None
    for child in element.children:
        if child.name != inner:
            findings.unknown(child, element.name, [inner] if inner else ())
    if inner is None:
        return None if written is None else fact_types.parse(kind, written)
    if written is not None:
        raise fact_types.BadValue(f"write <{inner}> elements instead of a value")
    held = [child for child in element.children if child.name == inner]
    if inner == "element":
        good = [child for child in held if findings.attributes(child, ("value",))]
        return fact_types.canonical(kind, [child.attributes["value"] for child in good]) if held else None
    pairs: dict[str, Any] = {}
    for child in held:
        if findings.attributes(child, ("name", "value"), ("type",)) and (of := _kind(child, findings)) is not None:
            pairs[child.attributes["name"]] = fact_types.parse(of, child.attributes["value"])
    return fact_types.canonical(kind, pairs) if held else None
