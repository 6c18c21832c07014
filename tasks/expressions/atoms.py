"""Reads comparisons: what each one looks at, its operator, and what it compares with (spec policy-alerts 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.expressions.mistakes import At, BadText, Mistake, nearest, shown
from tasks.expressions.operators import REGISTRY, Operator, operator_named
from tasks.expressions.paths import FieldPath, looks_stored, read_count, read_key, read_path, read_tag
from tasks.expressions.tree import AllOf, Atom, Node
from tasks.expressions.verdict import plain

#: How many comparisons one condition may have.
MAX_ATOMS = 1000

#: Keys that name what a comparison looks at.
OPERANDS = ("field", "count", "tag", "regkey")
#: ManageIQ's bookkeeping, without effect on the result.
IGNORED = frozenset({"token", "context_type", "alias", "suffix"})
#: Keys that hold conditions, for whoever mistypes one.
GROUP_WORDS = ("all", "and", "any", "or", "none", "not", "!", "find")


class Atoms:
    """Reads comparisons of one condition, counts them, and notes the mistakes.

    With ``keyed`` the fields are keys of a plain map.
    """

    def __init__(self, kind: str | None, strict: bool, keyed: bool = False) -> None:
        self.kind = kind
        self.strict = strict
        self.keyed = keyed
        self.atoms = 0
        self.mistakes: list[Mistake] = []

    def by_hand(self, tree: Mapping[Any, Any], keys: list[Any], at: At, path: FieldPath | None) -> Node | None:
        """``{field: …, is: …}``: one comparison for each operator. ``path`` is what they look at."""
        found: list[Node | None] = []
        for key in keys:
            if key in OPERANDS or key == "regval":
                continue
            try:
                operator = operator_named(key, by_hand=True, type_=path.type if path else None)
            except BadText as mistake:
                self.unknown_key(key, (*at, key), mistake)
                continue
            found.append(self._atom(path, operator, tree[key], (*at, key)))
        if not found and all(key in OPERANDS for key in keys):
            return self.wrong(at, "the condition compares with nothing", "Add an operator, as in `is: ACTIVE`")
        return joined([node for node in found if node is not None])

    def stored(self, operator: Operator, operands: Mapping[Any, Any], at: At, path: FieldPath | None) -> Node | None:
        """ManageIQ's ``{"=": {field: …, value: …}}``. ``path`` is what it looks at."""
        for key in operands:
            if key not in OPERANDS and key not in ("value", "regval") and str(key).lower() not in IGNORED:
                self.wrong((*at, key), f"{shown(key)} is no operand", "Operands are field, count, tag and value")
        value = operands.get("value")
        place = (*at, "value") if "value" in operands else at
        if operator.fields and isinstance(value, str) and looks_stored(value):
            value = {"field": value}
        return self._atom(path, operator, value, place)

    def path(self, operands: Mapping[Any, Any], at: At) -> FieldPath | None:
        """What a comparison looks at; None where that is wrong."""
        named = [key for key in OPERANDS if key in operands]
        if len(named) != 1:
            self.wrong(at, "a condition looks at exactly one thing", "Write one of field, count or tag")
            return None
        word = named[0]
        try:
            match word:
                case "field":
                    return read_key(operands[word]) if self.keyed else read_path(operands[word], self.kind)
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
                self.wrong(
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
        return read_key(value["field"]) if self.keyed else read_path(value["field"], self.kind)

    def unknown_key(self, key: object, at: At, mistake: BadText) -> Node | None:
        """Note a key that is no operator; always None."""
        if isinstance(key, bool):
            return self.wrong(
                at,
                f"the key {shown(key)} is a truth value to YAML",
                "Put words such as on, yes and no in quotes",
            )
        words = [*GROUP_WORDS, *OPERANDS[:3]]
        close = nearest(key, words, "").partition("?")[0] if not mistake.mend.startswith("Did you mean") else ""
        mend = f"{close}? {mistake.mend}" if close.startswith("Did you mean") else mistake.mend
        return self.wrong(at, mistake.what, mend)

    def wrong(self, at: At, what: str, mend: str) -> Node | None:
        """Note a mistake; always None."""
        self.mistakes.append(Mistake(at, what, mend))
        return None


def joined(parts: list[Node]) -> Node | None:
    """All of several; None where there is none."""
    if len(parts) > 1:
        return AllOf(parts)
    return parts[0] if parts else None


def _bare(value: object) -> object:
    return value if isinstance(value, bool | int | float | str | list) or value is None else str(value)
