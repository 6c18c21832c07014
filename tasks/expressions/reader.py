"""Reads conditions: the form that people write, and ManageIQ's stored form (spec policy-alerts 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tasks.expressions.atoms import IGNORED, OPERANDS, joined
from tasks.expressions.find import FindReader
from tasks.expressions.mistakes import At, BadText, Mistake, shown
from tasks.expressions.operators import operator_named
from tasks.expressions.tree import AllOf, AnyOf, Expression, Node, Not

#: How deep groups may lie in each other.
MAX_DEPTH = 32

_GROUPS: Mapping[str, Callable[[list[Node]], Node]] = {
    "all": AllOf,
    "and": AllOf,
    "any": AnyOf,
    "or": AnyOf,
    "none": lambda parts: Not(AnyOf(parts)),
}
_NEGATIONS = frozenset({"not", "!"})
_LATER = {
    "mode": "Whole-condition tag forms are not supported: write `tag: category` with `is: entry`",
}


def compile_expression(
    tree: object, *, at: At = (), kind: str | None = None, strict: bool = False, keyed: bool = False
) -> tuple[Expression | None, list[Mistake]]:
    """Read a condition and compile it.

    ``at`` is where it stands in its document, ``kind`` the kind of the target where that is known.
    Missing values count as spec policy-alerts 3.4 says; with ``strict`` a comparison with one is
    unknown instead, and an unknown result is not true. With ``keyed`` the fields are keys of a plain map
    (:func:`tasks.expressions.facts.facts_of_map`). Returns all mistakes, and no expression where
    there is an error among them. Never raises for what is written.
    """
    reader = _Reader(kind, strict, keyed)
    root = reader.node(tree, at, 0)
    if root is None or any(mistake.severity == "error" for mistake in reader.mistakes):
        return None, reader.mistakes
    return Expression(root, reader.atoms), reader.mistakes


class _Reader(FindReader):
    def node(self, tree: object, at: At, depth: int) -> Node | None:
        """One group or comparison; None where it is wrong, with the mistakes noted."""
        if depth > MAX_DEPTH:
            return self.wrong(at, f"the condition is more than {MAX_DEPTH} groups deep", "Write it flatter")
        if isinstance(tree, list):
            return self._group(tree, at, depth, AllOf)
        if not isinstance(tree, Mapping):
            return self.wrong(
                at,
                f"{shown(tree)} is no condition",
                "Write {field: …, is: …}, or a group: all, any, none, not",
            )
        keys = [key for key in tree if str(key).lower() not in IGNORED]
        if len(keys) == 1 and keys[0] == "exp":
            return self.node(tree["exp"], (*at, "exp"), depth + 1)
        if any(key in OPERANDS for key in keys):
            return self.by_hand(tree, keys, at, self.path(tree, at))
        parts = [self._keyed(key, tree[key], (*at, key), depth) for key in keys]
        if not parts:
            return self.wrong(
                at,
                "the condition is empty",
                "Write {field: …, is: …}, or leave it out: then it is always true",
            )
        return joined([part for part in parts if part is not None])

    def _keyed(self, key: object, value: object, at: At, depth: int) -> Node | None:
        """A group, a negation, or ManageIQ's operator with its operands below it."""
        word = str(key).lower()
        if word in _GROUPS:
            if not isinstance(value, list):
                return self.wrong(at, f"{word!r} needs a list of conditions", "Begin each one with a dash")
            return self._group(value, at, depth, _GROUPS[word])
        if word in _NEGATIONS:
            part = self.node(value, at, depth + 1)
            return None if part is None else Not(part)
        if word == "find":
            return self.find(value, at)
        if word in _LATER:
            return self.wrong(at, f"{shown(key)} cannot be used", _LATER[word])
        try:
            operator = operator_named(key, by_hand=False)
        except BadText as mistake:
            return self.unknown_key(key, at, mistake)
        if not isinstance(value, Mapping):
            return self.wrong(at, f"{shown(key)} needs a field below it", "Write {field: …, " + str(key) + ": …}")
        return self.stored(operator, value, at, self.path(value, at))

    def _group(self, items: list[Any], at: At, depth: int, join: Callable[[list[Node]], Node]) -> Node | None:
        if not items:
            return self.wrong(at, "the group holds no condition", "Write one, or remove the group")
        parts = [self.node(item, (*at, index), depth + 1) for index, item in enumerate(items)]
        right = [part for part in parts if part is not None]
        return join(right) if right else None
