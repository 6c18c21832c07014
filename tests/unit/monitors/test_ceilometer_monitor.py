"""Ceilometer's event API: what is asked, and a service that cuts its answers short."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer

from tasks.model.errors import ProviderDown
from tasks.providers.contracts import Batch, ProviderConfig
from tasks.providers.openstack.ceilometer_monitor import CeilometerMonitor
from tests.unit.monitors.event_service import EventService, moment, provider


@pytest.fixture
def service(httpserver: HTTPServer) -> EventService:
    made = EventService(panko=False)
    made.serve(httpserver)
    return made


@pytest.fixture
def north(httpserver: HTTPServer, service: EventService) -> ProviderConfig:
    return provider(httpserver.url_for("").rstrip("/"))


def ids(batches: Iterator[Batch]) -> list[str]:
    return [str(n.body["message_id"]) for batch in batches for n in batch.notifications if isinstance(n.body, dict)]


def keep(north: ProviderConfig, kept: list[Batch]) -> None:
    """One poll from the cursor of the last batch that was kept."""
    monitor = CeilometerMonitor(north)
    monitor.start(kept[-1].cursor if kept else None)
    for batch in monitor.batches(wait=0, limit=500):
        kept.append(batch)


def test_the_first_request_is_for_history_and_names_a_limit_and_no_field_that_ceilometer_lacks(
    service: EventService, north: ProviderConfig
) -> None:
    monitor = CeilometerMonitor(north)
    monitor.start(None)
    assert ids(monitor.batches(wait=0, limit=10)) == []
    assert service.requests == [[("limit", "100")]]


def test_the_next_request_begins_a_back_read_before_the_newest_event(
    service: EventService, north: ProviderConfig
) -> None:
    service.add("a", moment(0))
    service.add("b", moment(60))
    monitor = CeilometerMonitor(north)
    monitor.start(None)
    cursor = [batch.cursor for batch in monitor.batches(wait=0, limit=10)][-1]
    monitor.start(cursor)
    service.requests.clear()
    assert ids(monitor.batches(wait=0, limit=10)) == []
    asked = {("q.field", "start_timestamp"), ("q.op", "ge"), ("q.value", moment(55)), ("limit", "100")}
    assert set(service.requests[0]) == asked


def test_a_service_that_cuts_at_100_reads_on_while_moments_differ(service: EventService, north: ProviderConfig) -> None:
    service.cap = 100
    for number in range(450):
        service.add(f"id{number:03}", moment(number // 90))
    monitor = CeilometerMonitor(north)
    monitor.start(None)
    assert ids(monitor.batches(wait=0, limit=500)) == [f"id{number:03}" for number in range(450)]


@pytest.mark.parametrize("before", [0, 3, 120])
def test_a_service_that_cuts_a_moment_short_is_told_at_every_poll_and_nothing_is_passed_over(
    service: EventService, north: ProviderConfig, before: int
) -> None:
    service.cap = 100
    for number in range(before):
        service.add(f"before{number:03}", moment(number / 1000))
    for number in range(250):
        service.add(f"same{number:03}", moment(5))
    service.add("after", moment(6))
    kept: list[Batch] = []
    for _ in range(3):
        with pytest.raises(ProviderDown, match=r"100 events of the moment 2024-03-04T05:06:12.000000 and no more"):
            keep(north, kept)
    assert len(service.requests) < 40
    assert "after" not in ids(iter(kept))
    service.cap = None
    keep(north, kept)
    found = ids(iter(kept))
    assert sorted(found) == sorted(str(event["message_id"]) for event in service.events)


def test_a_service_that_cuts_below_our_limit_is_noticed(service: EventService, north: ProviderConfig) -> None:
    service.cap = 30
    for number in range(40):
        service.add(f"before{number:03}", moment(number / 100))
    for number in range(31):
        service.add(f"same{number:03}", moment(5))
    monitor = CeilometerMonitor(north)
    monitor.start(None)
    with pytest.raises(ProviderDown, match="30 events of the moment"):
        ids(monitor.batches(wait=0, limit=500))


@pytest.mark.parametrize("together", [1, 2, 30, 99, 150, 250])
def test_a_service_with_one_moment_only_is_believed(
    service: EventService, north: ProviderConfig, together: int
) -> None:
    for number in range(together):
        service.add(f"same{number:03}", moment(5))
    monitor = CeilometerMonitor(north)
    monitor.start(None)
    assert len(ids(monitor.batches(wait=0, limit=500))) == together


def test_more_events_of_one_moment_than_are_ever_asked_for_are_told(
    service: EventService, north: ProviderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.providers.openstack.ceilometer_monitor.LARGEST_PAGE", 400)
    for number in range(401):
        service.add(f"same{number:03}", moment(5))
    monitor = CeilometerMonitor(north)
    monitor.start(None)
    with pytest.raises(ProviderDown, match="400 events of the moment"):
        ids(monitor.batches(wait=0, limit=500))
