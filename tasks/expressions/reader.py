"""Reads conditions: the form that people write, and ManageIQ's stored form (spec policy-alerts 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tasks.expressions.mistakes import At, BadText, Mistake, nearest, shown
from tasks.expressions.operators import REGISTRY, Operator, operator_named
from tasks.expressions.paths import FieldPath, looks_stored, read_count, read_path, read_tag
from tasks.expressions.tree import AllOf, AnyOf, Atom, Expression, Node, Not
from tasks.expressions.verdict import plain

#: How deep groups may lie in each other, and how many comparisons one condition may have.
MAX_DEPTH, MAX_ATOMS = 32, 1000

#: Keys that name what a comparison looks at.
_OPERANDS = ("field", "count", "tag", "regkey")
#: ManageIQ's bookkeeping, without effect on the result.
_IGNORED = frozenset({"token", "context_type", "alias", "suffix"})
_GROUPS: Mapping[str, Callable[[list[Node]], Node]] = {
    "all": AllOf,
    "and": AllOf,
    "any": AnyOf,
    "or": AnyOf,
    "none": lambda parts: Not(AnyOf(parts)),
}
_NEGATIONS = frozenset({"not", "!"})
_LATER = {
    "find": "FIND is not supported yet: write conditions on the object itself",
    "mode": "Whole-condition tag forms are not supported: write `tag: category` with `is: entry`",
}


def compile_expression(
    tree: object, *, at: At = (), kind: str | None = None, strict: bool = False
) -> tuple[Expression | None, list[Mistake]]:
    """Read a condition and compile it.

    ``at`` is where it stands in its document, ``kind`` the kind of the target where that is known.
    Missing values count as spec policy-alerts 3.4 says; with ``strict`` a comparison with one is
    unknown instead, and an unknown result is not true. Returns all mistakes, and no expression where
    there is an error among them. Never raises for what is written.
    """
    reader = _Reader(kind, strict)
    root = reader.node(tree, at, 0)
    if root is None or any(mistake.severity == "error" for mistake in reader.mistakes):
        return None, reader.mistakes
    return Expression(root, reader.atoms), reader.mistakes


class _Reader:
    def __init__(self, kind: str | None, strict: bool) -> None:
        self.kind = kind
        self.strict = strict
        self.atoms = 0
        self.mistakes: list[Mistake] = []

    def node(self, tree: object, at: At, depth: int) -> Node | None:
        """One group or comparison; None where it is wrong, with the mistakes noted."""
        if depth > MAX_DEPTH:
            return self._wrong(at, f"the condition is more than {MAX_DEPTH} groups deep", "Write it flatter")
        if isinstance(tree, list):
            return self._group(tree, at, depth, AllOf)
        if not isinstance(tree, Mapping):
            return self._wrong(
                at,
                f"{shown(tree)} is no condition",
                "Write {field: …, is: …}, or a group: all, any, none, not",
            )
        keys = [key for key in tree if str(key).lower() not in _IGNORED]
        if len(keys) == 1 and keys[0] == "exp":
            return self.node(tree["exp"], (*at, "exp"), depth + 1)
        if any(key in _OPERANDS for key in keys):
            return self._by_hand(tree, keys, at)
        parts = [self._keyed(key, tree[key], (*at, key), depth) for key in keys]
        if not parts:
            return self._wrong(
                at,
                "the condition is empty",
                "Write {field: …, is: …}, or leave it out: then it is always true",
            )
        return _joined([part for part in parts if part is not None])

    def _keyed(self, key: object, value: object, at: At, depth: int) -> Node | None:
        """A group, a negation, or ManageIQ's operator with its operands below it."""
        word = str(key).lower()
        if word in _GROUPS:
            if not isinstance(value, list):
                return self._wrong(at, f"{word!r} needs a list of conditions", "Begin each one with a dash")
            return self._group(value, at, depth, _GROUPS[word])
        if word in _NEGATIONS:
            part = self.node(value, at, depth + 1)
            return None if part is None else Not(part)
        if word in _LATER:
            return self._wrong(at, f"{shown(key)} cannot be used", _LATER[word])
        try:
            operator = operator_named(key, by_hand=False)
        except BadText as mistake:
            return self._unknown_key(key, at, mistake)
        if not isinstance(value, Mapping):
            return self._wrong(at, f"{shown(key)} needs a field below it", "Write {field: …, " + str(key) + ": …}")
        return self._stored(operator, value, at)

    def _group(self, items: list[Any], at: At, depth: int, join: Callable[[list[Node]], Node]) -> Node | None:
        if not items:
            return self._wrong(at, "the group holds no condition", "Write one, or remove the group")
        parts = [self.node(item, (*at, index), depth + 1) for index, item in enumerate(items)]
        right = [part for part in parts if part is not None]
        return join(right) if right else None

    def _by_hand(self, tree: Mapping[Any, Any], keys: list[Any], at: At) -> Node | None:
        path = self._path(tree, at)
        found: list[Node | None] = []
        for key in keys:
            if key in _OPERANDS or key == "regval":
                continue
            try:
                operator = operator_named(key, by_hand=True)
            except BadText as mistake:
                self._unknown_key(key, (*at, key), mistake)
                continue
            found.append(self._atom(path, operator, tree[key], (*at, key)))
        if not found and all(key in _OPERANDS for key in keys):
            return self._wrong(at, "the condition compares with nothing", "Add an operator, as in `is: ACTIVE`")
        return _joined([node for node in found if node is not None])

    def _stored(self, operator: Operator, operands: Mapping[Any, Any], at: At) -> Node | None:
        path = self._path(operands, at)
        for key in operands:
            if key not in _OPERANDS and key not in ("value", "regval") and str(key).lower() not in _IGNORED:
                self._wrong((*at, key), f"{shown(key)} is no operand", "Operands are field, count, tag and value")
        value = operands.get("value")
        place = (*at, "value") if "value" in operands else at
        if operator.fields and isinstance(value, str) and looks_stored(value):
            value = {"field": value}
        return self._atom(path, operator, value, place)

    def _path(self, operands: Mapping[Any, Any], at: At) -> FieldPath | None:
        named = [key for key in _OPERANDS if key in operands]
        if len(named) != 1:
            self._wrong(at, "a condition looks at exactly one thing", "Write one of field, count or tag")
            return None
        word = named[0]
        try:
            match word:
                case "field":
                    return read_path(operands[word], self.kind)
                case "count":
                    return read_count(operands[word], self.kind)
                case "tag":
                    return read_tag(operands[word])
            return FieldPath(f"registry {shown(operands[word])}", lambda _facts: None)
        except BadText as mistake:
            self.mistakes.append(mistake.at(*at, word))
            return None

    def _atom(self, path: FieldPath | None, operator: Operator, value: object, at: At) -> Node | None:
        self.atoms += 1
        if self.atoms > MAX_ATOMS:
            if self.atoms == MAX_ATOMS + 1:
                self._wrong(
                    at,
                    f"the condition has more than {MAX_ATOMS} comparisons",
                    "Use `in` with a list, or split it",
                )
            return None
        if operator.name in REGISTRY:
            self.mistakes.append(
                Mistake(
                    at,
                    f"{operator.name} is always false",
                    "No object has a registry here: remove it",
                    "warning",
                )
            )
        try:
            if isinstance(value, Mapping):
                other = self._other(operator, value)
                return None if path is None else Atom(path, operator, None, None, self.strict, other)
            test = operator.prepare(value, path.type if path else None)
        except BadText as mistake:
            # Without its field the type is not known either: what is said of the value may be wrong.
            if path is not None:
                self.mistakes.append(mistake.at(*at))
            return None
        return None if path is None else Atom(path, operator, plain(_bare(value)), test, self.strict)

    def _other(self, operator: Operator, value: Mapping[Any, Any]) -> FieldPath:
        if list(value) != ["field"]:
            raise BadText(f"{shown(value)} cannot be compared with", "Write a value, or {field: …} for another field")
        if not operator.fields:
            raise BadText(f"{operator.name} cannot compare with another field", "Write a value")
        return read_path(value["field"], self.kind)

    def _unknown_key(self, key: object, at: At, mistake: BadText) -> Node | None:
        if isinstance(key, bool):
            return self._wrong(
                at,
                f"the key {shown(key)} is a truth value to YAML",
                "Put words such as on, yes and no in quotes",
            )
        words = [*_GROUPS, *_NEGATIONS, *_OPERANDS[:3]]
        close = nearest(key, words, "").partition("?")[0] if not mistake.mend.startswith("Did you mean") else ""
        mend = f"{close}? {mistake.mend}" if close.startswith("Did you mean") else mistake.mend
        return self._wrong(at, mistake.what, mend)

    def _wrong(self, at: At, what: str, mend: str) -> Node | None:
        self.mistakes.append(Mistake(at, what, mend))
        return None


def _joined(parts: list[Node]) -> Node | None:
    if len(parts) > 1:
        return AllOf(parts)
    return parts[0] if parts else None


def _bare(value: object) -> object:
    return value if isinstance(value, bool | int | float | str | list) or value is None else str(value)
