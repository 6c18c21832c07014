"""The comparison that decided an expression, kept within the bounds of a finding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tasks.model import clock
from tasks.model.errors import Permanent

#: How much of a found value a finding keeps.
MAX_TEXT, MAX_PARTS, MAX_DEPTH = 200, 20, 3


class EvaluationFault(Permanent):
    """A comparison that could not be made: neither true nor false (spec policy-alerts 9.1)."""


class Leaf(NamedTuple):
    """One comparison: ``held`` is its own result, before any ``not`` above it.

    ``expected`` and ``found`` are plain and bounded; ``found`` is None for what is not there.
    """

    path: str
    operator: str
    expected: Any
    found: Any
    held: bool

    def as_dict(self) -> dict[str, Any]:
        """The comparison as the detail of a finding."""
        return {
            "path": self.path,
            "operator": self.operator,
            "expected": self.expected,
            "found": self.found,
            "held": self.held,
        }


def plain(value: Any, depth: int = 0) -> Any:
    """A copy of a value that fits a finding: JSON, bounded, storable in every database."""
    if isinstance(value, str):
        return storable(value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}…")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if abs(value) < 2**63 else float(value) if abs(value) < 2**1000 else "a huge number"
    if isinstance(value, datetime):
        return clock.rfc3339(value)
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        parts = list(value.items())[:MAX_PARTS]
        return {plain(str(key), depth + 1): plain(part, depth + 1) for key, part in parts}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part, depth + 1) for part in list(value)[:MAX_PARTS]]
    return plain(str(value), depth)


def storable(text: str) -> str:
    """Text without the characters that a database refuses: NUL and lone surrogates."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")
