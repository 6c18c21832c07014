"""Field paths: ``event.tenant_id``, ``event.payload.a.0.b``, ``server.status``, ``Vm-power_state``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from tasks.expressions.columns import COLUMNS, COUNTS, CUSTOM
from tasks.expressions.facts import Facts
from tasks.expressions.mistakes import BadText, nearest, shown

#: A path is written by hand; one beyond these is a mistake.
MAX_LENGTH, MAX_PARTS = 300, 16

Getter = Callable[[Facts], Any]


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A place in the facts: as it was written, how it is read, and its type where that is known.

    ``type`` is ``text``, ``number``, ``boolean``, ``datetime``, or None: then the values decide.
    """

    text: str
    get: Getter
    type: str | None = None


#: Columns of an event: where each one stands, and its type.
EVENT_COLUMNS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "id": ("event.id", "number"),
        "provider": ("event.provider", "text"),
        "source": ("event.source", "text"),
        "depth": ("event.depth", "number"),
        "late": ("event.late", "boolean"),
        "event_type": ("event.facts.event_type", "text"),
        "raw_event_type": ("event.facts.raw_event_type", "text"),
        "message_id": ("event.facts.message_id", "text"),
        "occurred_at": ("event.facts.occurred_at", "datetime"),
        "resource_kind": ("event.facts.resource_kind", "text"),
        "resource_id": ("event.facts.resource_id", "text"),
        "tenant_id": ("event.facts.tenant_id", "text"),
        "actor": ("event.facts.actor", "text"),
        "host": ("event.facts.host", "text"),
        "phase": ("event.facts.phase", "text"),
        "group": ("event.facts.group", "text"),
        "level": ("event.facts.level", "text"),
        "request_id": ("event.facts.request_id", "text"),
        "chain_id": ("event.facts.chain_id", "text"),
    }
)

_PART = re.compile(r"[^\s.${}\"']{1,100}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CLASS = r"(?:[A-Z]\w{0,60}::){0,8}([A-Z]\w{0,60})"
_STORED = re.compile(rf"{_CLASS}((?:\.[a-z]\w{{0,60}}){{0,8}})-(\w[\w:.-]{{0,120}})")
_COUNTED = re.compile(rf"{_CLASS}\.([a-z]\w{{0,60}}(?:\.[a-z]\w{{0,60}}){{0,7}})")
_TAG = re.compile(rf"(?:{_CLASS}(?:\.[a-z]\w{{0,60}}){{0,8}}\.)?managed-(\w[\w-]{{0,60}})")
_CATEGORY = re.compile(r"\w[\w-]{0,60}")
_TAG_ITEM = re.compile(r"(?:/managed/)?([\w-]{1,60})[/=:](.{1,200})", re.DOTALL)


def read_path(written: object, kind: str | None = None) -> FieldPath:
    """Read a path in our own spelling or ManageIQ's.

    ``kind`` is the kind of the target where it is known: a path to another kind is then a mistake.
    Raises :class:`tasks.expressions.mistakes.BadText`.
    """
    text = _bounded(written)
    if text[:1].isupper():
        return _stored(text)
    parts = text.split(".")
    if len(parts) > MAX_PARTS or not all(map(_PART.fullmatch, parts)):
        raise BadText(
            f"{shown(text)} is no field path", "Write names with dots between them, as in event.payload.state"
        )
    if parts[0] == "event":
        return _event(text, parts[1:])
    return _attribute(text, parts, kind)


def read_count(written: object, kind: str | None = None) -> FieldPath:
    """The number of members of a list; 0 where it is not there. Raises ``BadText``."""
    text = _bounded(written)
    if text[:1].isupper():
        counted = _COUNTED.fullmatch(text)
        known = COUNTS.get(counted[1]) if counted else None
        if counted is None or known is None:
            raise BadText(f"{shown(text)} cannot be counted", f"Write one of {', '.join(_all_counts())}")
        if counted[2] not in known:
            raise BadText(f"{shown(text)} cannot be counted", nearest(counted[2], known, f"{counted[1]} counts"))
        path = read_path(known[counted[2]])
    else:
        path = read_path(text, kind)
    get = path.get
    return FieldPath(f"count of {text}", lambda facts: _size(get(facts)), "number")


def read_tag(written: object) -> FieldPath:
    """The entries that the target carries of a tag category. Raises ``BadText``.

    As in ManageIQ the association in front of the category is ignored (spec policy-alerts 3.4).
    """
    text = _bounded(written)
    stored = _TAG.fullmatch(text)
    if stored is None and not _CATEGORY.fullmatch(text):
        raise BadText(f"{shown(text)} names no tag category", "Write its name, or Vm.managed-… as in ManageIQ")
    category = stored[2] if stored else text
    return FieldPath(f"tag {category}", lambda facts: _entries(facts, category), "tag")


def looks_stored(text: str) -> bool:
    """Whether a value is ManageIQ's spelling of a field of a known model, so that fields are compared."""
    found = _STORED.fullmatch(text) if len(text) <= MAX_LENGTH else None
    return found is not None and found[1] in COLUMNS


def _bounded(written: object) -> str:
    if not isinstance(written, str) or not written.strip():
        raise BadText(f"{shown(written)} is no field path", "Write a path such as event.tenant_id")
    if len(written) > MAX_LENGTH:
        raise BadText(f"a field path of {len(written)} characters", f"Keep it below {MAX_LENGTH}")
    return written.strip()


def _event(text: str, parts: list[str]) -> FieldPath:
    name, rest = (parts[0], tuple(parts[1:])) if parts else ("", ())
    if name == "payload" and rest:
        return FieldPath(text, lambda facts: facts.payload(rest), _type_of(rest[-1]))
    if name == "parents" and len(rest) == 1:
        parent = rest[0]
        return FieldPath(text, lambda facts: facts.event.facts.parents.get(parent), "text")
    if name in EVENT_COLUMNS and not rest:
        place, type_ = EVENT_COLUMNS[name]
        return FieldPath(text, attrgetter(place), type_)
    if name in ("payload", "parents"):
        raise BadText(
            f"{shown(text)} is no field",
            f"Write event.{name}. and {'a path' if name == 'payload' else 'a kind'}",
        )
    raise BadText(
        f"an event has no field {shown('.'.join(parts))}",
        nearest(name, [*EVENT_COLUMNS, "payload.…", "parents.…"], "Its fields are"),
    )


def _attribute(text: str, parts: list[str], kind: str | None) -> FieldPath:
    root, rest = parts[0], tuple(parts[1:])
    if not _KIND.fullmatch(root) or not rest:
        raise BadText(
            f"{shown(text)} is no field path",
            "Begin with event., target. or the kind of the target, as in server.status",
        )
    if root != "target" and kind is not None and root != kind:
        raise BadText(
            f"{shown(text)} is not about the target, which is a {kind}",
            nearest(root, ["event", "target", kind], "A path begins with one of"),
        )
    if root != "target" and kind is None and (close := _typing_slip(root)):
        raise BadText(f"{shown(text)} begins with an unknown word", f"Did you mean {close}.{'.'.join(rest)}?")
    wanted = None if root == "target" else root
    return FieldPath(text, lambda facts: facts.attribute(wanted, rest), _type_of(rest[-1]))


def _typing_slip(root: str) -> str | None:
    """Which of our own words was probably meant; kinds are the providers' and cannot be known here."""
    for word in ("event", "target"):
        if sorted(root) == sorted(word) or root in (f"{word}s", word[:-1], word[1:]):
            return word
    return None


def _type_of(name: str) -> str | None:
    return "datetime" if name.endswith("_at") else None


def _stored(text: str) -> FieldPath:
    found = _STORED.fullmatch(text)
    if found is None:
        raise BadText(
            f"{shown(text)} is no field of ManageIQ's form",
            "Write it as Vm-name, or in our form as server.name",
        )
    model, associations, column = found[1], found[2][1:], found[3]
    columns = COLUMNS.get(model)
    if columns is None:
        raise BadText(f"nothing is known of the model {model!r}", nearest(model, COLUMNS, "Known models are"))
    if column.startswith(CUSTOM) and not associations:
        name = column.removeprefix(CUSTOM).split(":SECTION:")[0]
        return FieldPath(text, lambda facts: facts.attribute(None, ("metadata", name)))
    key = f"{associations}-{column}" if associations else column
    if key not in columns:
        raise BadText(f"the field {shown(text)} has no meaning here", nearest(key, columns, f"{model} has the fields"))
    meaning = columns[key]
    return FieldPath(text, read_path(meaning.path).get, meaning.type)


def _all_counts() -> list[str]:
    return [f"{model}.{name}" for model, names in COUNTS.items() for name in names]


def _size(found: Any) -> int:
    return len(found) if isinstance(found, list | tuple | Mapping) else 0


def _entries(facts: Facts, category: str) -> list[str]:
    tags = facts.attribute(None, ("tags",))
    if not isinstance(tags, list | tuple):
        return []
    read = (_TAG_ITEM.fullmatch(tag) for tag in tags if isinstance(tag, str))
    return [item[2].replace("%2f", "/").replace("%2F", "/") for item in read if item and item[1] == category]
