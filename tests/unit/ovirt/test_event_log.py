"""The walk through an engine's event log: pages, gaps, late rows, a log that is set back; every row once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.model.errors import ProviderDown
from tasks.providers.ovirt.event_walk import REMEMBERED, Row, Walk
from tasks.providers.ovirt.types import EVENTS_MISSED, LOG_SET_BACK
from tests.unit.ovirt.engine_log import EngineLog, Reader, log

__all__ = ["log"]


@pytest.fixture
def reader(log: EngineLog, monkeypatch: pytest.MonkeyPatch) -> Reader:
    return Reader(log, monkeypatch)


def recent(*numbers: int) -> dict[str, Any]:
    """Numbers of events that are seconds old, in ``EngineLog``'s count."""
    return {"seconds": 9_990 + numbers[0] / 1000}


def test_first_poll_skips_history_unless_it_is_asked_for(log: EngineLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.add(*range(1, 50))
    reader = Reader(log, monkeypatch, event_skip_history=True)
    assert reader.poll() == []
    assert reader.cursor is not None
    assert reader.cursor["id"] == 49
    assert log.requests[0] == {"max": 1}
    log.add(50, 51)
    assert reader.poll() == [50, 51]


def test_skipping_history_of_an_empty_log_skips_nothing_that_comes(
    log: EngineLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(log, monkeypatch, event_skip_history=True)
    assert reader.poll() == []
    log.add(1, 2)
    assert reader.poll() == [1, 2]


def test_place_of_the_first_poll_is_kept_before_anything_is_read(
    log: EngineLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.add(7)
    reader = Reader(log, monkeypatch, event_skip_history=True)
    [first] = reader.batches(stop_after=1)
    assert (first.notifications, first.more) == ([], True)
    log.add(8)
    assert reader.poll() == [8]


@pytest.mark.parametrize("limit", [1, 3, 10, 100])
def test_all_pages_of_a_backlog_are_read_in_one_poll_in_order_and_once(reader: Reader, limit: int) -> None:
    reader.log.add(*range(1, 96))
    assert reader.poll(limit) == list(range(1, 96))
    assert reader.poll(limit) == []
    reader.log.add(*range(96, 100))
    assert reader.poll(limit) == [96, 97, 98, 99]


def test_batches_say_whether_more_waits(reader: Reader) -> None:
    reader.log.add(*range(1, 26))
    more = [batch.more for batch in reader.batches(limit=10) if batch.notifications]
    assert len(more) > 2
    assert more == [True] * (len(more) - 1) + [False]


def test_quiet_poll_asks_once_and_moves_nothing(reader: Reader) -> None:
    reader.log.add(*range(1, 8))
    reader.poll()
    reader.now += timedelta(hours=1)
    reader.poll()
    reader.log.requests.clear()
    assert reader.batches() == []
    assert len(reader.log.requests) == 1
    assert reader.log.requests[0]["from"] == 6


def test_late_event_with_a_lower_number_is_read_once_it_is_visible(reader: Reader) -> None:
    reader.log.add(1, 2, 3, 5, 6, **recent(1))
    assert reader.poll() == [1, 2, 3, 5, 6]
    reader.now += timedelta(seconds=20)
    reader.log.add(4, **recent(4))
    reader.log.add(7, **recent(7))
    assert reader.poll() == [4, 7]
    assert reader.poll() == []
    assert reader.cursor is not None
    assert reader.cursor["id"] == 7


def test_gap_is_waited_for_so_long_and_then_given_up(reader: Reader) -> None:
    reader.log.add(1, 2, 5, **recent(1))
    reader.poll()
    reader.now += timedelta(seconds=31)
    reader.poll()
    assert reader.cursor is not None
    assert (reader.cursor["id"], reader.cursor.get("runs")) == (5, None)
    reader.log.add(3, **recent(3))
    assert reader.poll() == []


def test_numbers_of_history_need_no_waiting(reader: Reader) -> None:
    reader.log.add(10, 20, 30)
    assert reader.poll() == [10, 20, 30]
    assert reader.cursor is not None
    assert (reader.cursor["id"], reader.cursor.get("runs")) == (30, None)


def test_page_that_cuts_through_one_moment_loses_nothing(reader: Reader) -> None:
    """Within one moment the engine has the higher number first, so a page leaves out the lower ones."""
    reader.log.add(*range(1, 36), seconds=9_999)
    assert sorted(reader.poll()) == list(range(1, 36))
    assert reader.poll() == []


def test_times_that_run_against_the_numbers_lose_nothing(reader: Reader) -> None:
    for number in range(1, 41):
        reader.log.add(number, seconds=9_999 - number)
    assert sorted(reader.poll()) == list(range(1, 41))
    assert reader.poll() == []


def test_poll_that_is_cut_off_goes_on_where_it_was(reader: Reader) -> None:
    reader.log.add(*range(1, 100, 2), **recent(1))
    found: list[int] = []
    for _ in range(40):
        found += reader.poll(limit=4, stop_after=1)
    assert sorted(found) == list(range(1, 100, 2))
    assert len(found) == len(set(found))


def test_events_that_are_removed_between_two_pages_hide_none(reader: Reader) -> None:
    reader.log.add(*range(2, 200, 2), **recent(1))
    found = reader.poll(limit=10, stop_after=4)
    for number in sorted(reader.log.rows)[:35]:
        del reader.log.rows[number]
    found += reader.poll()
    assert set(found) >= set(reader.log.rows)


def test_same_page_again_and_again_is_a_failure_and_no_endless_poll(reader: Reader) -> None:
    reader.log.add(*range(2, 100, 2), **recent(1))
    reader.log.frozen = True
    with pytest.raises(ProviderDown, match="virt: the engine gives the same page"):
        reader.poll()
    reader.log.frozen = False
    # Within one moment the higher numbers came first.
    assert set(reader.poll()) == set(range(2, 80, 2))


def told(reader: Reader) -> tuple[list[str], list[int]]:
    """What a poll tells of the log, and the numbers of the events it brings."""
    codes: list[str] = []
    numbers: list[int] = []
    for batch in reader.batches():
        for notification in batch.notifications:
            assert isinstance(notification.body, dict)
            code = notification.body["code"]
            if code == "32":
                numbers.append(int(notification.body["id"]))
            else:
                codes.append(code)
                assert notification.body["provider"] == {"id": "virt"}
    return codes, sorted(numbers)


@pytest.mark.parametrize("reached", [85, 100, 130])
def test_log_that_was_set_back_is_told_and_read_on_from_the_backup(reader: Reader, reached: int) -> None:
    """Its numbers begin again at 81: they are below the cursor, level with it, or past it already."""
    reader.log.add(*range(1, 101))
    reader.poll()
    for number in range(81, 101):
        del reader.log.rows[number]
    reader.log.add(*range(81, reached + 1), seconds=9_990)
    reader.now += timedelta(hours=1)
    assert told(reader) == ([LOG_SET_BACK], list(range(81, reached + 1)))
    assert told(reader) == ([], [])
    reader.log.add(reached + 1, seconds=9_991)
    assert told(reader) == ([], [reached + 1])


def test_log_that_was_set_back_and_has_nothing_new_is_waited_on_from_there(reader: Reader) -> None:
    reader.log.add(*range(1, 101))
    reader.poll()
    for number in range(81, 101):
        del reader.log.rows[number]
    assert told(reader) == ([], [])
    reader.log.add(81, seconds=9_990)
    assert told(reader) == ([], [81])


def test_event_that_somebody_removed_from_the_log_is_no_set_back(reader: Reader) -> None:
    reader.log.add(*range(1, 31))
    reader.poll()
    del reader.log.rows[30]
    reader.log.add(31, 32)
    assert told(reader) == ([], [31, 32])
    assert told(reader) == ([], [])


def test_events_that_the_engine_removed_before_they_were_read_are_told(reader: Reader) -> None:
    reader.log.add(*range(1, 11))
    reader.poll()
    reader.log.rows.clear()
    reader.log.add(*range(500, 520))
    assert told(reader) == ([EVENTS_MISSED], list(range(500, 520)))
    assert told(reader) == ([], [])


def test_log_that_was_emptied_is_no_failure(reader: Reader) -> None:
    reader.log.add(1, 2)
    reader.poll()
    reader.log.rows.clear()
    assert told(reader) == ([], [])
    reader.log.add(3)
    assert told(reader) == ([], [3])


def test_event_from_the_future_hides_nothing(reader: Reader) -> None:
    """Anybody may write an event of his own with a moment of his own."""
    reader.log.add(1, 2, 3)
    reader.log.add(4, seconds=10**9)
    assert sorted(reader.poll()) == [1, 2, 3, 4]
    reader.log.add(*range(5, 40))
    assert sorted(reader.poll()) == list(range(5, 40))


def test_row_without_a_number_is_handed_over(reader: Reader) -> None:
    walk = Walk()
    rows = [Row(None, None, {"x": 1}), Row(2, None, {}), Row(1, None, {}), Row(1, None, {})]
    assert [row.number for row in walk.fresh(rows)] == [1, 2, None]


def test_gaps_that_are_remembered_have_an_end(reader: Reader) -> None:
    walk = Walk()
    walk.pass_by([Row(number, reader.now, {}) for number in range(2, 2 * REMEMBERED + 40, 2)])
    walk.turn(True, 30)
    assert len(walk.runs) == REMEMBERED
    assert walk.floor == 38
    assert Walk.of(json.loads(json.dumps(walk.cursor()))).cursor() == walk.cursor()


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    shown=st.lists(st.tuples(st.integers(1, 120), st.integers(9_960, 9_999)), max_size=120),
    polls=st.integers(1, 6),
    limit=st.integers(1, 12),
    cut=st.none() | st.integers(1, 3),
)
def test_every_visible_event_is_read_once_whatever_the_order(
    shown: list[tuple[int, int]], polls: int, limit: int, cut: int | None
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        reader = Reader(EngineLog(), monkeypatch)
        found: list[int] = []
        step = len(shown) // polls + 1
        for start in range(0, len(shown), step):
            for number, seconds in shown[start : start + step]:
                if number not in reader.log.rows:
                    reader.log.add(number, seconds=seconds)
            found += reader.poll(limit, cut)
        found += reader.poll(limit)
    assert sorted(found) == sorted(reader.log.rows)
