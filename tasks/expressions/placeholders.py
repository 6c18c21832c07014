"""``${event.event_type}`` in the texts of a rule: filled from the facts when the rule asks for something.

``${env:…}`` and ``${file:…}`` are references to secrets (:mod:`tasks.site.references`): they stay as they
are, and no value from a cloud can add one or change one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.expressions.facts import Facts
from tasks.expressions.mistakes import At, BadText, Mistake, shown
from tasks.expressions.paths import FieldPath, read_path
from tasks.expressions.values import text_of
from tasks.expressions.verdict import storable

#: A filled text is cut to this many bytes of UTF-8.
MAX_BYTES = 65_536

_SECRET = ("env:", "file:")

#: A written value made ready: gives the filled one.
Filling = Callable[[Facts], Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A text with places to fill: literal pieces and field paths in their order."""

    pieces: tuple[str | FieldPath, ...]

    def fill(self, facts: Facts) -> str:
        """The text with the values in place; what is not there is empty."""
        text = ""
        for piece in self.pieces:
            part = piece if isinstance(piece, str) else _harmless(_value(piece.get(facts)))
            # A brace after a dollar must not begin a reference that neither of the two was.
            text += f" {part}" if text.endswith("$") and part.startswith("{") else part
        return cut(text)


def read_template(text: str, kind: str | None = None) -> str | Template:
    """A text with its placeholders read; text without any is itself.

    Raises ``BadText`` for a placeholder that names no field.
    """
    pieces: list[str | FieldPath] = []
    rest = text
    while (start := rest.find("${")) >= 0:
        end = rest.find("}", start)
        inside = rest[start + 2 : end]
        if end < 0 or "${" in inside:
            raise BadText(
                f"the placeholder at {shown(rest[start:], 40)} is not closed",
                "Write it as ${event.tenant_id}; placeholders cannot lie in each other",
            )
        pieces.append(rest[:start])
        if inside.startswith(_SECRET):
            pieces.append(rest[start : end + 1])
        else:
            pieces.append(_path(inside, kind))
        rest = rest[end + 1 :]
    pieces.append(rest)
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(piece for piece in pieces if isinstance(piece, str))
    return Template(tuple(piece for piece in pieces if piece != ""))


def _path(inside: str, kind: str | None) -> FieldPath:
    try:
        return read_path(inside, kind)
    except BadText as mistake:
        raise BadText(f"the placeholder ${{{inside[:60]}}}: {mistake.what}", mistake.mend) from mistake


def prepare(value: Any, at: At, kind: str | None, mistakes: list[Mistake]) -> Filling:
    """Make texts inside lists and mappings ready to be filled; notes the mistakes. Keys are left alone."""
    if isinstance(value, str):
        try:
            template = read_template(value, kind)
        except BadText as mistake:
            mistakes.append(mistake.at(*at))
            return lambda _facts: value
        return template.fill if isinstance(template, Template) else lambda _facts: template
    if isinstance(value, Mapping):
        parts = {key: prepare(part, (*at, key), kind, mistakes) for key, part in value.items()}
        return lambda facts: {key: part(facts) for key, part in parts.items()}
    if isinstance(value, list):
        items = [prepare(part, (*at, index), kind, mistakes) for index, part in enumerate(value)]
        return lambda facts: [item(facts) for item in items]
    return lambda _facts: value


def cut(text: str) -> str:
    """A text within :data:`MAX_BYTES`, storable in every database."""
    text = storable(text)
    if len(text) * 4 <= MAX_BYTES:
        return text
    return text.encode("utf-8")[:MAX_BYTES].decode("utf-8", "ignore")


def _value(found: Any) -> str:
    if isinstance(found, str) or not isinstance(found, Mapping | list | tuple):
        return text_of(found)[:MAX_BYTES]
    try:
        return json.dumps(found, ensure_ascii=False, default=str, separators=(",", ":"))[:MAX_BYTES]
    except (ValueError, TypeError, RecursionError):
        return ""


def _harmless(value: str) -> str:
    return value.replace("${", "$ {")
