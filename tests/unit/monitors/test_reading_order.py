"""Whatever order events become visible in, and however often reading breaks off, each is handed over."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.model import clock
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.ceilometer_monitor import CeilometerMonitor
from tasks.providers.openstack.event_api import EventApiMonitor
from tasks.providers.openstack.event_walk import REMEMBERED, Walk, as_text
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.panko_monitor import PankoMonitor
from tests.unit.monitors.event_service import START, EventService, moment

BACKREAD = 5.0


class Reading:
    """Polls of one service, with the cursor of the last committed batch between them, on a clock of its own."""

    def __init__(self, kind: type[EventApiMonitor], service: EventService, **options: Any) -> None:
        self.service = service
        self.now = START
        self.cursor: dict[str, Any] | None = None
        self.handed = Counter[str]()
        self._config = ProviderConfig("north", "openstack", OpenStackOptions(**options))
        reading = self

        class InMemory(kind):  # type: ignore[valid-type, misc]  # the class is a parameter of the test
            def _ask(self, path: str, parameters: Any, timeout: float | None) -> Any:
                reading.now += timedelta(milliseconds=100)
                return reading.service.answer(list(parameters))

        self._kind: type[EventApiMonitor] = InMemory

    def poll(self, *, limit: int = 500, batches: int = 10_000, fail: bool = False) -> int:
        """One catch of so many batches; with ``fail`` the commit of the last one fails. Gives its requests."""
        before = len(self.service.requests)
        monitor = self._kind(self._config)
        monitor.start(self.cursor)
        for number, batch in enumerate(monitor.batches(wait=0, limit=limit), start=1):
            assert len(batch.notifications) <= limit
            if fail and number == batches:
                batch.reject()
                break
            self.handed.update(str(n.body["message_id"]) for n in batch.notifications if isinstance(n.body, dict))
            self.cursor = batch.cursor
            batch.ack()
            if number == batches:
                break
        monitor.stop()
        return len(self.service.requests) - before


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(reading: Reading) -> Reading:
        monkeypatch.setattr(clock, "now", lambda: reading.now)
        return reading

    return run


KINDS = pytest.mark.parametrize("kind", [PankoMonitor, CeilometerMonitor])
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 120).map(lambda tick: tick / 4),
        st.one_of(st.just(0.0), st.floats(0, BACKREAD - 0.01)),
    ),
    max_size=120,
)
POLLS = st.lists(
    st.tuples(st.floats(0.01, 9), st.integers(1, 30), st.integers(1, 12), st.booleans()), min_size=1, max_size=25
)


@KINDS
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(events=EVENTS, polls=POLLS, page=st.integers(2, 30))
def test_every_event_is_handed_over_in_any_order_of_arrival(
    kind: type[EventApiMonitor], events: list[tuple[float, float]], polls: list[Any], page: int, timed: Any
) -> None:
    service = EventService(panko=kind is PankoMonitor)
    reading: Reading = timed(Reading(kind, service, page_limit=page, event_backread_seconds=BACKREAD))
    waiting = sorted((happened + late, happened, f"id{number:03}") for number, (happened, late) in enumerate(events))

    def arrive() -> None:
        while waiting and START + timedelta(seconds=waiting[0][0]) <= reading.now:
            _, happened, message_id = waiting.pop(0)
            service.add(message_id, moment(happened))

    for pause, limit, batches, fail in polls:
        reading.now += timedelta(seconds=pause)
        arrive()
        reading.poll(limit=limit, batches=batches, fail=fail)
    while waiting:
        reading.now += timedelta(seconds=3)
        arrive()
        reading.poll(limit=7)
    for _ in range(3):
        reading.now += timedelta(seconds=20)
        reading.poll()
    assert set(reading.handed) == {f"id{number:03}" for number in range(len(events))}
    assert set(reading.handed.values()) <= {1}


@KINDS
def test_a_quiet_cloud_costs_one_request_a_poll_and_hands_nothing_over_again(
    kind: type[EventApiMonitor], timed: Any
) -> None:
    service = EventService(panko=kind is PankoMonitor)
    reading: Reading = timed(Reading(kind, service))
    for number in range(350):
        service.add(f"id{number:03}", moment(number / 10))
    reading.now = START + timedelta(seconds=60)
    for _ in range(5):
        reading.poll()
    reading.now += timedelta(seconds=20)
    assert reading.poll() == 1
    assert set(reading.handed.values()) == {1}
    assert len(reading.handed) == 350


@KINDS
@pytest.mark.parametrize("together", [1, 99, 100, 101, 250, 700])
def test_events_of_one_moment_are_all_read_and_what_follows_them(
    kind: type[EventApiMonitor], together: int, timed: Any
) -> None:
    service = EventService(panko=kind is PankoMonitor)
    reading: Reading = timed(Reading(kind, service))
    reading.now = START + timedelta(seconds=60)
    service.add("first", moment(1))
    for number in range(together):
        service.add(f"same{number:03}", moment(2))
    service.add("last", moment(3))
    reading.poll(limit=60)
    assert len(reading.handed) == together + 2
    service.add("later", moment(70))
    reading.now = START + timedelta(seconds=80)
    reading.poll()
    assert reading.handed == dict.fromkeys(reading.handed, 1)
    assert reading.handed["later"] == 1


@KINDS
def test_a_storm_longer_than_every_catch_is_got_through(kind: type[EventApiMonitor], timed: Any) -> None:
    """Each catch ends after two batches, and the storm is denser than what is remembered."""
    service = EventService(panko=kind is PankoMonitor)
    reading: Reading = timed(Reading(kind, service))
    reading.now = START + timedelta(seconds=60)
    total = 3 * REMEMBERED
    for number in range(total):
        service.add(f"id{number:05}", moment(number / 2000))
    polls = 0
    while len(reading.handed) < total and polls < 100:
        reading.poll(batches=2)
        polls += 1
    assert polls <= total / 200 + 2
    for _ in range(4):
        reading.now += timedelta(seconds=20)
        reading.poll()
    assert set(reading.handed.values()) == {1}


@KINDS
def test_an_event_from_a_clock_that_is_years_ahead_hides_nothing(kind: type[EventApiMonitor], timed: Any) -> None:
    service = EventService(panko=kind is PankoMonitor)
    reading: Reading = timed(Reading(kind, service))
    service.add("ahead", moment(3 * 365 * 86400))
    for number in range(1, 6):
        reading.now = START + timedelta(seconds=20 * number)
        service.add(f"id{number}", moment(20 * number - 1))
        reading.poll()
    assert reading.handed == dict.fromkeys(["ahead", "id1", "id2", "id3", "id4", "id5"], 1)


@KINDS
def test_such_an_event_hides_nothing_when_it_is_gone_again(kind: type[EventApiMonitor], timed: Any) -> None:
    service = EventService(panko=kind is PankoMonitor)
    reading: Reading = timed(Reading(kind, service))
    service.add("ahead", moment(3 * 365 * 86400))
    reading.poll()
    service.events.clear()
    for number in range(1, 4):
        reading.now = START + timedelta(seconds=20 * number)
        service.add(f"id{number}", moment(20 * number - 10))
        reading.poll()
    assert set(reading.handed) == {"ahead", "id1", "id2", "id3"}


@KINDS
def test_an_event_that_appears_behind_a_long_walk_is_read_by_the_next_one(
    kind: type[EventApiMonitor], timed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk lasts ten seconds and is never more than a moment behind; the event is three seconds late."""
    service = EventService(panko=kind is PankoMonitor)
    reading: Reading = timed(Reading(kind, service, page_limit=10, event_backread_seconds=BACKREAD))
    whole = service.answer

    def arriving(query: Any) -> Any:
        turn = len(service.requests)
        seconds = (reading.now - START).total_seconds()
        if turn < 100:
            for number in range(10):
                service.add(f"id{turn:03}-{number}", moment(seconds - 0.1 + number / 200))
        if turn == 50:
            service.add("late", moment(seconds - 3.03))
        return whole(query)

    monkeypatch.setattr(service, "answer", arriving)
    reading.poll()
    assert len(service.requests) > 100
    assert "late" not in reading.handed
    for _ in range(2):
        reading.now += timedelta(seconds=20)
        reading.poll()
    assert len(service.events) == 1001
    assert reading.handed == dict.fromkeys((str(event["message_id"]) for event in service.events), 1)


@KINDS
def test_history_can_be_left_out_and_nothing_after_the_first_poll_is(kind: type[EventApiMonitor], timed: Any) -> None:
    service = EventService(panko=kind is PankoMonitor)
    reading: Reading = timed(Reading(kind, service, event_skip_history=True))
    service.add("old", moment(-10))
    service.add("just before", moment(-0.5))
    reading.poll()
    reading.now = START + timedelta(seconds=20)
    service.add("between the polls", moment(7))
    reading.poll()
    reading.now = START + timedelta(seconds=40)
    reading.poll()
    assert list(reading.handed) == ["between the polls"]


@KINDS
def test_history_is_read_from_its_beginning_unless_it_is_left_out(kind: type[EventApiMonitor], timed: Any) -> None:
    service = EventService(panko=kind is PankoMonitor)
    reading: Reading = timed(Reading(kind, service))
    service.add("old", moment(-1e8))
    reading.poll()
    assert list(reading.handed) == ["old"]


def test_a_moment_without_a_zone_is_utc_and_one_with_a_zone_is_moved_there() -> None:
    assert as_text(clock.parse_utc("2024-03-04T05:06:07")) == "2024-03-04T05:06:07.000000"
    assert as_text(clock.parse_utc("2024-03-04T05:06:07.5+02:00")) == "2024-03-04T03:06:07.500000"


def test_the_cursor_is_bounded_in_any_storm(timed: Any) -> None:
    service = EventService(panko=True)
    reading: Reading = timed(Reading(PankoMonitor, service, page_limit=1000))
    reading.now = START + timedelta(seconds=60)
    for number in range(20_000):
        service.add(f"id{number:05}", moment(1))
    reading.poll(limit=5000)
    assert len(reading.handed) == 20_000
    assert reading.cursor is not None
    assert sum(len(ids) for ids in reading.cursor.get("seen", {}).values()) <= REMEMBERED
    service.add("later", moment(50))
    reading.now = START + timedelta(seconds=80)
    for _ in range(3):
        reading.poll()
    assert set(reading.handed.values()) == {1}
    assert reading.handed["later"] == 1


def test_a_cursor_survives_being_stored() -> None:
    walk = Walk(BACKREAD, newest=moment(2), floor=moment(1), at=moment(2), marker="b", seen={"a": moment(1)})
    walk.measure(7)
    assert Walk.of(walk.cursor(), BACKREAD) == walk
    assert Walk.of(None, BACKREAD) == Walk(BACKREAD)


@KINDS
def test_a_limit_that_the_service_lowers_is_noticed_though_more_came_before(
    kind: type[EventApiMonitor], timed: Any
) -> None:
    service = EventService(panko=kind is PankoMonitor)
    reading: Reading = timed(Reading(kind, service, page_limit=1000))
    reading.now = START + timedelta(seconds=60)
    for number in range(900):
        service.add(f"id{number:03}", moment(number / 100))
    reading.poll()
    service.cap = 100
    for number in range(900, 1300):
        service.add(f"id{number:03}", moment(70 + number / 1000))
    for _ in range(40):
        reading.now += timedelta(seconds=20)
        reading.poll()
    assert len(reading.handed) == 1300
    assert set(reading.handed.values()) == {1}
