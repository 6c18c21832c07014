"""A compiled condition: a tree of objects that looks at facts, with a reason for every result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from tasks.expressions.comparisons import Test
from tasks.expressions.dates import moment_of
from tasks.expressions.facts import Facts
from tasks.expressions.mistakes import BadText
from tasks.expressions.operators import Operator
from tasks.expressions.paths import FieldPath
from tasks.expressions.values import number_of
from tasks.expressions.verdict import EvaluationFault, Leaf, plain


class Comparison(Protocol):
    """What can decide a condition: one comparison, or a look through a list."""

    def leaf(self, facts: Facts, found: Any, held: bool) -> Leaf:
        """What was expected and what was found, for people."""


class Decision(NamedTuple):
    """A result (None: cannot be known, which only strict conditions answer), and what decided it."""

    result: bool | None
    atom: Comparison
    found: Any
    held: bool


class Node(Protocol):
    """A part of a condition."""

    def decide(self, facts: Facts) -> Decision:
        """The result of this part. Raises :class:`EvaluationFault`."""

    def annotate(self, facts: Facts) -> dict[str, Any]:
        """This part with the ``result`` of each part in it by itself (spec policy-alerts 3.6).

        None stands for what cannot be known; a comparison that could not be made says why under ``error``.
        """


@dataclass(frozen=True, slots=True)
class Atom:
    """One comparison. ``other`` is the field that it compares with, where it is not a written value."""

    path: FieldPath
    operator: Operator
    expected: Any
    test: Test | None
    strict: bool
    other: FieldPath | None = None

    def decide(self, facts: Facts) -> Decision:
        """Compare. In a strict condition a missing value makes the result unknown."""
        # Outside of the guard: a ledger that cannot be read is no fault of the comparison and tried again.
        found = self.path.get(facts)
        against = self.other.get(facts) if self.other is not None else None
        if self.strict and not self.operator.asks_missing and (found is None or (self.other and against is None)):
            return Decision(None, self, found, False)
        try:
            held = self.test(found, facts.now) if self.test else self._compare(found, against, facts.now)
        except EvaluationFault as fault:
            raise EvaluationFault(f"{self}: {fault}") from fault
        except BadText as mistake:
            raise EvaluationFault(f"{self}: {mistake.what}") from mistake
        except Exception as mistake:
            # Whatever a cloud sent, an operator that fails on it must fail this condition alone.
            raise EvaluationFault(f"{self}: {type(mistake).__name__}: {mistake}") from mistake
        return Decision(held, self, found, held)

    def _compare(self, found: Any, against: Any, now: datetime) -> bool:
        """Compare with another field, whose missing value counts as everywhere (spec policy-alerts 3.4)."""
        type_ = self.path.type
        if type_ == "datetime":
            against = moment_of(against)
            if against is None:
                return False
        elif self.operator.numeric or type_ == "number":
            against = number_of(against)
        return self.operator.prepare("" if against is None else against, type_)(found, now)

    def leaf(self, facts: Facts, found: Any, held: bool) -> Leaf:
        """The comparison with its values."""
        expected = self.expected
        if self.other is not None:
            expected = f"{self.other.text} = {plain(self.other.get(facts))!r}"
        return Leaf(self.path.text, self.operator.name, expected, plain(found), held)

    def annotate(self, facts: Facts) -> dict[str, Any]:
        """The comparison with its values and its result."""
        return annotated(self, facts)

    def __str__(self) -> str:
        return f"{self.path.text} {self.operator.name}"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part must be true; stops at the first that is false."""

    parts: Sequence[Node]

    def decide(self, facts: Facts) -> Decision:
        """False by the first false part, else unknown by the first unknown, else true by the first part."""
        return _first(self.parts, facts, False)

    def annotate(self, facts: Facts) -> dict[str, Any]:
        """All parts, the ones behind the first false one as well."""
        return {"all": [part.annotate(facts) for part in self.parts], **_result(self, facts)}


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One true part is enough; stops there."""

    parts: Sequence[Node]

    def decide(self, facts: Facts) -> Decision:
        """True by the first true part, else unknown by the first unknown, else false by the first part."""
        return _first(self.parts, facts, True)

    def annotate(self, facts: Facts) -> dict[str, Any]:
        """All parts, the ones behind the first true one as well."""
        return {"any": [part.annotate(facts) for part in self.parts], **_result(self, facts)}


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; what is unknown stays unknown."""

    part: Node

    def decide(self, facts: Facts) -> Decision:
        """The opposite, decided by the same comparison."""
        decision = self.part.decide(facts)
        return decision if decision.result is None else decision._replace(result=not decision.result)

    def annotate(self, facts: Facts) -> dict[str, Any]:
        """The part that is turned round, with its own result."""
        return {"not": self.part.annotate(facts), **_result(self, facts)}


def annotated(part: Node, facts: Facts) -> dict[str, Any]:
    """A comparison by itself, with its leaf and its result."""
    try:
        decision = part.decide(facts)
    except EvaluationFault as fault:
        return {"result": None, "error": plain(str(fault))}
    leaf = decision.atom.leaf(facts, decision.found, decision.held).as_dict()
    del leaf["held"]
    return {**leaf, "result": decision.result}


def _result(part: Node, facts: Facts) -> dict[str, Any]:
    try:
        return {"result": part.decide(facts).result}
    except EvaluationFault as fault:
        return {"result": None, "error": plain(str(fault))}


def _first(parts: Sequence[Node], facts: Facts, ending: bool) -> Decision:
    first: Decision | None = None
    for part in parts:
        decision = part.decide(facts)
        if decision.result is ending:
            return decision
        if first is None or (first.result is not None and decision.result is None):
            first = decision
    if first is None:
        raise EvaluationFault("a group of conditions holds none")
    return first


class Verdict(NamedTuple):
    """The result of an expression; ``leaf`` is the first comparison that decided it."""

    result: bool
    decision: Decision
    facts: Facts

    @property
    def leaf(self) -> Leaf:
        """The deciding comparison with its values, made when it is asked for."""
        _, atom, found, held = self.decision
        return atom.leaf(self.facts, found, held)


@dataclass(frozen=True, slots=True)
class Expression:
    """A whole condition, compiled once; judged as often as there are events."""

    root: Node
    atoms: int

    def judge(self, facts: Facts) -> Verdict:
        """The verdict on some facts; what cannot be known is not true.

        Raises :class:`EvaluationFault` where a comparison could not be made.
        """
        decision = self.root.decide(facts)
        return Verdict(decision.result is True, decision, facts)

    def evaluate_atoms(self, facts: Facts) -> dict[str, Any]:
        """The whole tree with every part's own result, nothing left out (spec policy-alerts 3.6).

        Never raises for a comparison that could not be made.
        """
        return self.root.annotate(facts)
