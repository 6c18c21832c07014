"""Names of facts and how they are found: on the object, behind junctions, in a dictionary (spec orchestrate 4.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from tasks.model.catalogue import KINDS, MATRIX, SERVER, FactKind, FactValue, junctions, lookup
from tasks.model.fact_types import DICTIONARY, type_of

#: Junctions that one name may lead through.
MAX_HOPS = 4
MAX_PATH = 255

_PATH = re.compile(rf"(?:{'|'.join(KINDS)})(?:\.[A-Za-z0-9_-]+)+")


class Objects(Protocol):
    """Where facts come from: one consistent picture of them."""

    def facts(self, kind: str, ref: str) -> Mapping[str, FactValue] | None:
        """The facts of an object by their names; None where there is no such object."""


@dataclass(frozen=True, slots=True)
class FactPath:
    """A name, taken apart: where it begins, and its proper beginnings with what follows, the longest first."""

    name: str
    namespace: str
    splits: tuple[tuple[str, tuple[str, ...]], ...]

    def __str__(self) -> str:
        return self.name


@lru_cache(maxsize=4096)
def read_path(name: str) -> FactPath:
    """A name as a path. Raises ``ValueError`` for what is no name of a fact."""
    if len(name) > MAX_PATH or not _PATH.fullmatch(name):
        raise ValueError(f"a name of a fact is wanted: one of {', '.join(KINDS)}, and words behind points")
    parts = name.split(".")
    splits = tuple((".".join(parts[:n]), tuple(parts[n:])) for n in range(len(parts) - 1, 1, -1))
    return FactPath(name, parts[0], splits)


def declared(path: FactPath) -> FactKind | None:
    """What the catalogue says of the fact that a path leads to, through its junctions; None where it says nothing."""
    for _ in range(MAX_HOPS + 1):
        if (found := lookup(path.name)) is not None:
            return found
        beyond = next((f"{junctions()[p]}.{'.'.join(rest)}" for p, rest in path.splits if p in junctions()), None)
        if beyond is None:
            return None
        path = read_path(beyond)
    return None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a constraint may look at: one object of each kind that is bound, and what their junctions lead to."""

    bound: Mapping[str, str]
    objects: Objects
    now: datetime

    def get(self, path: FactPath) -> FactValue | None:
        """The fact, or None where it is undefined: absent, null, too old, or behind a junction that leads nowhere."""
        ref = SERVER if path.namespace == MATRIX else self.bound.get(path.namespace)
        return None if ref is None else self._find(path.namespace, ref, path, frozenset())

    def _find(self, kind: str, ref: str, path: FactPath, passed: frozenset[tuple[str, str]]) -> FactValue | None:
        facts = self.objects.facts(kind, ref)
        if facts is None:
            return None
        exact = facts.get(path.name)
        if exact is not None:
            return exact if exact.holds(self.now) else None
        for prefix, rest in path.splits:
            found = facts.get(prefix)
            if found is None:
                continue
            beyond = junctions().get(prefix)
            if beyond is not None:
                return self._hop(beyond, found, rest, passed | {(kind, ref)})
            if found.type == DICTIONARY and found.holds(self.now):
                return _within(found, rest)
        return None

    def _hop(
        self, kind: str, link: FactValue, rest: tuple[str, ...], passed: frozenset[tuple[str, str]]
    ) -> FactValue | None:
        if not link.holds(self.now) or len(passed) > MAX_HOPS or (kind, link.value) in passed:
            return None
        return self._find(kind, str(link.value), read_path(f"{kind}.{'.'.join(rest)}"), passed)


def _within(found: FactValue, rest: tuple[str, ...]) -> FactValue | None:
    value: Any = found.value
    for part in rest:
        if not isinstance(value, Mapping) or value.get(part) is None:
            return None
        value = value[part]
    return found._replace(type=type_of(value), value=value)


@dataclass(frozen=True, slots=True)
class Reach:
    """A fact that a path depends on: its name, and the junctions through which it is reached, nearest first."""

    name: str
    through: tuple[str, ...] = ()


def reaches(path: FactPath) -> list[Reach]:
    """All facts whose change may change what a path leads to: the exact one, each beginning, and what lies behind."""
    found: list[Reach] = []
    _reach(path, (), found)
    return found


def _reach(path: FactPath, through: tuple[str, ...], found: list[Reach]) -> None:
    found.append(Reach(path.name, through))
    for prefix, rest in path.splits:
        found.append(Reach(prefix, through))
        beyond = junctions().get(prefix)
        if beyond is not None and len(through) < MAX_HOPS:
            _reach(read_path(f"{beyond}.{'.'.join(rest)}"), (*through, prefix), found)


def in_memory(objects: Mapping[tuple[str, str], Mapping[str, FactValue]]) -> Objects:
    """Facts that are held in a mapping by kind and id."""
    return _Held(objects)


@dataclass(frozen=True, slots=True)
class _Held:
    held: Mapping[tuple[str, str], Mapping[str, FactValue]]

    def facts(self, kind: str, ref: str) -> Mapping[str, FactValue] | None:
        return self.held.get((kind, ref))


def namespaces(paths: Iterable[FactPath]) -> set[str]:
    """The kinds of objects that paths begin at."""
    return {path.namespace for path in paths}
