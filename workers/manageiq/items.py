"""The items of an export: which there are, who each one is, and what it is called here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.manageiq.report import Report
from workers.manageiq.ruby import UnreadableExport

Item = Mapping[Any, Any]

CLASSES = ("MiqPolicySet", "MiqPolicy", "MiqAlertSet", "MiqAlert", "Condition", "MiqAction")
_ALONE = {
    "Condition": "a condition belongs to a policy here: write it into one",
    "MiqAction": "an action belongs to a policy here: write it into one",
}

_NOT_IN_A_NAME = re.compile(r"[^\w .-]+")
_NOT_IN_A_FILE = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME, _LONGEST_FILE = 60, 50


@dataclass(slots=True)
class Items:
    """What an export holds; each policy and alert once, by its identity."""

    policies: dict[str, Item] = field(default_factory=dict)
    alerts: dict[str, Item] = field(default_factory=dict)
    #: Profiles, and the identities of the policies, or of the alerts, in each.
    profiles: dict[str, tuple[Item, list[str]]] = field(default_factory=dict)
    alert_profiles: dict[str, tuple[Item, list[str]]] = field(default_factory=dict)


def items_of(data: Any, report: Report) -> Items:
    """The items of an export; notes what has no place here.

    Raises :class:`UnreadableExport` where it is no list of ManageIQ's items.
    """
    if not isinstance(data, list) or not data:
        raise UnreadableExport(1, "it is no list of ManageIQ's items: export policies, profiles or alerts as YAML")
    found = Items()
    for index, single in enumerate(data):
        name, item = next(iter(single.items())) if isinstance(single, dict) and len(single) == 1 else (None, None)
        if name not in CLASSES:
            if index == 0:
                raise UnreadableExport(1, f"it does not begin with one of {', '.join(CLASSES)}")
            report.left_out((f"item {index + 1}",), f"it is none of {', '.join(CLASSES)}")
        elif not isinstance(item, dict):
            report.left_out((f"item {index + 1}",), f"the {name} is empty")
        elif name in _ALONE:
            report.left_out((f"{name} {title(item)!r}",), _ALONE[name])
        else:
            _sort(name, item, found, report)
    return found


def _sort(name: str, item: Item, found: Items, report: Report) -> None:
    match name:
        case "MiqPolicySet":
            _set(
                found.profiles,
                item,
                [_note(found.policies, "policy", m, report) for m in _in(item, "MiqPolicy")],
                report,
            )
        case "MiqPolicy":
            _note(found.policies, "policy", item, report)
        case "MiqAlertSet":
            members = [_note(found.alerts, "alert", one, report) for one in _in(item, "MiqAlert")]
            _set(found.alert_profiles, item, members, report)
        case _:
            _note(found.alerts, "alert", item, report)


def _in(item: Item, name: str) -> list[Item]:
    return list(mappings(item.get(name)))


def _set(found: dict[str, tuple[Item, list[str]]], item: Item, members: list[str], report: Report) -> None:
    key = identity(item)
    if key in found:
        report.left_out((f"profile {title(item)!r}",), "it stands in the export twice: the first is taken")
    found.setdefault(key, (item, list(dict.fromkeys(members))))


def _note(found: dict[str, Item], noun: str, item: Item, report: Report) -> str:
    key = identity(item)
    if found.setdefault(key, item) != item:
        report.left_out((f"{noun} {title(item)!r}",), "it stands in the export twice and differs: the first is taken")
    return key


def identity(item: Item) -> str:
    """Who an item is: its guid, or its name, or its description (spec policy-alerts 2.11)."""
    for key in ("guid", "name", "description"):
        if item.get(key) is not None and str(item[key]).strip():
            return re.sub(r"[^\w-]+", "-", str(item[key]))[:100]
    return "nameless"


def title(item: Item) -> str:
    """What people call an item: its description, or its name."""
    for key in ("description", "name", "guid"):
        if item.get(key) is not None and str(item[key]).strip():
            return " ".join(str(item[key]).split())[:200]
    return "nameless"


def name_of(item: Item) -> str:
    """An item's title as the site takes it for a name."""
    written = " ".join(_NOT_IN_A_NAME.sub(" ", title(item)).split())[:_LONGEST_NAME]
    return written.strip(" .-") or identity(item)


def file_of(name: str) -> str:
    """A name as part of a file's name; empty where nothing of it can be."""
    return _NOT_IN_A_FILE.sub("-", name.lower())[:_LONGEST_FILE].strip("-")


def names_of(items: Mapping[str, Item]) -> dict[str, str]:
    """The names by identity; items that would be called the same carry part of their identity as well."""
    plain = {key: name_of(item) for key, item in items.items()}
    times = Counter(name.lower() for name in plain.values())
    return {key: name if times[name.lower()] == 1 else f"{name} {key[:12]}" for key, name in plain.items()}


def numbered(names: Iterable[str]) -> Iterator[str]:
    """Names made unique by a number where one comes again."""
    seen = Counter[str]()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} {seen[name]}"


def mappings(value: Any) -> list[Item]:
    """The mappings of a list; a mapping alone is a list of one."""
    if isinstance(value, dict):
        return [value]
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
