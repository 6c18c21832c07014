"""Collects (spec automate 3.8): what an object takes from its children, or from itself."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from tasks.switchboard.errors import InvalidCollection
from tasks.switchboard.workspace import Object, Workspace

_STATEMENT = re.compile(r"\s*(?:([A-Za-z0-9_./\-]+)\s*=(?!>)\s*)?(.+?)\s*", re.DOTALL)
_PIECE = re.compile(r"""'[^']*'|"[^"]*"|[^'"]|['"]""", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_]+")
_LIST = re.compile(r"\[(.*)\](?:\.([A-Za-z]+))?", re.DOTALL)
_MAP = re.compile(r"\{(.*)\}", re.DOTALL)
_ITEM = re.compile(r"""\s*('[^']*'|"[^"]*"|:?[A-Za-z0-9_]+)\s*""")


def _ordered(values: list[Any], *, descending: bool = False) -> list[Any]:
    return sorted(
        values, key=lambda v: (0, v, "") if isinstance(v, int | float) else (1, 0, str(v)), reverse=descending
    )


def _numbers(values: list[Any]) -> list[Any]:
    return [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]


def _mean(values: list[Any]) -> Any:
    return statistics.fmean(found) if (found := _numbers(values)) else None


def _variance(values: list[Any]) -> Any:
    return statistics.variance(found) if len(found := _numbers(values)) > 1 else 0.0


def _deviation(values: list[Any]) -> Any:
    return statistics.stdev(found) if len(found := _numbers(values)) > 1 else 0.0


REDUCTIONS: Mapping[str, Callable[[list[Any]], Any]] = {
    "sort": _ordered,
    "rsort": lambda values: _ordered(values, descending=True),
    "reverse": lambda values: values[::-1],
    "count": len,
    "min": lambda values: _ordered(values)[0],
    "minimum": lambda values: _ordered(values)[0],
    "max": lambda values: _ordered(values)[-1],
    "maximum": lambda values: _ordered(values)[-1],
    "sum": lambda values: sum(_numbers(values)),
    "mean": _mean,
    "average": _mean,
    "avg": _mean,
    "variance": _variance,
    "stddev": _deviation,
    "stdev": _deviation,
}


class Item(NamedTuple):
    """A name of an attribute, or a literal."""

    name: str | None
    literal: Any = None

    def of(self, source: Object) -> Any:
        """Its value on an object."""
        return self.literal if self.name is None else source.get(self.name)


class Statement(NamedTuple):
    """One collect: into ``target`` (None: the default place), by ``form`` (``name``, ``list``, ``map``)."""

    target: str | None
    form: str
    items: tuple[Item, ...]
    keys: tuple[Item, ...] = ()
    reduction: str | None = None


@lru_cache(maxsize=1024)
def parse_collect(text: str) -> tuple[Statement, ...]:
    """Read a collect: statements between ``;``.

    Raises :class:`InvalidCollection`.
    """
    return tuple(_statement(part) for part in _cut(text, ";"))


def _statement(part: str) -> Statement:
    match = _STATEMENT.fullmatch(part)
    if match is None:
        raise InvalidCollection(f"[{part[:100]}] is no collect")
    target, body = match[1], match[2]
    if listed := _LIST.fullmatch(body):
        return Statement(target, "list", _items(listed[1]), reduction=(listed[2] or "").lower() or None)
    if mapped := _MAP.fullmatch(body):
        pairs = [pair.split("=>") for pair in _cut(mapped[1], ",")]
        if any(len(pair) != 2 for pair in pairs):
            raise InvalidCollection(f"[{body[:100]}] is no {{key => value}}")
        return Statement(target, "map", tuple(_item(v) for _, v in pairs), keys=tuple(_item(k) for k, _ in pairs))
    if not _NAME.fullmatch(body):
        raise InvalidCollection(f"[{body[:100]}] is no attribute, list or map")
    return Statement(target, "name", (Item(body),))


def _cut(text: str, at: str) -> list[str]:
    pieces: list[list[str]] = [[]]
    for piece in _PIECE.findall(text):
        if piece == at:
            pieces.append([])
        else:
            pieces[-1].append(piece)
    return [whole for piece in pieces if (whole := "".join(piece)).strip()]


def _items(inner: str) -> tuple[Item, ...]:
    return tuple(_item(piece) for piece in _cut(inner, ","))


def _item(text: str) -> Item:
    match = _ITEM.fullmatch(text)
    if match is None:
        raise InvalidCollection(f"[{text[:100]}] is no attribute, :symbol, number or quoted text")
    word = match[1]
    if word[0] in "'\"":
        return Item(None, word[1:-1])
    if word[0] == ":":
        return Item(None, word[1:])
    return Item(None, int(word)) if word.isascii() and word.isdigit() and len(word) < 300 else Item(word)


def collect(
    text: str | None,
    owner: Object,
    sources: Sequence[Object],
    workspace: Workspace,
    *,
    own_name: str,
    many: bool,
) -> None:
    """Carry out a collect of ``owner`` over its children (or over itself).

    ``own_name`` is the field's: where lists and maps go without a target. ``many`` is set after a
    wildcard: plain names then give lists, however many children there are (D25, D29).

    Raises :class:`InvalidCollection` and ``ObjectNotFound`` (a target that is not there).
    """
    itself = len(sources) == 1 and sources[0] is owner
    for statement in parse_collect(text) if text and text.strip() else ():
        where, slash, name = (statement.target or "").rpartition("/")
        if not name:
            name = (statement.items[0].name or own_name) if statement.form == "name" and not itself else own_name
        target = workspace.locate((where or "/") if slash else "", owner)
        value = _value(statement, sources, many)
        if value is not None:
            target.set(name, value)


def _value(statement: Statement, sources: Sequence[Object], many: bool) -> Any:
    if statement.form == "map":
        pairs = [(k.of(s), v.of(s)) for s in sources for k, v in zip(statement.keys, statement.items, strict=True)]
        return {str(key): value for key, value in pairs if key is not None}
    values = [item.of(source) for source in sources for item in statement.items]
    if statement.form == "name":
        return values if many else (values[0] if values else None)
    reduce = REDUCTIONS.get(statement.reduction or "")
    present = [value for value in values if value is not None]
    return reduce(present) if reduce and present else values
