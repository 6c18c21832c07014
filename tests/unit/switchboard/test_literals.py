"""Assertions compute over literals and never run code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.switchboard.assertions import require
from tasks.switchboard.errors import AssertionFailure
from tasks.switchboard.literals import Unreadable, evaluate
from tasks.switchboard.text import Filled, Filler, Untrusted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("nil", None),
        ("'a' == \"a\"", True),
        ("1 + 2 * 3 == 7", True),
        ("7 / 2", 3),
        ("-3 < 2 && 2.5 >= 2", True),
        ("!('a' != 'a') || false", True),
        ("[1, 'b'].include?('b')", True),
        ("'needle in hay'.include?('in')", True),
        ("'it\\'s' == \"it's\"", True),
        ("'a' + 'b'", "ab"),
        ("nil == false", False),
    ],
)
def test_D14_literals_are_compared(text: str, value: Any) -> None:
    assert evaluate(Filled(text)) == value


@pytest.mark.parametrize(
    "text",
    [
        "1 ==",
        "system('x')",
        "`x`",
        "1 < 'a'",
        "'a' * 9",
        "1 / 0",
        "a.b",
        "[1",
        "'x'.size",
        "(" * 99 + "1" + ")" * 99,
        "1 2",
        "__import__",
        "!" * 99 + "1",
    ],
)
def test_D13_anything_else_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        evaluate(Filled(text))
    with pytest.raises(AssertionFailure):
        require("guard", Filled(text))


def _filled(before: str, value: str, after: str) -> Filled:
    filler = Filler()
    filler.literal(before)
    filler.value(Untrusted(value))
    filler.literal(after)
    return filler.filled()


@given(value=st.text(max_size=40))
def test_a_value_from_outside_in_quotes_is_text_whatever_it_holds(value: str) -> None:
    assert evaluate(_filled("'", value, "' == 'vmware'")) is (value == "vmware")
    assert evaluate(_filled('"', value, '"')) == value


@pytest.mark.parametrize(
    ("value", "holds"),
    [("true", True), ("1", True), ("false", False), ("true || true", False), ("'x'", False)],
)
def test_a_bare_value_from_outside_is_one_literal_or_refused(value: str, holds: bool) -> None:
    filled = _filled("", value, "")
    if holds:
        require("guard", filled)
    else:
        with pytest.raises(AssertionFailure):
            require("guard", filled)


@given(text=st.text(alphabet="'\"01.()[]!&|=<>+-*/% truefalsnilcd?,", max_size=40))
def test_any_text_is_computed_or_unreadable(text: str) -> None:
    try:
        value = evaluate(Filled(text))
    except Unreadable:
        return
    assert value is None or isinstance(value, bool | int | float | str | list)
