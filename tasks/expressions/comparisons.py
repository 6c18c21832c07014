"""Tests of one found value against one written value. A found None is a value that is not there.

What a missing value counts as follows spec policy-alerts 3.4: 0 for numbers, "" for texts, the empty set,
and for dates a value that no date operator is true of.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tasks.expressions.dates import Bounds, moment_of, read_span
from tasks.expressions.mistakes import BadText, shown
from tasks.expressions.patterns import read_pattern
from tasks.expressions.values import (
    is_number,
    members_of,
    number_of,
    read_members,
    read_number,
    text_of,
    written_scalar,
)

#: Whether a found value passes, at a moment.
Test = Callable[[Any, datetime], bool]
#: Makes the test of a written value, given the field's type where it is known. Raises ``BadText``.
Prepare = Callable[[Any, str | None], Test]


def negated(prepare: Prepare) -> Prepare:
    """The opposite of an operator, in two-valued logic."""

    def opposite(written: Any, type_: str | None) -> Test:
        test = prepare(written, type_)
        return lambda found, now: not test(found, now)

    return opposite


def equal(written: Any, type_: str | None) -> Test:
    """``=``: numbers as numbers, truth values and texts as texts, moments as the span that is written."""
    if type_ == "datetime":
        return during(written, type_)
    if type_ == "tag":
        return contains(written, type_)
    operand = written_scalar(written)
    if type_ == "number":
        wanted = read_number(operand)
        if wanted is None:
            raise BadText(f"{shown(operand)} is no number", "Write it as 4096, 1,024 or 5.megabytes")
        return lambda found, _now: number_of(found) == wanted
    if isinstance(operand, bool):
        return _equal_truth(operand)
    if is_number(operand) and type_ is None:
        return lambda found, _now: (0 if found is None else read_number(found)) == operand
    text, number = text_of(operand), read_number(operand)

    def test(found: Any, _now: datetime) -> bool:
        if number is not None and is_number(found):
            return bool(found == number)
        return _scalar(found) and text_of(found) == text

    return test


def _equal_truth(operand: bool) -> Test:
    """A truth value equals its texts too; YAML also reads a bare on, off, yes and no as one (3.3)."""
    words = ("true", "on", "yes") if operand else ("false", "off", "no")
    return lambda found, _now: _scalar(found) and text_of(found).lower() in words


def _scalar(found: Any) -> bool:
    return not isinstance(found, list | tuple | dict)


def one_of(written: Any, type_: str | None) -> Test:
    """``in``: equal to one of several."""
    if not isinstance(written, list) or not written:
        raise BadText(f"{shown(written)} is no list of values", "Write `in: [first, second]`")
    tests = [equal(item, type_) for item in written]
    return lambda found, now: any(test(found, now) for test in tests)


def _ordering(compare: Callable[[Any, Any], bool], dated: Callable[[datetime, Bounds], bool]) -> Prepare:
    def prepare(written: Any, type_: str | None) -> Test:
        if type_ == "datetime":
            return _dated(written, dated)
        wanted = read_number(written_scalar(written))
        if wanted is None:
            raise BadText(
                f"{shown(written)} is no number",
                "Write it as 4096, 1,024 or 5.megabytes; dates go with before and after",
            )
        return lambda found, _now: compare(number_of(found), wanted)

    return prepare


def _dated(written: Any, passes: Callable[[datetime, Bounds], bool]) -> Test:
    span = read_span(written)

    def test(found: Any, now: datetime) -> bool:
        moment = moment_of(found)
        return moment is not None and passes(moment, span(now))

    return test


less = _ordering(lambda a, b: bool(a < b), lambda moment, bounds: moment < bounds[0])
less_or_equal = _ordering(lambda a, b: bool(a <= b), lambda moment, bounds: moment <= bounds[1])
greater = _ordering(lambda a, b: bool(a > b), lambda moment, bounds: moment > bounds[1])
greater_or_equal = _ordering(lambda a, b: bool(a >= b), lambda moment, bounds: moment >= bounds[0])


def before(written: Any, _type: str | None) -> Test:
    """``BEFORE``: earlier than the beginning of what is written."""
    return _dated(written, lambda moment, bounds: moment < bounds[0])


def after(written: Any, _type: str | None) -> Test:
    """``AFTER``: later than the end of what is written."""
    return _dated(written, lambda moment, bounds: moment > bounds[1])


def during(written: Any, _type: str | None) -> Test:
    """``IS``: within what is written, both ends included."""
    return _dated(written, lambda moment, bounds: bounds[0] <= moment <= bounds[1])


def between(written: Any, _type: str | None) -> Test:
    """``FROM``: from the beginning of the first to the end of the second."""
    if not isinstance(written, list) or len(written) != 2:
        raise BadText(f"{shown(written)} is no pair of dates", "Write two, as in ['2 Weeks Ago', 'Yesterday']")
    first, last = read_span(written[0]), read_span(written[1])

    def test(found: Any, now: datetime) -> bool:
        moment = moment_of(found)
        return moment is not None and first(now)[0] <= moment <= last(now)[1]

    return test


def _texts(passes: Callable[[str, str], bool]) -> Prepare:
    def prepare(written: Any, _type: str | None) -> Test:
        wanted = text_of(written_scalar(written))
        return lambda found, _now: passes(text_of(found), wanted)

    return prepare


#: Anchored at every line, as in ManageIQ: check 57.
starts_with = _texts(lambda text, wanted: text.startswith(wanted) or f"\n{wanted}" in text)
ends_with = _texts(lambda text, wanted: text.endswith(wanted) or f"{wanted}\n" in text)
like = _texts(lambda text, wanted: wanted in text)


def includes(written: Any, _type: str | None) -> Test:
    """``INCLUDES``: a part of a text, or one of the members of a list."""
    wanted = text_of(written_scalar(written))

    def test(found: Any, _now: datetime) -> bool:
        return wanted in (map(text_of, found) if isinstance(found, list | tuple) else text_of(found))

    return test


def matches(written: Any, _type: str | None) -> Test:
    """``REGULAR EXPRESSION MATCHES``: the pattern is found somewhere in the text."""
    search = read_pattern(written)
    return lambda found, _now: search(text_of(found))


def empty(written: Any, _type: str | None) -> Test:
    """``IS NULL``, ``IS EMPTY``: not there, "", 0, or without members; false is a value (3.4)."""
    if written is not None and not isinstance(written, bool):
        if str(written).strip() not in ("", "true", "false"):
            raise BadText(f"{shown(written)} is no answer", "Write true or false")
        written = str(written).strip() != "false"
    wanted = written is not False

    def test(found: Any, _now: datetime) -> bool:
        return (found is not False and not found) is wanted

    return test


def includes_all(written: Any, _type: str | None) -> Test:
    """``INCLUDES ALL``: every wanted member is there."""
    wanted = read_members(written)
    return lambda found, _now: wanted <= members_of(found)


def includes_any(written: Any, _type: str | None) -> Test:
    """``INCLUDES ANY``: at least one wanted member is there."""
    wanted = read_members(written)
    return lambda found, _now: not wanted.isdisjoint(members_of(found))


def limited_to(written: Any, _type: str | None) -> Test:
    """``LIMITED TO``: no member but the wanted ones; true of the empty set."""
    wanted = read_members(written)
    return lambda found, _now: members_of(found) <= wanted


def contains(written: Any, _type: str | None) -> Test:
    """``CONTAINS``: equal but for case, or equal to one of the members of a list."""
    wanted = text_of(written_scalar(written)).casefold()

    def test(found: Any, _now: datetime) -> bool:
        if isinstance(found, list | tuple):
            return any(text_of(member).casefold() == wanted for member in found)
        return found is not None and text_of(found).casefold() == wanted

    return test


def never(_written: Any, _type: str | None) -> Test:
    """Registry operators: nothing has a registry here, so they are false (spec policy-alerts 3.7)."""
    return lambda _found, _now: False
