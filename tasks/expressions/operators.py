"""The table of operators: every word that a condition may use, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tasks.expressions import comparisons as c
from tasks.expressions.mistakes import BadText, nearest, shown


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    ``asks_missing``: it is about missing values, so strict conditions ask it too. ``fields``: it can
    compare with another field instead of a written value. ``numeric``: both sides count as numbers.
    """

    name: str
    prepare: c.Prepare
    asks_missing: bool = False
    fields: bool = True
    numeric: bool = False


#: By ManageIQ's name (spec policy-alerts 3.2), and ours where ManageIQ has none.
OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        operator.name: operator
        for operator in (
            Operator("=", c.equal),
            Operator("!=", c.negated(c.equal)),
            Operator("<", c.less, numeric=True),
            Operator("<=", c.less_or_equal, numeric=True),
            Operator(">", c.greater, numeric=True),
            Operator(">=", c.greater_or_equal, numeric=True),
            Operator("IN", c.one_of, fields=False),
            Operator("NOT IN", c.negated(c.one_of), fields=False),
            Operator("STARTS WITH", c.starts_with),
            Operator("ENDS WITH", c.ends_with),
            Operator("INCLUDES", c.includes),
            Operator("LIKE", c.like),
            Operator("NOT LIKE", c.negated(c.like)),
            Operator("REGULAR EXPRESSION MATCHES", c.matches, fields=False),
            Operator("REGULAR EXPRESSION DOES NOT MATCH", c.negated(c.matches), fields=False),
            Operator("IS NULL", c.empty, asks_missing=True, fields=False),
            Operator("IS NOT NULL", c.negated(c.empty), asks_missing=True, fields=False),
            Operator("INCLUDES ALL", c.includes_all, fields=False),
            Operator("INCLUDES ANY", c.includes_any, fields=False),
            Operator("LIMITED TO", c.limited_to, fields=False),
            Operator("BEFORE", c.before, fields=False),
            Operator("AFTER", c.after, fields=False),
            Operator("IS", c.during, fields=False),
            Operator("FROM", c.between, fields=False),
            Operator("CONTAINS", c.contains),
            Operator("KEY EXISTS", c.never, fields=False),
            Operator("VALUE EXISTS", c.never, fields=False),
        )
    }
)

#: Other spellings, all in ManageIQ's files or in ours.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "EQUAL": "=",
        "IS EMPTY": "IS NULL",
        "EMPTY": "IS NULL",
        "IS NOT EMPTY": "IS NOT NULL",
        "INCLUDES ONLY": "LIMITED TO",
        "MATCHES": "REGULAR EXPRESSION MATCHES",
        "DOES NOT MATCH": "REGULAR EXPRESSION DOES NOT MATCH",
        "DURING": "IS",
        "BETWEEN": "FROM",
        "IS NOT": "!=",
    }
)

_TEXT = (
    "=",
    "STARTS WITH",
    "ENDS WITH",
    "INCLUDES",
    "IS NULL",
    "IS NOT NULL",
    "IS EMPTY",
    "IS NOT EMPTY",
    "REGULAR EXPRESSION MATCHES",
    "REGULAR EXPRESSION DOES NOT MATCH",
)
#: What suits a field by its type (spec policy-alerts 3.2): others are read as well.
OFFERED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "number": ("=", "!=", "<", "<=", ">=", ">"),
        "text": _TEXT,
        "boolean": ("=", "IS NULL", "IS NOT NULL"),
        "datetime": ("IS", "BEFORE", "AFTER", "FROM", "IS EMPTY", "IS NOT EMPTY"),
        "set": ("INCLUDES ALL", "INCLUDES ANY", "LIMITED TO"),
        "tag": ("CONTAINS",),
        "registry": (*_TEXT, "KEY EXISTS", "VALUE EXISTS"),
    }
)


def offered(type_: str | None) -> tuple[str, ...]:
    """The operators that suit a field; one of an unknown type is taken for a text."""
    return OFFERED[type_ or "text"]


REGISTRY = frozenset({"KEY EXISTS", "VALUE EXISTS"})


def operator_named(word: object, *, by_hand: bool, type_: str | None = None) -> Operator:
    """The operator of a word, without regard to case.

    Written by hand ``is`` is equality; in ManageIQ's form ``IS`` is about dates. ``type_`` is that of the field.
    Raises ``BadText``, which names the nearest operator, or those that suit the field.
    """
    name = " ".join(str(word)[:100].upper().split())
    name = "=" if by_hand and name == "IS" else ALIASES.get(name, name)
    operator = OPERATORS.get(name)
    if operator is None:
        words = [w.lower() for w in (*OPERATORS, *ALIASES)]
        mend = nearest(word, words, "")
        if not mend.startswith("Did you mean"):
            mend = f"Operators here are: {', '.join(w.lower() for w in offered(type_))}"
        raise BadText(f"{shown(word)} is no operator", mend)
    return operator
