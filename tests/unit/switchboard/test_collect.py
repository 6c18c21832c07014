"""Collects: names, lists with reductions, maps, and where they go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.switchboard.collect import parse_collect
from tasks.switchboard.datatypes import convert
from tasks.switchboard.errors import InvalidClass, InvalidCollection
from tests.unit.switchboard.small_datastores import datastore, domain, klass, run

CHILD = klass(
    "NS",
    "K",
    [("n", "attribute", {"datatype": "integer"}), ("d", "attribute")],
    {"a": {"n": "3", "d": "x"}, "b": {"n": "1", "d": "y"}, "c": {"n": "2", "d": "z"}},
)


def _collected(text: str, target: str = "/NS/K/*") -> dict[str, Any]:
    held = klass("NS", "C", [("r", "relationship", {"collect": text})], {"i": {"r": target}})
    workspace = run(datastore(domain("D", held, CHILD)), "/NS/C/i")
    assert workspace.root is not None, workspace.error
    return workspace.root.attributes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("n", {"n": [3, 1, 2]}, id="D25"),
        pytest.param("y = n", {"y": [3, 1, 2]}, id="D25-renamed"),
        pytest.param("x = [n].sort", {"x": [1, 2, 3]}, id="D27-sort"),
        pytest.param("x = [n].RSORT", {"x": [3, 2, 1]}, id="D27-rsort"),
        pytest.param("x = [n].reverse; y = [n].count", {"x": [2, 1, 3], "y": 3}, id="D27-two"),
        pytest.param("x = [n].min; y = [n].max; z = [n].sum", {"x": 1, "y": 3, "z": 6}, id="D27-figures"),
        pytest.param(
            "x = [n].mean; y = [n].stddev; z = [n].variance",
            {"x": 2.0, "y": 1.0, "z": 1},
            id="D27-statistics",
        ),
        pytest.param("x = [n].other", {"x": [3, 1, 2]}, id="unknown-reduction"),
        pytest.param("[n, d]", {"r": [3, "x", 1, "y", 2, "z"]}, id="own-name"),
        pytest.param("x = [none].sum", {"x": [None, None, None]}, id="all-nil"),
        pytest.param("x = {d => n}", {"x": {"x": 3, "y": 1, "z": 2}}, id="D28"),
        pytest.param("x = {:k => n, 'l;,' => d}", {"x": {"k": 2, "l;,": "z"}}, id="D28-literal"),
        pytest.param("  ", {}, id="blank"),
    ],
)
def test_a_wildcard_is_collected(text: str, expected: dict[str, Any]) -> None:
    assert _collected(text) == expected


def test_D29_a_single_child_gives_plain_values() -> None:
    assert _collected("n; m = d", "/NS/K/a") == {"n": 3, "m": "x"}


def test_D38_a_blank_collect_of_an_instance_leaves_the_classs_in_force() -> None:
    held = klass(
        "NS",
        "C",
        [("r", "relationship", {"collect": "n"})],
        {"i": {"r": {"value": "/NS/K/a", "collect": " "}}},
    )
    workspace = run(datastore(domain("D", held, CHILD)), "/NS/C/i")
    assert workspace.root is not None
    assert workspace.root.attributes == {"n": 3}


@pytest.mark.parametrize("text", ["x = ", "a b", "{a}", "{a => b => c}", "[a-b]", "[a"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidCollection):
        parse_collect(text)


@given(text=st.text(alphabet="ab=>[]{}:;,'\" ./", max_size=30))
def test_any_text_is_a_collect_or_refused(text: str) -> None:
    try:
        statements = parse_collect(text)
    except InvalidCollection:
        return
    assert all(statement.form in ("name", "list", "map") for statement in statements)


@pytest.mark.parametrize(
    ("datatype", "text", "expected"),
    [
        ("integer", "12abc", 12),
        ("integer", "abc", 0),
        ("Integer", " -7", -7),
        ("float", "1.5x", 1.5),
        ("float", "x", 0.0),
        ("boolean", "TRUE", True),
        ("boolean", "0", False),
        ("boolean", "maybe", "maybe"),
        ("array", "[a, b ,c]", ["a", "b", "c"]),
        ("array", "[]", []),
        ("string", "x", "x"),
        ("", "x", "x"),
        ("integer", "", ""),
        ("integer", None, None),
        ("integer", 5, 5),
    ],
)
def test_D32_and_D33_a_value_is_converted(datatype: str, text: Any, expected: Any) -> None:
    assert convert(datatype, text) == expected


def test_an_unknown_datatype_is_named() -> None:
    with pytest.raises(InvalidClass, match="nonsense"):
        convert("nonsense", "x")
