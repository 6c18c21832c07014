"""How events are filed on a timeline: sources, groups and levels (spec capture 7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from tasks.model.definitions import OWN, categories
from tasks.model.result import DETAIL, FAILURE, RESULTS, SUCCESS

#: Where an event comes from: a provider; Catchment, so that policies are asked; a rule's action.
PROVIDER, POLICY, MANAGEMENT = "provider", "policy", "management"
SOURCES = (PROVIDER, POLICY, MANAGEMENT)
#: Levels of a provider's events and of policy events, and all of them in the order in which they are shown.
PROVIDER_LEVELS, POLICY_LEVELS = ("critical", "warning", DETAIL), RESULTS
LEVELS = ("critical", "warning", FAILURE, SUCCESS, DETAIL)

_PROVIDER_TITLES = {
    "addition": "Creation/Addition",
    "configuration": "Configuration/Reconfiguration",
    "console": "Console Activity",
    "deletion": "Deletion/Removal",
    "general": "General Activity",
    "import_export": "Import/Export",
    "migration": "Migration/Vmotion",
    "network": "Network",
    "power": "Power Activity",
    "snapshot": "Snapshot Activity",
    "status": "Alarm/Status Change/Errors",
    "storage": "Storage",
    "update": "Update",
    "other": "Other",
}


class Group(NamedTuple):
    """One group of one source. ``name`` is the word in addresses, ``title`` what people read."""

    source: str
    name: str
    title: str


@lru_cache(maxsize=1)
def groups() -> Mapping[tuple[str, str], Group]:
    """All groups by source and name, in the order in which they are shown.

    The groups of policy events are the categories of the internal events; those that a site defines are one more.
    """
    found = [Group(PROVIDER, name, title) for name, title in _PROVIDER_TITLES.items()]
    found += [Group(POLICY, name, category.label) for name, category in categories().items()]
    found += [Group(POLICY, OWN, "Events of the Site"), Group(MANAGEMENT, MANAGEMENT, "Management Events")]
    return {(group.source, group.name): group for group in found}


def group(source: str, name: str) -> Group:
    """The group of that name; one that is not in the table is called by its name."""
    return groups().get((source, name)) or Group(source, name, name)


def group_of(source: str, name: str) -> Group:
    """The group of an event: ``name`` is a provider's own group, or the type of a raised event."""
    if source == PROVIDER:
        return group(source, name)
    return group(source, MANAGEMENT if source == MANAGEMENT else _category_of().get(name, OWN))


def types_of(category: str) -> frozenset[str]:
    """The types of the policy events in a group; those of a site are in no table, and so it has none."""
    found = categories().get(category)
    return found.events if found else frozenset()


def listed_types() -> frozenset[str]:
    """The types of all policy events that are in the table."""
    return frozenset(_category_of())


@lru_cache(maxsize=1)
def _category_of() -> Mapping[str, str]:
    return {event: name for name, category in categories().items() for event in category.events}
