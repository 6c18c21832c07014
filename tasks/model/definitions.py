"""Internal events (spec policy-alerts 1.1): which there are, what each is about, and who may name it.

The table is ``definitions.yaml`` beside this module; a site adds its own in ``events/*.yaml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

import yaml

#: Categories whose events set off alerts, and no control policy.
_OPERATIONS = ("evm_operations", "ems_operations")
#: The category of what belongs to none; nobody may pick it.
_UNSORTED = "unsorted"
#: The category of what the clock asks alerts with: each is for the alert or the reading that its raw type names.
_CLOCK = "clock"
ALERT_DUE, READING_RECEIVED = "alert_due", "reading_received"
#: The category of events that a site defines.
OWN = "site"
#: The kind of object for events that may be about any.
ANY = "any"


class Definition(NamedTuple):
    """One internal event. ``preventable``: a policy may keep what it announces from happening."""

    name: str
    description: str
    category: str
    kind: str
    preventable: bool = False

    @property
    def control(self) -> bool:
        """Whether a control policy may be set off by it."""
        selectable = self.category not in (*_OPERATIONS, _UNSORTED, _CLOCK)
        return selectable and not self.name.endswith(("compliance_check", "perf_complete"))

    @property
    def alerting(self) -> bool:
        """Whether an alert may be set off by it."""
        return self.category not in (_UNSORTED, _CLOCK) and "compliance_check" not in self.name

    @property
    def compliance(self) -> bool:
        """Whether it has compliance policies asked."""
        return self.name.endswith("compliance_check")


class Category(NamedTuple):
    """A category of internal events: what people call it, and the names of its events."""

    label: str
    events: frozenset[str]


class Definitions(Mapping[str, Definition]):
    """Internal events by name: the shipped ones, and those of a site."""

    def __init__(self, own: Iterable[Definition] = ()) -> None:
        self._known = {**shipped(), **{definition.name: definition for definition in own}}
        self._preventable = frozenset(name for name, definition in self._known.items() if definition.preventable)

    def preventable(self, name: object) -> bool:
        """Whether an event of this name announces an operation that its policies may prevent."""
        return name in self._preventable

    def __getitem__(self, name: str) -> Definition:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, Definition]:
    """The table in the package."""
    table = _table()
    preventable = frozenset(table["preventable"])
    return {
        name: Definition(name, description, category, kind, name in preventable)
        for category, held in table["categories"].items()
        for name, (kind, description) in held["events"].items()
    }


@lru_cache(maxsize=1)
def categories() -> Mapping[str, Category]:
    """The categories of the shipped events, by name."""
    held = _table()["categories"]
    return {name: Category(category["label"], frozenset(category["events"])) for name, category in held.items()}


@lru_cache(maxsize=1)
def _table() -> Any:
    return yaml.safe_load((resources.files("tasks.model") / "definitions.yaml").read_text(encoding="utf-8"))
