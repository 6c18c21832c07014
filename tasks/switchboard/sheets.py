"""Classes, instances and methods from their files (spec automate 1.3 to 1.7)."""

from __future__ import annotations

import re

from tasks.switchboard.builtin import BUILTINS
from tasks.switchboard.datastore import Class, Instance, Method, Value
from tasks.switchboard.schema import STEP_KEYS, WORD, check_value, read_fields
from tasks.switchboard.sheet import ATTRIBUTES, Sheet
from tasks.switchboard.text import fold

LOCATIONS = (
    "builtin",
    "inline",
    "expression",
    "playbook",
    "ansible_job_template",
    "ansible_workflow_template",
    "uri",
)

DOMAIN_KEYS = (
    "name",
    "description",
    "display_name",
    "priority",
    "enabled",
    "tenant_id",
    "source",
    "top_level_namespace",
    "system",
)
NAMESPACE_KEYS = ("name", "description", "display_name", "priority", "enabled")
CLASS_KEYS = (
    "name",
    "description",
    "display_name",
    "type",
    "inherits",
    "visibility",
    "owner",
    "relative_path",
)
INSTANCE_KEYS = ("name", "display_name", "inherits", "description", "relative_path")
METHOD_KEYS = (
    "name",
    "display_name",
    "description",
    "scope",
    "language",
    "location",
    "data",
    "embedded_methods",
    "options",
    "relative_path",
)
_VALUE_KEYS = ("value", "display_name", "condition", *STEP_KEYS)

_NAME = re.compile(r"[A-Za-z0-9_.\-]+")


def read_name(sheet: Sheet, kind: str, default: str | None = None) -> str | None:
    """The name of a class or instance, or None with the problem noted.

    Other characters than ManageIQ allows are taken, with a warning: event types may have them.
    """
    place = (*ATTRIBUTES, "name")
    text = sheet.text("name")
    name = (text if text is not None else default or "").strip()
    if not name or not name.isprintable() or len(name) > 255:
        sheet.problem(place, f"the {kind} has no usable name", "Give it a name of 1 to 255 printable characters")
        return None
    if not _NAME.fullmatch(name):
        sheet.warn(
            place,
            f"the name {name!r} has characters that ManageIQ does not take",
            "Use letters, digits, `_`, `.` and `-` where the datastore is shared",
        )
    return name


def read_class(sheet: Sheet, namespace: tuple[str, ...]) -> Class | None:
    """A class with its schema in the order in which fields run: by priority, then as in the file (D01)."""
    sheet.known(ATTRIBUTES, sheet.attributes, CLASS_KEYS)
    name = read_name(sheet, "class")
    fields = read_fields(sheet, "schema")
    return Class(namespace, name, fields, description=sheet.text("description"), file=sheet.path) if name else None


def read_instance(sheet: Sheet, of: Class, *, check_fields: bool) -> Instance | None:
    """An instance; each of its fields must be in the schema (A21, A22)."""
    sheet.known(ATTRIBUTES, sheet.attributes, INSTANCE_KEYS)
    name = read_name(sheet, "instance")
    if (sheet.text("inherits") or "").strip():
        sheet.warn(
            (*ATTRIBUTES, "inherits"),
            "instances do not inherit",
            "It has no effect: copy the values that are meant",
        )
    schema = {field.key: field for field in of.fields}
    values: dict[str, Value] = {}
    for place, key, inner in sheet.rows("fields"):
        sheet.known(place, inner, _VALUE_KEYS)
        texts = {k: sheet.text_at((*place, k), inner.get(k)) for k in ("value", *STEP_KEYS)}
        value = Value(**texts, line=sheet.document.line(*place))
        field = schema.get(fold(key))
        if field is None:
            if check_fields:
                sheet.problem(
                    place,
                    f"Field [{key[:60]}] not found in the schema of {of.path}",
                    "Add it to __class__.yaml, or check its spelling",
                )
            continue
        if field.key in values:
            sheet.problem(place, f"the field {key[:60]} is given twice", "Leave one of them out")
        values[field.key] = value
        check_value(sheet, place, field, value, "value")
    if name is None:
        return None
    return Instance(name, values, sheet.path, sheet.text("display_name"), sheet.text("description"))


def read_method(sheet: Sheet) -> Method | None:
    """A method and its inputs. Bodies are not read: built-in methods and Python functions are run, and nothing else."""
    sheet.known(ATTRIBUTES, sheet.attributes, METHOD_KEYS)
    name = (sheet.text("name") or "").strip()
    if not WORD.fullmatch(name):
        sheet.problem((*ATTRIBUTES, "name"), f"{name[:60]!r} is no name for a method", "Use letters, digits and `_`")
        return None
    location = (sheet.text("location") or "inline").strip()
    language = "" if location == "builtin" else fold(sheet.text("language") or "ruby").strip()
    data = (sheet.text("data") or "").strip()
    implementation = fold(data or name) if location == "builtin" else (data or name) if language == "python" else ""
    place = (*ATTRIBUTES, "location")
    if location not in LOCATIONS:
        sheet.problem(
            place,
            f"the method {name} has the unknown location {location[:40]!r}",
            f"Use one of {', '.join(LOCATIONS)}",
        )
        return None
    if location == "builtin" and implementation not in BUILTINS:
        sheet.warn(
            place,
            f"there is no built-in {implementation[:60]!r}",
            f"An event that calls it ends there. Built-ins: {', '.join(sorted(BUILTINS))}",
        )
    inputs = read_fields(sheet, "inputs")
    return Method(name, location, implementation, inputs, language=language, file=sheet.path)
