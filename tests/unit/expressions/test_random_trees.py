"""Random trees have the result of a naive evaluator in both forms; random rubbish never crashes."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tasks.expressions.facts import Facts
from tasks.expressions.reader import compile_expression
from tasks.expressions.tree import Verdict
from tasks.expressions.verdict import EvaluationFault
from tasks.model.event import Event, Normalised, ObjectRef
from tasks.model.outcome import ObjectFacts

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

scalars = st.none() | st.integers(-3, 3) | st.sampled_from(["", "a", "ab", "b"])
values = st.fixed_dictionaries({"a": scalars, "b": scalars, "c": scalars})
atoms = st.one_of(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["<", "<=", ">", ">="]), st.integers(-3, 3)),
    st.tuples(st.sampled_from("abc"), st.sampled_from(["STARTS WITH", "INCLUDES"]), st.sampled_from(["a", "b"])),
)
trees = st.recursive(
    atoms.map(lambda atom: ("atom", *atom)),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=4)),
        st.tuples(st.just("not"), inner),
    ),
    max_leaves=25,
)
rubbish = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "all",
                    "and",
                    "not",
                    "none",
                    "field",
                    "count",
                    "tag",
                    "value",
                    "=",
                    "IS",
                    "<",
                    "matches",
                    "FIND",
                    "in",
                    "search",
                    "checkany",
                    "checkcount",
                    "exp",
                ]
            )
            | st.text(max_size=5)
            | st.booleans(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def facts(attributes: dict[str, Any]) -> Facts:
    told = Normalised("x", "x", "m", NOW, "server", "s1")
    target = ObjectFacts(ObjectRef("server", "s1"), "known", None, None, None, attributes)
    return Facts(Event(1, "c", "S", "N", told, {}), target, NOW)


def judged(tree: Any, there: Facts) -> Verdict:
    expression, mistakes = compile_expression(tree)
    assert expression is not None, mistakes
    return expression.judge(there)


def by_hand(tree: Any) -> Any:
    match tree:
        case ("atom", field, operator, wanted):
            return {"field": f"server.{field}", operator.lower(): wanted}
        case ("not", inner):
            return {"not": by_hand(inner)}
        case (word, parts):
            return {{"and": "all", "or": "any"}[word]: [by_hand(part) for part in parts]}


def stored(tree: Any) -> Any:
    match tree:
        case ("atom", field, operator, wanted):
            return {operator: {"field": f"server.{field}", "value": str(wanted)}}
        case ("not", inner):
            return {"NOT": stored(inner)}
        case (word, parts):
            return {word.upper(): [stored(part) for part in parts]}


def naive(tree: Any, there: dict[str, Any]) -> bool:
    match tree:
        case ("atom", field, operator, wanted):
            found = there[field]
            if operator in ("STARTS WITH", "INCLUDES"):
                text = "" if found is None else str(found)
                return text.startswith(wanted) if operator == "STARTS WITH" else wanted in text
            number = found if isinstance(found, int) else 0
            return {
                "<": number < wanted,
                "<=": number <= wanted,
                ">": number > wanted,
                ">=": number >= wanted,
            }[operator]
        case ("not", inner):
            return not naive(inner, there)
        case ("and", parts):
            return all(naive(part, there) for part in parts)
        case (_, parts):
            return any(naive(part, there) for part in parts)


@given(trees, values)
def test_random_tree_has_the_result_of_a_naive_evaluator_in_both_forms(tree: Any, there: dict[str, Any]) -> None:
    expected = naive(tree, there)
    assert judged(by_hand(tree), facts(there)).result is expected
    assert judged(stored(tree), facts(there)).result is expected


@given(trees, values)
def test_random_tree_and_its_opposite_are_decided_by_the_same_comparison(tree: Any, there: dict[str, Any]) -> None:
    straight = judged(by_hand(tree), facts(there))
    opposite = judged({"not": by_hand(tree)}, facts(there))
    assert straight.result is not opposite.result
    assert straight.leaf == opposite.leaf


@given(trees, values)
def test_deciding_comparison_alone_forces_the_result(tree: Any, there: dict[str, Any]) -> None:
    """The leaf was really evaluated: the comparison it shows has the result it shows."""
    leaf = judged(by_hand(tree), facts(there)).leaf
    alone = {"field": leaf.path, leaf.operator: leaf.expected}
    assert judged(alone, facts(there)).result is leaf.held


@given(rubbish)
def test_rubbish_is_read_into_mistakes_and_never_raises(tree: Any) -> None:
    expression, mistakes = compile_expression(tree)
    assert (expression is None) is any(mistake.severity == "error" for mistake in mistakes)
    assert all(mistake.what and mistake.mend for mistake in mistakes)
    if expression is not None:
        with contextlib.suppress(EvaluationFault):
            expression.judge(facts({}))


@given(
    json_values,
    st.sampled_from(["=", "!=", "<", "starts with", "includes", "matches", "is null", "before", "contains"]),
)
def test_whatever_a_cloud_sends_a_comparison_answers_or_says_that_it_cannot(found: Any, operator: str) -> None:
    written = {"<": 3, "is null": True, "before": "Now"}.get(operator, "a")
    with contextlib.suppress(EvaluationFault):
        verdict = judged({"field": "server.x", operator: written}, facts({"x": found}))
        assert verdict.result in (True, False)
        assert len(json.dumps(verdict.leaf.found, allow_nan=False)) < 100_000
