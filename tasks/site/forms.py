"""The options of a kind of provider as a list of fields: what a form shows, and what a command asks for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from tasks.site import lines
from tasks.site.references import references

#: How deep sections of options are taken apart; what lies deeper is one field that holds YAML.
_DEEPEST = 3


class NoOption(ValueError):
    """A text that is no value of its field; the words say why, without the text."""


@dataclass(frozen=True, slots=True)
class Field:
    """One option: ``path`` leads to it (``auth.token``), ``kind`` says how it is written.

    ``default`` is the value where none is given, as text; ``yaml`` stands for whatever has parts of its own, which is
    ``private`` where secrets may be among them.
    """

    path: str
    kind: Literal["text", "number", "whole", "flag", "choice", "secret", "yaml"]
    description: str
    required: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()
    private: bool = False


def fields_of(model: type[BaseModel]) -> list[Field]:
    """All options of a model, those of sections included, in the model's order."""
    schema = model.model_json_schema()
    return list(_fields(schema, schema.get("$defs", {}), ()))


def value_of(field: Field, text: str) -> Any:
    """What a text means as the value of a field. Raises :class:`NoOption`."""
    match field.kind:
        case "number" | "whole":
            try:
                return int(text) if field.kind == "whole" else float(text)
            except ValueError:
                raise NoOption(f"{field.path}: this is no {'whole ' if field.kind == 'whole' else ''}number") from None
        case "flag":
            words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
            if text.strip().lower() not in words:
                raise NoOption(f"{field.path}: write true or false")
            return words[text.strip().lower()]
        case "secret":
            if references(text) != [text]:
                raise NoOption(
                    f"{field.path}: give a reference, ${{file:secrets/name}} or ${{env:NAME}}, not the secret"
                )
            return text
        case "yaml":
            return yaml_of(field.path, text)
    return text


def yaml_of(path: str, text: str) -> Any:
    """A text read as YAML. Raises :class:`NoOption`."""
    try:
        return lines.load(text.encode("utf-8", "surrogatepass")).data
    except lines.YamlMistake:
        raise NoOption(f"{path}: this is no YAML") from None


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by path as sections within sections. Raises :class:`NoOption` where two paths exclude each other."""
    found: dict[str, Any] = {}
    for path, value in values.items():
        *sections, last = path.split(".")
        place = found
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise NoOption(f"{path}: {section} is given a value of its own")
        place[last] = value
    return found


def flat(values: Mapping[str, Any], fields: list[Field]) -> dict[str, Any]:
    """The values of an entry by the paths of the fields."""
    found: dict[str, Any] = {}
    for field in fields:
        value: Any = values
        for part in field.path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            found[field.path] = value
    return found


def changes(old: Mapping[str, Any], fresh: Mapping[str, Any], without: Iterable[str]) -> dict[str, Any]:
    """The keys of an entry that change, with their whole new value; None takes one out.

    ``fresh`` and ``without`` are by path. Raises :class:`NoOption` for the name and the type, which are fixed.
    """
    found: dict[str, Any] = {}
    for path, value in [*fresh.items(), *((path, None) for path in without)]:
        top, *rest = path.split(".")
        if top in ("name", "type"):
            raise NoOption("name and type are fixed: remove the provider, and add another one")
        found[top] = _replaced(found.get(top, old.get(top)), rest, value)
    return found


def shown(field: Field, value: Any) -> str:
    """A value of an entry as text for its field; nothing for one that is, or may hold, a secret in clear."""
    if value is None or (field.kind == "secret" and references(str(value)) != [value]) or field.private:
        return ""
    if field.kind == "yaml":
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _replaced(section: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    inner = dict(section) if isinstance(section, Mapping) else {}
    inner[path[0]] = _replaced(inner.get(path[0]), path[1:], value)
    return {key: each for key, each in inner.items() if each is not None} or None


def _fields(schema: Mapping[str, Any], parts: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[Field]:
    needed = schema.get("required", ())
    for name, described in schema.get("properties", {}).items():
        path = (*above, name)
        inner = _plain(described, parts)
        if "properties" in inner and len(path) < _DEEPEST:
            yield from _fields(inner, parts, path)
            continue
        default = described.get("default")
        shown = "" if default is None or isinstance(default, list | dict) else str(default)
        yield Field(
            ".".join(path),
            _kind(inner),
            str(described.get("description", "")),
            name in needed and not above,
            shown.lower() if isinstance(default, bool) else shown,
            tuple(str(choice) for choice in inner.get("enum", ())),
            _kind(inner) == "yaml" and _holds_secrets(described, parts),
        )


def _plain(described: Mapping[str, Any], parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is described, without the way there: a reference, or null as the other possibility."""
    options = [option for option in described.get("anyOf", ()) if option.get("type") != "null"]
    inner = options[0] if len(options) == 1 else described
    if "$ref" in inner:
        inner = parts.get(str(inner["$ref"]).rpartition("/")[2], {})
    return inner


def _kind(inner: Mapping[str, Any]) -> Any:
    if "enum" in inner:
        return "choice"
    if inner.get("format") == "password":
        return "secret"
    return {"string": "text", "integer": "whole", "number": "number", "boolean": "flag"}.get(
        inner.get("type", ""), "yaml"
    )


def _holds_secrets(described: Any, parts: Mapping[str, Any], depth: int = 0) -> bool:
    """Whether a secret may stand anywhere in what is described."""
    if isinstance(described, Mapping):
        if described.get("format") == "password" or depth > 20:
            return True
        inner = [parts.get(str(described["$ref"]).rpartition("/")[2])] if "$ref" in described else []
        return any(_holds_secrets(each, parts, depth + 1) for each in [*described.values(), *inner])
    return isinstance(described, list) and any(_holds_secrets(each, parts, depth + 1) for each in described)
