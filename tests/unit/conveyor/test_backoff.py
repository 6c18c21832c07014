"""Pauses between tries, the words of a failure, and the lanes of objects."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.conveyor.advance import ERROR_LIMIT, Failure, backoff
from tasks.model.event import ObjectRef, lane_of, object_key


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 2), (2, 4), (3, 8), (7, 128), (8, 256), (9, 300), (50, 300), (10_000, 300)]
)
def test_pause_doubles_up_to_its_limit(attempt: int, seconds: float) -> None:
    for _ in range(20):
        assert seconds * 0.9 <= backoff(attempt, 2, 300) <= seconds * 1.1


def test_pauses_of_many_are_spread() -> None:
    assert len({backoff(3, 2, 300) for _ in range(50)}) > 40


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no id"), "ValueError: no id"),
        (ValueError(), "ValueError"),
        (ValueError("x" * 9000), f"ValueError: {'x' * 9000}"[:ERROR_LIMIT]),
    ],
)
def test_failure_is_told_by_its_kind_and_its_words(error: Exception, told: str) -> None:
    claimed: Any = None
    assert str(Failure(claimed, error)) == told


def test_lane_of_an_object_never_changes() -> None:
    # Written down: another hash would work on one object in two lanes at once while workers are replaced.
    key = object_key("lab", ObjectRef("server", "s1"), "m1")
    assert key == "lab/server/s1"
    assert (lane_of(key, 16), lane_of(key, 256)) == (3, 179)
    assert object_key("lab", None, "m1") == "lab//m1"


@given(st.text(), st.integers(1, 256))
def test_every_key_has_a_lane(key: str, lanes: int) -> None:
    assert 0 <= lane_of(key, lanes) < lanes


def test_objects_are_spread_over_all_lanes() -> None:
    counts = Counter(lane_of(f"lab/server/{n}", 16) for n in range(16_000))
    assert len(counts) == 16
    assert max(counts.values()) < 1.2 * min(counts.values())
