"""``${...}``: replaced from the objects built so far, once, left to right (spec automate 2.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from tasks.switchboard.errors import AttributeNotFound, AutomateError, InvalidPathFormat, LimitExceeded
from tasks.switchboard.text import Filled, Filler, Untrusted, fold, text_of
from tasks.switchboard.workspace import Object, Workspace

#: What may follow an attribute's name when its value is text. Nothing here changes anything.
TEXT_METHODS: Mapping[str, Callable[[str], Any]] = {
    "upcase": str.upper,
    "downcase": str.lower,
    "capitalize": str.capitalize,
    "strip": str.strip,
    "to_s": str,
    "length": len,
    "size": len,
}

_TOKEN = re.compile(r"\$\{([^}]+)\}")
_WORKSPACE_TOKEN = re.compile(r"(?:(?:miqaews|miqae):)?([A-Za-z0-9_.\-$/*?]*)#(.+)", re.DOTALL)
_SIDE_TOKEN = re.compile(r"miqaedb:(/[^#]+)/([A-Za-z0-9_]+)")
_LINK = re.compile(r"([A-Za-z0-9_]+)(?:\(\s*(:?)([^()]*?)\s*\))?")


class Side(Protocol):
    """What a substitution needs of the run that it belongs to."""

    workspace: Workspace

    def aside(self, path: str) -> Object:
        """Build an instance outside of the tree, with its attribute fields alone (C15)."""


class Link(NamedTuple):
    """One name after ``#``, with its argument; ``symbol`` where that was written with a colon."""

    name: str
    argument: str | None
    symbol: bool


class Token(NamedTuple):
    """What stands in one ``${...}``. ``side`` names an instance to build, ``special`` a word after ``!``."""

    path: str
    links: tuple[Link, ...]
    side: str | None = None
    special: str | None = None


@lru_cache(maxsize=4096)
def split(text: str) -> tuple[str | Token, ...]:
    """A text's literal pieces and tokens in order.

    Raises :class:`InvalidPathFormat` for a token that cannot be read.
    """
    pieces: list[str | Token] = []
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() > end:
            pieces.append(text[end : match.start()])
        pieces.append(_token(match[1]))
        end = match.end()
    if end < len(text):
        pieces.append(text[end:])
    return tuple(pieces)


def _token(inside: str) -> Token:
    if inside.startswith("!"):
        return Token("", (), special=fold(inside[1:]))
    if side := _SIDE_TOKEN.fullmatch(inside):
        return Token("", (Link(side[2], None, False),), side=side[1])
    whole = _WORKSPACE_TOKEN.fullmatch(inside)
    links = _links(whole[2]) if whole else None
    if whole is None or links is None:
        raise InvalidPathFormat(f"[${{{inside[:100]}}}] is not an object and #attribute")
    return Token(_normal(whole[1]), links)


def _normal(path: str) -> str:
    if path.strip("/") == "":
        return "/" if path else ""
    return path.strip("/")


def _links(chain: str) -> tuple[Link, ...] | None:
    links: list[Link] = []
    at = 0
    while match := _LINK.match(chain, at):
        links.append(Link(fold(match[1]), match[3], bool(match[2])))
        at = match.end()
        if at == len(chain):
            return tuple(links)
        if chain[at] != ".":
            return None
        at += 1
    return None


def substitute(text: str, current: Object, run: Side, *, strict: bool = False) -> Filled:
    """Replace every token of a text, as seen from the current object.

    An absent attribute is empty text; ``strict`` (assertions, D09) raises :class:`AttributeNotFound`.

    Raises :class:`ObjectNotFound` and :class:`InvalidPathFormat`, which end the delivery.
    """
    if "${" not in text:
        return Filled(text)
    filler = Filler()
    for piece in split(text):
        if isinstance(piece, str):
            filler.literal(piece)
        else:
            filler.value(text_of(_read(piece, current, run, strict)))
    return filler.filled()


def coalesce(text: str, current: Object, run: Side) -> str | None:
    """The first alternative between ``||`` that is not blank; one that fails counts as nothing (C18)."""
    for alternative in text.split("||"):
        try:
            value = substitute(alternative.strip(), current, run).whole()
        except LimitExceeded:
            raise
        except AutomateError:
            continue
        if value.strip():
            return value
    return None


def _read(token: Token, current: Object, run: Side, strict: bool) -> Any:
    if token.special is not None:
        if token.special == "current_message":
            return current.message
        raise InvalidPathFormat(f"[${{!{token.special[:100]}}}] is not known; !current_message is")
    first, *chain = token.links
    if token.side is not None:
        return run.aside(token.side).get(first.name)
    if fold(token.path) == "state_var":
        value = run.workspace.variables.get(first.name)
    else:
        source = run.workspace.locate(token.path, current)
        if strict and not source.has(first.name):
            raise AttributeNotFound(f"Attribute [{first.name}] of [{source.path}] not found")
        value = source.get(first.name)
    for link in chain:
        value = _follow(value, link)
    return value


def _follow(value: Any, link: Link) -> Any:
    """Read on from a value: a key of a mapping, a listed method of text; anything else is nothing (C12)."""
    if isinstance(value, Mapping):
        found = value.get(link.name)
        if found is None and isinstance(value, dict):
            found = next((v for k, v in value.items() if isinstance(k, str) and fold(k) == link.name), None)
        if callable(found) and link.argument is not None:
            found = found(link.argument)
        return Untrusted(found) if isinstance(found, str) else found
    if isinstance(value, str) and link.name in TEXT_METHODS:
        result = TEXT_METHODS[link.name](value)
        return Untrusted(result) if isinstance(value, Untrusted) and isinstance(result, str) else result
    return None
