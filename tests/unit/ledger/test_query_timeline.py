"""Timelines: what the database counts is what a look at each event counts, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ledger.session import Ledger
from tasks.ledger.timeline import MOST, WIDTHS, Timeline, TooLong, events, floor, place_of, timeline, width
from tasks.ledger.timeline_filters import Wanted
from tasks.model.definitions import shipped
from tasks.model.timeline import LEVELS, POLICY_LEVELS, PROVIDER_LEVELS, SOURCES, groups, listed_types
from tests.unit.ledger.query_ground import DIALECTS, NOW, filled_ledger, three_providers
from tests.unit.ledger.timeline_ground import Row, counted, filed, fits, store

WEEK = timedelta(days=7)
TYPES = ["compute.instance.update", "image.delete", "vm_start", "object_created", "mine_alone", "request_vm_stop"]
GROUPS = ["power", "other", "vm_operational", "inventory", "site", "management", "no such"]

ROWS = st.lists(
    st.builds(
        Row,
        micros=st.integers(0, 10**6 * 86400 * 8) | st.integers(0, 5 * 10**6),
        provider=st.sampled_from([1, 2]),
        raised=st.booleans(),
        custom=st.booleans(),
        event_type=st.sampled_from(TYPES),
        kind=st.sampled_from(["server", "volume"]),
        ref=st.sampled_from(["s1", "a/b"]),
        project=st.sampled_from([None, "red", "blue"]),
        host=st.sampled_from([None, "node1"]),
        zone=st.sampled_from([None, "nova"]),
        group=st.sampled_from(["power", "other", "vm_operational"]),
        level=st.sampled_from(PROVIDER_LEVELS),
        result=st.sampled_from([None, "success", "failure"]),
    ),
    max_size=30,
)
WANTED = st.builds(
    Wanted,
    since=st.sampled_from([NOW - WEEK, NOW - timedelta(seconds=3, microseconds=1), NOW - timedelta(hours=5)]),
    until=st.sampled_from([NOW, NOW + timedelta(microseconds=1), NOW - timedelta(microseconds=1)]),
    provider=st.sampled_from([None, None, "north", "internal", "nobody"]),
    project=st.sampled_from([None, None, "red"]),
    resource=st.sampled_from(
        [None, None, ("server", "s1"), ("server", "a/b"), ("host", "node1"), ("project", "red"),
         ("availability_zone", "nova")]
    ),
    source=st.sampled_from([None, None, *SOURCES]),
    groups=st.lists(st.sampled_from(GROUPS), max_size=3),
    levels=st.lists(st.sampled_from(["critical", "detail", "success", "failure"]), max_size=2),
    result=st.sampled_from([None, None, None, "failure", "detail"]),
    event_type=st.sampled_from([None, None, "vm_*", "image.delete"]),
)  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_counts_and_lists_are_those_of_a_look_at_each_event(dialect: str, tmp_path: Path) -> None:
    with filled_ledger(dialect, tmp_path) as ledger:
        with ledger.transaction() as session:
            three_providers(session)

        @settings(max_examples=80, deadline=None)
        @given(ROWS, WANTED, st.sampled_from([1, 2, 60, MOST]))
        def check(rows: list[Row], wanted: Wanted, most: int) -> None:
            found, listed = _asked(ledger, rows, wanted, most)
            seen = {(c.start, c.source, c.group, c.level): c.events for c in found.counts}
            assert seen == dict(counted(rows, wanted, found.seconds))
            assert found.total == len(listed) == sum(fits(row, wanted) for row in rows)
            assert [(f.source, f.group, f.level) for f in listed] == [filed(rows[f.event.id - 1]) for f in listed]
            assert [f.event.occurred_at for f in listed] == sorted((f.event.occurred_at for f in listed), reverse=True)

        check()


def _asked(ledger: Ledger, rows: list[Row], wanted: Wanted, most: int) -> tuple[Timeline, list]:
    with ledger.transaction() as session:
        store(session, rows)
    with ledger.reading() as session:
        return timeline(session, wanted, most), events(session, wanted, limit=1000)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_list_goes_on_page_by_page_without_a_gap_or_a_double(dialect: str, tmp_path: Path) -> None:
    rows = [Row(micros=(number // 3) * 1_000_000) for number in range(10)]
    wanted = Wanted(NOW - WEEK, NOW + timedelta(seconds=1))
    with filled_ledger(dialect, tmp_path) as ledger:
        with ledger.transaction() as session:
            three_providers(session)
            store(session, rows)
        for newest_first in (True, False):
            ids: list[int] = []
            with ledger.reading() as session:
                while page := events(
                    session,
                    wanted,
                    after=place_of(session, ids[-1]) if ids else None,
                    limit=4,
                    newest_first=newest_first,
                ):
                    ids += [found.event.id for found in page]
            assert sorted(ids) == list(range(1, 11))
            moments = [rows[number - 1].at for number in ids]
            assert moments == sorted(moments, reverse=newest_first)


def test_the_sums_of_groups_and_stretches_are_the_whole() -> None:
    start = datetime(2031, 1, 1, tzinfo=UTC)
    moments = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))

    @given(moments, st.timedeltas(timedelta(microseconds=1), timedelta(days=5800)), st.integers(1, MOST))
    def check(since: datetime, length: timedelta, most: int) -> None:
        until = since + length
        try:
            seconds = width(since, until, most)
        except TooLong:
            assert length > timedelta(seconds=WIDTHS[-1] * (most - 1))
            return
        last = floor(until - timedelta(microseconds=1), seconds)
        stretches = (last - floor(since, seconds)) // timedelta(seconds=seconds) + 1
        assert 1 <= stretches <= most
        shorter = [w for w in WIDTHS if w < seconds]
        assert all(length > timedelta(seconds=w * (most - 1)) for w in shorter)

    check()
    assert floor(start + timedelta(minutes=59, microseconds=7), 3600) == start


def test_every_internal_event_has_its_group_and_every_group_a_title() -> None:
    assert listed_types() == frozenset(shipped())
    assert set(LEVELS) == {*PROVIDER_LEVELS, *POLICY_LEVELS}
    names = [name for _, name in groups()]
    assert len(set(names)) == len(names)
    assert all(group.title for group in groups().values())
    assert {group.title for group in groups().values()} >= {"VM Operation", "Power Activity", "Management Events"}
