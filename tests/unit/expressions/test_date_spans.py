"""Relative and absolute dates (spec policy-alerts 3.5, check 47)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.expressions.dates import moment_of, read_span, span
from tasks.expressions.mistakes import BadText

#: A Saturday in the last quarter.
NOW = datetime(2026, 11, 21, 12, 30, 15, tzinfo=UTC)

SPANS = [
    ("Now", "2026-11-21T12:00:00", "2026-11-21T13:00:00"),
    ("This Hour", "2026-11-21T12:00:00", "2026-11-21T13:00:00"),
    ("Last Hour", "2026-11-21T11:00:00", "2026-11-21T12:00:00"),
    ("3 Hours Ago", "2026-11-21T09:00:00", "2026-11-21T10:00:00"),
    ("10 minutes ago", "2026-11-21T12:20:00", "2026-11-21T12:21:00"),
    ("Today", "2026-11-21T00:00:00", "2026-11-22T00:00:00"),
    ("YESTERDAY", "2026-11-20T00:00:00", "2026-11-21T00:00:00"),
    ("2 Days Ago", "2026-11-19T00:00:00", "2026-11-20T00:00:00"),
    ("This Week", "2026-11-16T00:00:00", "2026-11-23T00:00:00"),
    ("Last Week", "2026-11-09T00:00:00", "2026-11-16T00:00:00"),
    ("2 Weeks Ago", "2026-11-02T00:00:00", "2026-11-09T00:00:00"),
    ("Last Month", "2026-10-01T00:00:00", "2026-11-01T00:00:00"),
    ("11 Months Ago", "2025-12-01T00:00:00", "2026-01-01T00:00:00"),
    ("This Quarter", "2026-10-01T00:00:00", "2027-01-01T00:00:00"),
    ("1 Quarter Ago", "2026-07-01T00:00:00", "2026-10-01T00:00:00"),
    ("2 Years Ago", "2024-01-01T00:00:00", "2025-01-01T00:00:00"),
    ("2026-11-05", "2026-11-05T00:00:00", "2026-11-06T00:00:00"),
    ("11/05/2026", "2026-11-05T00:00:00", "2026-11-06T00:00:00"),
]


@pytest.mark.parametrize(("written", "begin", "end"), SPANS)
def test_date_text_stands_for_its_whole_unit(written: str, begin: str, end: str) -> None:
    first, last = read_span(written)(NOW)
    assert first == datetime.fromisoformat(begin).replace(tzinfo=UTC)
    assert last == datetime.fromisoformat(end).replace(tzinfo=UTC) - timedelta(microseconds=1)


@pytest.mark.parametrize(
    "written", ["2026-11-05 10:20", "2026-11-05T10:20:00Z", "11/05/2026 10:20", "2026-11-05t11:20+01:00"]
)
def test_date_with_a_time_is_one_instant(written: str) -> None:
    instant = datetime(2026, 11, 5, 10, 20, tzinfo=UTC)
    assert read_span(written)(NOW) == (instant, instant)


def test_check_47_another_zone_shifts_the_borders_of_the_day() -> None:
    tokyo = NOW.replace(hour=23).astimezone(ZoneInfo("Asia/Tokyo"))
    begin, _ = read_span("Today")(tokyo)
    assert begin.astimezone(UTC) == datetime(2026, 11, 21, 15, tzinfo=UTC)


def test_check_47_months_span_from_the_first_start_to_the_last_end() -> None:
    assert read_span("3 Months Ago")(NOW)[0] == datetime(2026, 8, 1, tzinfo=UTC)
    assert read_span("Last Month")(NOW)[1] == datetime(2026, 11, 1, tzinfo=UTC) - timedelta(microseconds=1)


def test_yaml_dates_are_read_like_their_text() -> None:
    assert read_span(date(2026, 11, 5))(NOW) == read_span("2026-11-05")(NOW)
    assert read_span(datetime(2026, 11, 5, 10))(NOW) == read_span("2026-11-05 10:00")(NOW)


@pytest.mark.parametrize(
    "written", ["", "soon", "13/40/2026", "2026-02-30", "Next Week", "-3 Days Ago", 12, None, ["Today"]]
)
def test_text_that_is_no_date_is_refused(written: object) -> None:
    with pytest.raises(BadText, match="no date"):
        read_span(written)


def test_far_past_ends_at_the_first_year() -> None:
    begin, end = read_span("99999 Years Ago")(NOW)
    assert begin == end == datetime.min.replace(tzinfo=UTC)


@pytest.mark.parametrize("found", [None, "", "yesterday", 5, True, "2026-11-21" * 9])
def test_found_value_that_is_no_timestamp_is_no_moment(found: object) -> None:
    assert moment_of(found) is None


def test_found_timestamp_without_zone_is_utc() -> None:
    assert moment_of("2026-11-21T12:30:15.000000") == NOW
    assert moment_of("2026-11-21 13:30:15+01:00") == NOW
    assert moment_of(NOW.replace(tzinfo=None)) == NOW


@given(
    unit=st.sampled_from(["minute", "hour", "day", "week", "month", "quarter", "year"]),
    shift=st.integers(0, 500),
    now=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_spans_of_one_unit_follow_each_other_without_a_gap(unit: str, shift: int, now: datetime) -> None:
    later, earlier = span(unit, shift, now), span(unit, shift + 1, now)
    assert earlier[0] < earlier[1] < later[0]
    assert later[0] - earlier[1] == timedelta(microseconds=1)
    present = span(unit, 0, now)
    assert present[0] <= now <= present[1]
