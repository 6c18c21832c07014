"""Field paths: ``event.tenant_id``, ``event.payload.a.0.b``, ``server.status``, ``Vm-power_state``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from tasks.expressions.columns import COLUMNS, CUSTOM, MEMBERS, Members
from tasks.expressions.facts import Facts, walk
from tasks.expressions.mistakes import BadText, nearest, shown

#: A path is written by hand; one beyond these is a mistake.
MAX_LENGTH, MAX_PARTS = 300, 16

Getter = Callable[[Facts], Any]


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A place in the facts: as it was written, how it is read, and its type where that is known.

    ``type`` is ``text``, ``number``, ``boolean``, ``datetime``, ``set``, or None: then the values decide.
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

#: What an event has under names of its own, and what such a name is.
_FURTHER = {"payload": "a path", "parents": "a kind", "details": "a name"}

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
        path = read_path(_members(text, counted[1] if counted else "", counted[2] if counted else "").path)
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


def read_key(written: object) -> FieldPath:
    """A key of the member that a FIND looks at, or of a plain map: ``device``, ``ips.0.address``.

    Raises ``BadText``.
    """
    text = _bounded(written)
    parts = text.split(".")
    if len(parts) > MAX_PARTS or not all(map(_PART.fullmatch, parts)):
        raise BadText(f"{shown(text)} is no key", "Write names with dots between them, as in ips.address")
    return FieldPath(text, lambda facts: walk(facts.member, parts), _type_of(parts[-1]))


def read_member(written: object) -> tuple[FieldPath, FieldPath]:
    """ManageIQ's field of an association with many members: the list, and the column in one of them.

    Raises ``BadText``.
    """
    text = _bounded(written)
    found = _STORED.fullmatch(text)
    if found is None or not found[2]:
        raise BadText(f"{shown(text)} is no field of a member", "Write it as Vm.security_groups-name, or use `in:`")
    place, keys = _member_column(text, found[1], found[2][1:], found[3])
    named = FieldPath(f"{found[1]}{found[2]}", place.get)
    return named, FieldPath(text, lambda facts: walk(facts.member, keys))


#: The member that a FIND looks at, and the number of members that it keeps.
ITSELF = FieldPath("member", lambda facts: facts.member)
KEPT = FieldPath("<count>", lambda facts: facts.member, "number")


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
    if name == "details" and len(rest) == 1:
        detail = rest[0]
        kind = "datetime" if detail.endswith("_time") else None
        return FieldPath(text, lambda facts: facts.event.facts.details.get(detail), kind)
    if name in EVENT_COLUMNS and not rest:
        place, type_ = EVENT_COLUMNS[name]
        return FieldPath(text, attrgetter(place), type_)
    if name in _FURTHER:
        raise BadText(f"{shown(text)} is no field", f"Write event.{name}. and {_FURTHER[name]}")
    raise BadText(
        f"an event has no field {shown('.'.join(parts))}",
        nearest(name, [*EVENT_COLUMNS, "payload.…", "parents.…", "details.…"], "Its fields are"),
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
    if key not in columns and associations in MEMBERS.get(model, {}):
        place, keys = _member_column(text, model, associations, column)
        return FieldPath(text, lambda facts: _each(place.get(facts), keys), "set")
    if key not in columns:
        raise BadText(f"the field {shown(text)} has no meaning here", nearest(key, columns, f"{model} has the fields"))
    meaning = columns[key]
    return FieldPath(text, read_path(meaning.path).get, meaning.type)


def _members(text: str, model: str, association: str) -> Members:
    known = MEMBERS.get(model)
    if known is None:
        every = ", ".join(f"{model}.{name}" for model, names in MEMBERS.items() for name in names)
        raise BadText(f"{shown(text)} cannot be counted or looked through", f"Write one of {every}")
    if association not in known:
        raise BadText(
            f"{shown(text)} cannot be counted or looked through", nearest(association, known, f"{model} has the lists")
        )
    return known[association]


def _member_column(text: str, model: str, association: str, column: str) -> tuple[FieldPath, tuple[str, ...]]:
    members = _members(text, model, association)
    if column not in members.columns:
        mend = nearest(column, members.columns, f"{model}.{association} has the columns")
        raise BadText(f"the field {shown(text)} has no meaning here", mend)
    return read_path(members.path), members.columns[column]


def _each(found: Any, keys: tuple[str, ...]) -> Any:
    return [walk(member, keys) for member in found] if isinstance(found, list | tuple) else found


def _size(found: Any) -> int:
    return len(found) if isinstance(found, list | tuple | Mapping) else 0


def _entries(facts: Facts, category: str) -> list[str]:
    tags = facts.attribute(None, ("tags",))
    if not isinstance(tags, list | tuple):
        return []
    read = (_TAG_ITEM.fullmatch(tag) for tag in tags if isinstance(tag, str))
    return [item[2].replace("%2f", "/").replace("%2F", "/") for item in read if item and item[1] == category]
