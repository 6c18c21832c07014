"""Comparisons of facts (spec orchestrate 5.2 to 5.4): the type of the left fact decides how they are made.

Where a side is undefined, or the two cannot be compared, the outcome is false and a note says why.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Any

from tasks.constraints.nodes import Node, Outcome, Trace
from tasks.constraints.paths import FactPath, Scope
from tasks.constraints.patterns import EXACT, compile_pattern
from tasks.model.catalogue import FactValue
from tasks.model.fact_types import (
    BOOLEAN,
    DICTIONARY,
    INTEGER,
    REAL,
    STRING,
    BadValue,
    canonical,
    element_of,
    parse,
    plain,
)

ORDERING = ("gt", "ge", "lt", "le", "between")
BINARY = ("eq", "ne", "gt", "ge", "lt", "le", "contains")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_NUMBERS = frozenset({INTEGER, REAL})


class _CannotCompareError(Exception):
    """Why two values cannot be compared."""


def literal(kind: str, text: str, zone: tzinfo) -> Any:
    """A literal for a comparison with a fact of this type: whole numbers need not be written for whole facts."""
    return parse(REAL if kind == INTEGER else kind, text, zone)


class Literal:
    """A written value, converted once for each type that it is compared with."""

    __slots__ = ("_made", "_zone", "text")

    def __init__(self, text: str, zone: tzinfo = UTC) -> None:
        self.text = text
        self._zone = zone
        self._made: dict[str, Any] = {}

    def of(self, kind: str) -> Any:
        """The value as one of this type. Raises ``_CannotCompareError``."""
        if kind not in self._made:
            try:
                self._made[kind] = literal(kind, self.text, self._zone)
            except BadValue as error:
                raise _CannotCompareError(f"{self.text!r} is no {kind}: {error}") from None
        return self._made[kind]


class Compare(Node):
    """``eq``, ``ne``, ``gt``, ``ge``, ``lt``, ``le`` and ``contains``: a fact against a literal or another fact."""

    __slots__ = ("_compiled", "_fact", "_kind", "_match", "_right", "_zone")

    def __init__(
        self,
        tag: str,
        path: str,
        fact: FactPath,
        right: Literal | FactPath,
        *,
        match: str = EXACT,
        kind: str | None = None,
        zone: tzinfo = UTC,
        reason: str | None = None,
    ) -> None:
        """Raises ``ValueError`` for a pattern that cannot be used."""
        super().__init__(tag, path, reason)
        self._fact = fact
        self._right = right
        self._match = match
        self._kind = kind
        self._zone = zone
        written = isinstance(right, Literal) and match != EXACT
        self._compiled = compile_pattern(match, right.text) if written and isinstance(right, Literal) else None

    @property
    def right(self) -> Literal | FactPath:
        """What the fact is compared with."""
        return self._right

    def facts(self) -> Sequence[FactPath]:
        """The facts on both sides."""
        return (self._fact, self._right) if isinstance(self._right, FactPath) else (self._fact,)

    def canonical(self) -> list[Any]:
        """What it says."""
        right = ["fact", self._right.name] if isinstance(self._right, FactPath) else ["value", self._right.text]
        return [self.tag, self._fact.name, *right, self._match, self._kind]

    def _judge(self, scope: Scope, trace: Trace | None, note: dict[str, Any] | None) -> Outcome:
        left = scope.get(self._fact)
        _tell(note, "", self._fact, left, scope)
        if left is None:
            return _cannot(note, "the fact is undefined")
        try:
            return self._compare(left, scope, note)
        except _CannotCompareError as why:
            return _cannot(note, str(why))

    def _compare(self, left: FactValue, scope: Scope, note: dict[str, Any] | None) -> bool:
        kind, value = self._left(left)
        right: Any = self._right
        if isinstance(right, FactPath):
            other = scope.get(right)
            _tell(note, "right ", right, other, scope)
            if other is None:
                raise _CannotCompareError("the fact on the right is undefined")
            right = other
        elif note is not None:
            note["right"] = right.text
        if self.tag == "contains":
            return self._contains(kind, value, right)
        if element_of(kind) is not None or kind == DICTIONARY:
            return self._whole(kind, value, right)
        if self._match != EXACT and kind == STRING:
            return self._pattern(right)(value) is (self.tag == "eq")
        return self._plainly(kind, value, self._of(kind, right))

    def _left(self, left: FactValue) -> tuple[str, Any]:
        """The left side, as one of the type that the constraint asks for where it does."""
        scalar = element_of(left.type) is None and left.type != DICTIONARY
        if self._kind is None or not scalar or self._kind == left.type:
            return left.type, left.value
        if self._kind in _NUMBERS and left.type in _NUMBERS:
            return self._kind, left.value
        try:
            return self._kind, canonical(self._kind, left.value)
        except BadValue as error:
            raise _CannotCompareError(f"the fact is no {self._kind}: {error}") from None

    def _of(self, kind: str, right: Literal | FactValue) -> Any:
        """The right side, as one of the type of the left one."""
        if isinstance(right, Literal):
            return right.of(kind)
        if right.type == kind or (right.type in _NUMBERS and kind in _NUMBERS):
            return right.value
        try:
            return canonical(REAL if kind == INTEGER else kind, right.value)
        except BadValue as error:
            raise _CannotCompareError(f"the fact on the right is no {kind}: {error}") from None

    def _plainly(self, kind: str, value: Any, right: Any) -> bool:
        if kind == BOOLEAN and self.tag in ORDERING:
            raise _CannotCompareError("truth values have no order")
        return _OPERATORS[self.tag](value, right)

    def _whole(self, kind: str, value: Any, right: Literal | FactValue) -> bool:
        if self.tag in ORDERING:
            raise _CannotCompareError(f"a value of the type {kind} has no order")
        if isinstance(right, Literal) or (right.type == DICTIONARY) is not (kind == DICTIONARY):
            raise _CannotCompareError(f"a value of the type {kind} is compared with another one of it: use contains")
        return _OPERATORS[self.tag](value, right.value)

    def _contains(self, kind: str, value: Any, right: Literal | FactValue) -> bool:
        if kind == DICTIONARY:
            key = str(right.text if isinstance(right, Literal) else right.value)
            return key in value
        element = element_of(kind)
        held = value if element is not None else [value]
        element = element or kind
        if self._match != EXACT and element == STRING:
            return any(map(self._pattern(right), held))
        return self._of(element, right) in held

    def _pattern(self, right: Literal | FactValue) -> Callable[[str], bool]:
        if self._compiled is not None:
            return self._compiled
        try:
            return compile_pattern(self._match, str(right.value if isinstance(right, FactValue) else right.text))
        except ValueError as error:
            raise _CannotCompareError(str(error)) from None


class Between(Node):
    """``between``: a fact within two literals, both of them included."""

    __slots__ = ("_fact", "_high", "_low")

    def __init__(self, path: str, fact: FactPath, low: Literal, high: Literal, reason: str | None = None) -> None:
        super().__init__("between", path, reason)
        self._fact = fact
        self._low = low
        self._high = high

    def facts(self) -> Sequence[FactPath]:
        """The fact that is looked at."""
        return (self._fact,)

    def canonical(self) -> list[Any]:
        """What it says."""
        return [self.tag, self._fact.name, self._low.text, self._high.text]

    def _judge(self, scope: Scope, trace: Trace | None, note: dict[str, Any] | None) -> Outcome:
        left = scope.get(self._fact)
        _tell(note, "", self._fact, left, scope)
        if note is not None:
            note["right"] = f"{self._low.text} to {self._high.text}"
        if left is None:
            return _cannot(note, "the fact is undefined")
        if left.type == BOOLEAN or element_of(left.type) is not None or left.type == DICTIONARY:
            return _cannot(note, f"a value of the type {left.type} has no order")
        try:
            return bool(self._low.of(left.type) <= left.value <= self._high.of(left.type))
        except _CannotCompareError as why:
            return _cannot(note, str(why))


def _cannot(note: dict[str, Any] | None, why: str) -> bool:
    if note is not None:
        note["note"] = why
    return False


def _tell(told: dict[str, Any] | None, side: str, fact: FactPath, found: FactValue | None, scope: Scope) -> None:
    if told is None:
        return
    told[f"{side}fact"] = fact.name
    if found is not None:
        told[f"{side}value"] = plain(found.value)
        told[f"{side}type"] = found.type
        told[f"{side}age"] = max(0.0, round((scope.now - found.at).total_seconds(), 1))


def simple_bound(node: Node) -> tuple[FactPath, str, Decimal] | None:
    """A numeric comparison as fact, operator and number; None for all other constraints."""
    if isinstance(node, Compare) and node.tag in _OPERATORS and isinstance(node.right, Literal):
        try:
            return node.facts()[0], node.tag, literal(REAL, node.right.text, UTC)
        except BadValue:
            return None
    return None
