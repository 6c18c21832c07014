"""The engine's search language, as far as clients need it: conditions, an order, a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from examples.cloud.refusals import BadRequest

T = TypeVar("T")
Fields = Mapping[str, str | int]

#: Objects on a page where the request names no ``max``.
PAGE = 100
_PAGE = re.compile(r"(?:^|\s)page\s+(\d{1,6})\s*$", re.IGNORECASE)
_SORT = re.compile(r"(?:^|\s)sortby\s+(\w+)(?:\s+(asc|desc))?\s*$", re.IGNORECASE)
_CONDITION = re.compile(r"""\s*([\w.]+)\s*(=|!=|<=|>=|<|>)\s*("[^"]*"|\S+)\s*""")
_SEVERITIES = {"normal": 0, "warning": 1, "error": 2, "alert": 3}


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed search. ``limit`` is the request's ``max``, ``page`` counts from 1."""

    conditions: tuple[tuple[str, str, str], ...] = ()
    sort: str | None = None
    descending: bool = False
    page: int | None = None
    limit: int | None = None

    def apply(self, found: Sequence[T], fields: Callable[[T], Fields]) -> list[T]:
        """The part of a list that the search asks for. Raises ``BadRequest`` for a field that is not there."""
        kept = [item for item in found if all(_fits(fields(item), *condition) for condition in self.conditions)]
        if self.sort is not None:
            for item in kept[:1]:
                _field(fields(item), self.sort)
            kept.sort(key=lambda item: fields(item)[self.sort or ""], reverse=self.descending)
        size = self.limit if self.limit is not None else PAGE
        if self.page is not None:
            return kept[(self.page - 1) * size : self.page * size]
        return kept if self.limit is None else kept[: self.limit]


def parse(text: str, limit: int | None) -> Query:
    """Read a search. Raises ``BadRequest`` where it makes no sense."""
    page = sort = None
    descending = False
    rest = text.strip()
    if found := _PAGE.search(rest):
        page, rest = max(int(found[1]), 1), rest[: found.start()]
    if found := _SORT.search(rest):
        sort, descending, rest = found[1].lower(), (found[2] or "asc").lower() == "desc", rest[: found.start()]
    conditions = []
    for part in re.split(r"\s+and\s+", rest.strip(), flags=re.IGNORECASE) if rest.strip() else []:
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise BadRequest(f"the search {text!r} cannot be parsed")
        conditions.append((match[1].lower(), match[2], match[3].strip('"')))
    return Query(tuple(conditions), sort, descending, page, limit)


def _field(fields: Fields, name: str) -> str | int:
    if name not in fields:
        raise BadRequest(f"the search names {name!r}, which is no field of these objects")
    return fields[name]


def _fits(fields: Fields, name: str, operator: str, wanted: str) -> bool:
    value = _field(fields, name)
    if isinstance(value, int):
        number = _SEVERITIES.get(wanted.lower()) if name == "severity" else int(wanted) if wanted.isdigit() else None
        if number is None:
            raise BadRequest(f"the search wants a number for {name!r}")
        return {
            "=": value == number,
            "!=": value != number,
            "<": value < number,
            ">": value > number,
            "<=": value <= number,
            ">=": value >= number,
        }[operator]
    if operator not in ("=", "!="):
        raise BadRequest(f"the search compares {name!r} by {operator}")
    return fnmatchcase(value.lower(), wanted.lower().replace("[", "[[]")) is (operator == "=")
