"""Schema fields and method inputs from a file (spec automate 1.4), and what can be told of their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.switchboard.address import parse_address
from tasks.switchboard.collect import parse_collect
from tasks.switchboard.datastore import Field, Value
from tasks.switchboard.datatypes import DATATYPES
from tasks.switchboard.errors import AutomateError
from tasks.switchboard.methods import is_call
from tasks.switchboard.sheet import Place, Sheet
from tasks.switchboard.substitute import split
from tasks.switchboard.text import Filled, fold

AETYPES = ("assertion", "attribute", "method", "relationship", "state")

#: What surrounds a value, in a schema field and in an instance alike.
STEP_KEYS = ("collect", "on_entry", "on_exit", "on_error", "max_retries", "max_time")
FIELD_KEYS = (
    *("aetype", "name", "display_name", "description", "datatype", "priority", "owner", "visibility"),
    *("condition", "scope", "default_value", "substitute", "message"),
    *STEP_KEYS,
)

#: What a field's, an input's or a method's name may be.
WORD = re.compile(r"[A-Za-z0-9_]+")


def read_fields(sheet: Sheet, section: str) -> tuple[Field, ...]:
    """The fields of a schema, or the inputs of a method."""
    read: list[tuple[int | None, Field]] = []
    for place, key, inner in sheet.rows(section):
        if key != "field":
            sheet.problem(
                place,
                f"{key[:60]!r} stands where `field` is expected",
                "Write `- field:` and indent its keys below",
            )
            continue
        field = _field(sheet, place, inner, section)
        if field is None:
            continue
        if any(other.key == field.key for _, other in read):
            sheet.problem(
                (*place, "name"),
                f"the field {field.name} is there twice",
                "Rename one of them, or leave it out",
            )
        read.append((_priority(sheet, place, inner), field))
    ordered = sorted(read, key=lambda pair: (pair[0] is None, pair[0] or 0))
    return tuple(field for _, field in ordered)


def _priority(sheet: Sheet, place: Place, inner: Mapping[str, Any]) -> int | None:
    text = sheet.text_at((*place, "priority"), inner.get("priority"))
    if text is None or not text.strip():
        return None
    try:
        return int(text)
    except ValueError:
        sheet.problem(
            (*place, "priority"),
            f"priority is {text[:40]!r}",
            "Write a whole number: fields run in ascending order",
        )
        return None


def _field(sheet: Sheet, place: Place, inner: Mapping[str, Any], section: str) -> Field | None:
    sheet.known(place, inner, FIELD_KEYS)
    texts = {
        key: sheet.text_at((*place, key), inner.get(key)) for key in FIELD_KEYS if key not in ("substitute", "priority")
    }
    name = (texts["name"] or "").strip()
    if not WORD.fullmatch(name):
        sheet.problem((*place, "name"), f"{name[:60]!r} is no name for a field", "Use letters, digits and `_`")
        return None
    aetype = (texts["aetype"] or "").strip() or None
    if section == "schema" and aetype is not None and aetype not in AETYPES:
        sheet.problem(
            (*place, "aetype"),
            f"the field {name} has the unknown aetype {aetype[:40]!r}",
            f"Use one of {', '.join(AETYPES)}",
        )
        return None
    datatype = (texts["datatype"] or "").strip()
    if fold(datatype) not in DATATYPES:
        sheet.warn(
            (*place, "datatype"),
            f"there is no datatype {datatype[:40]!r}",
            f"Use one of {', '.join(filter(None, DATATYPES))}; with another one the object is dropped",
        )
    steps = {key: texts[key] for key in STEP_KEYS}
    default = Value(texts["default_value"], **steps, line=sheet.document.line(*place, "default_value"))
    substitute = _substitutes(sheet, place, inner)
    field = Field(
        name,
        aetype if section == "schema" else None,
        default,
        datatype,
        substitute,
        _messages(texts["message"]),
    )
    check_value(sheet, place, field, default, "default_value")
    return field


def _messages(text: str | None) -> frozenset[str] | None:
    named = {fold(message.strip()) for message in (text or "").split(",") if message.strip()}
    return None if "*" in named else frozenset(named or {"create"})


def _substitutes(sheet: Sheet, place: Place, inner: Mapping[str, Any]) -> bool:
    value = inner.get("substitute", True)
    if value is not None and not isinstance(value, bool):
        sheet.problem((*place, "substitute"), "substitute is neither true nor false", "Write true or false")
    return value is True


def check_value(sheet: Sheet, place: Place, field: Field, value: Value, key: str) -> None:
    """Note what will end every delivery that comes along: unreadable tokens, addresses, calls, collects.

    Warnings, for the rest of the domain is sound, and an instance that no event meets does no harm.
    """
    text = value.value
    try:
        if value.collect and field.aetype in ("attribute", "relationship", "state"):
            parse_collect(value.collect)
    except AutomateError as mistake:
        sheet.warn(
            (*place, "collect"),
            f"the collect of {field.name} cannot be read: {mistake}",
            "Write `target = name`, `target = [a, b].sum` or `target = {key => value}`",
        )
    if text is None or not text.strip() or text.lstrip().startswith("#") or field.aetype is None:
        return
    try:
        tokens = field.substitute and any(not isinstance(piece, str) for piece in split(text))
        if not tokens and field.aetype == "relationship":
            parse_address(Filled(text))
    except AutomateError as mistake:
        sheet.warn(
            (*place, key),
            f"the value of {field.name} cannot be read: {mistake}",
            "Write /Namespace/Class/Instance?key=value, with ${object#attribute} for what an event brings",
        )
        return
    if not tokens and field.aetype == "method" and not is_call(text):
        sheet.warn(
            (*place, key),
            f"the value of {field.name} is no method call",
            "Write name, or Namespace/Class.name(key => 'value')",
        )
