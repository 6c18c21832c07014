"""The catalogue of facts (spec orchestrate 4.3): which there are, their types, and how long they hold.

The table is ``facts.yaml`` beside this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

import yaml

#: The kinds of objects that have facts, in the order in which people list them.
RESOURCE, VMHOST, REPOSITORY, USER = "resource", "vmhost", "repository", "user"
JOB, JOB_INSTANCE, MATRIX = "job", "jobinstance", "matrix"
#: The six that a rule event may be about.
CONTEXT_KINDS = (JOB, JOB_INSTANCE, RESOURCE, REPOSITORY, USER, VMHOST)
KINDS = (*CONTEXT_KINDS, MATRIX)
#: The one object of the kind ``matrix``: the installation itself.
SERVER = "catchment"

#: Seconds after which a dynamic fact that nobody has confirmed reads as undefined (4.5).
FRESH_SECONDS = 90.0
#: Who feeds dynamic facts; whatever else sets a fact means it to stay.
AGENT, INVENTORY, SERVICE = "agent", "inventory", "service"
FEEDS = frozenset({AGENT, INVENTORY, SERVICE})
#: Sources that take precedence over others where a fact is set from several sides (8), the highest first.
POLICY, CONSTRAINT, COMPUTED = "policy", "constraint", "computed"
_RANKS = {POLICY: 3, CONSTRAINT: 2, COMPUTED: 1}


class FactKind(NamedTuple):
    """One fact: its type, whether people set it, and after how many seconds it expires (None: never)."""

    name: str
    type: str
    static: bool
    limit: float | None
    meaning: str
    junction: str | None = None

    @property
    def namespace(self) -> str:
        """The kind of object that has it."""
        return self.name.partition(".")[0]


class FactValue(NamedTuple):
    """A fact of one object: ``value`` None is undefined; ``at`` is when it was set or last confirmed."""

    type: str
    value: Any
    at: datetime
    limit: float | None = None
    origin: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether it is defined and fresh (4.5)."""
        if self.value is None:
            return False
        return self.limit is None or now - self.at <= timedelta(seconds=self.limit)


def rank(origin: str) -> int:
    """The precedence of a source: a fact that one above it has set is not touched by it. Feeds give way to people."""
    return -1 if origin in FEEDS else _RANKS.get(origin, 0)


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, FactKind]:
    """All facts by name; a name that ends in ``.*`` stands for those below it."""
    table = yaml.safe_load((resources.files("tasks.model") / "facts.yaml").read_text(encoding="utf-8"))
    links = table["junctions"]
    return {
        name: FactKind(name, kind, how == "static", float(limit) or None, meaning, links.get(name))
        for name, (kind, how, limit, meaning) in table["facts"].items()
    }


def lookup(name: str) -> FactKind | None:
    """What the catalogue says of a fact; None for one that it does not have."""
    known = catalogue()
    found = known.get(name)
    if found is None:
        parts = name.split(".")
        for length in range(len(parts) - 1, 1, -1):
            if (family := known.get(".".join(parts[:length]) + ".*")) is not None:
                return family._replace(name=name)
    return found


def limit_of(name: str, origin: str) -> float | None:
    """After how many seconds a fact expires that this source sets."""
    if origin not in FEEDS:
        return None
    known = lookup(name)
    return FRESH_SECONDS if known is None else known.limit


@lru_cache(maxsize=1)
def junctions() -> Mapping[str, str]:
    """Facts that hold the id of another object, with the kind of that object (4.4)."""
    return {name: found.junction for name, found in catalogue().items() if found.junction is not None}
