"""Text in the switchboard: folding, what comes from outside, and texts with values held apart from syntax."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.switchboard.errors import LimitExceeded

#: A substituted text longer than this ends the delivery: fields that double each other grow without end.
MAX_TEXT = 65_536

#: What a secret is shown as.
STARS = "********"

_FIRST_HOLE = 0xF0000
_MAX_HOLES = 0xFFFD
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class Untrusted(str):
    """Text from outside: an event's type, an object's name.

    It is data. Put into an address it is one whole segment or value, never syntax (spec automate 9.5).
    """

    __slots__ = ()


class AddressPart(str):
    """Text that somebody wrote as part of an address, and that is one: names with slashes between them."""

    __slots__ = ()


def fold(name: str) -> str:
    """A name as it is compared: without regard to the case of ASCII letters (spec automate 1.7).

    Other letters are left alone, so that no foreign letter folds into the name of an instance.
    """
    return name.lower() if name.isascii() else name.translate(_LOWER)


def bounded(text: str, length: int = 200) -> str:
    """Text for a trace: plain, and not longer than a reader wants."""
    return str(text) if len(text) <= length else f"{text[:length]}…"


def text_of(value: Any) -> str:
    """A value as text that replaces a ``${...}``; what is not plain comes from outside."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return Untrusted(f"[{len(value)} values]")
    if repr(value) == STARS:
        return STARS
    try:
        return Untrusted(json.dumps(value, ensure_ascii=False, default=lambda other: f"<{type(other).__name__}>"))
    except (ValueError, RecursionError):
        return Untrusted(f"<{type(value).__name__}>")


@dataclass(frozen=True, slots=True)
class Filled:
    """A text after substitution: each value from outside stands as one private character, kept in ``held``.

    Whoever reads the text as syntax (an address, a call, an assertion) reads the characters as opaque
    and restores the values afterwards, so no value can turn into syntax.
    """

    text: str
    held: tuple[str, ...] = ()

    def restore(self, part: str) -> str:
        """A part of the text with its values back in place; untrusted as soon as it holds one."""
        if not self.held or part.isascii():
            return part
        pieces = [self.held[ord(c) - _FIRST_HOLE] if is_hole(c) else c for c in part]
        return Untrusted("".join(pieces)) if any(map(is_hole, part)) else part

    def whole(self) -> str:
        """The text as a value."""
        return self.restore(self.text)


def is_hole(character: str) -> bool:
    """Whether the character stands for a value from outside."""
    return _FIRST_HOLE <= ord(character) < _FIRST_HOLE + _MAX_HOLES


def without_holes(literal: str) -> str:
    """Literal text whose own private characters cannot be taken for values."""
    if literal.isascii():
        return literal
    return "".join("�" if ord(c) >= _FIRST_HOLE else c for c in literal)


class Filler:
    """Puts a :class:`Filled` together, piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._held: list[str] = []
        self._length = 0

    def literal(self, text: str) -> None:
        """Add text of the datastore: syntax where it stands in an address."""
        self._grow(text)
        self._pieces.append(without_holes(text))

    def value(self, text: str) -> None:
        """Add a substituted value: apart from syntax when it is from outside.

        Raises :class:`LimitExceeded` when the text becomes too long.
        """
        if not isinstance(text, Untrusted):
            self.literal(text)
            return
        self._grow(text)
        if len(self._held) == _MAX_HOLES:
            raise LimitExceeded(f"a text takes in more than {_MAX_HOLES} values")
        self._pieces.append(chr(_FIRST_HOLE + len(self._held)))
        self._held.append(text)

    def _grow(self, text: str) -> None:
        self._length += len(text)
        if self._length > MAX_TEXT:
            raise LimitExceeded(f"a text grows beyond {MAX_TEXT} characters through its ${{...}}")

    def filled(self) -> Filled:
        """What was put together."""
        return Filled("".join(self._pieces), tuple(self._held))
