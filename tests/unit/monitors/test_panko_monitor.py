"""Panko's event API: what is asked, and what Panko does that could make reading stop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer

from tasks.model.errors import ProviderDown
from tasks.providers.contracts import Batch, ProviderConfig
from tasks.providers.openstack.panko_monitor import PankoMonitor
from tests.unit.monitors.event_service import EventService, moment, provider


@pytest.fixture
def service(httpserver: HTTPServer) -> EventService:
    made = EventService(panko=True)
    made.serve(httpserver)
    return made


@pytest.fixture
def north(httpserver: HTTPServer, service: EventService) -> ProviderConfig:
    return provider(httpserver.url_for("").rstrip("/"), page_limit=50)


def ids(batches: Iterator[Batch]) -> list[str]:
    return [str(n.body["message_id"]) for batch in batches for n in batch.notifications if isinstance(n.body, dict)]


def test_all_tenants_are_asked_for_in_a_fixed_order(service: EventService, north: ProviderConfig) -> None:
    service.add("a", moment(1))
    monitor = PankoMonitor(north)
    monitor.start(None)
    assert ids(monitor.batches(wait=0, limit=10)) == ["a"]
    assert service.requests[0] == [
        ("q.field", "all_tenants"),
        ("q.op", "eq"),
        ("q.value", "True"),
        ("limit", "50"),
        ("sort", "generated:asc"),
        ("sort", "message_id:asc"),
    ]


def test_each_page_begins_behind_the_last_event_of_the_one_before(service: EventService, north: ProviderConfig) -> None:
    for number in range(120):
        service.add(f"id{number:03}", moment(5))
    monitor = PankoMonitor(north)
    monitor.start(None)
    assert len(ids(monitor.batches(wait=0, limit=500))) == 120
    assert [dict(query).get("marker") for query in service.requests] == [None, "id049", "id099"]


def test_a_batch_smaller_than_a_page_has_a_cursor_of_its_own(service: EventService, north: ProviderConfig) -> None:
    for number in range(40):
        service.add(f"id{number:03}", moment(5))
    monitor = PankoMonitor(north)
    monitor.start(None)
    first = next(monitor.batches(wait=0, limit=15))
    monitor.start(first.cursor)
    assert first.more
    assert ids(monitor.batches(wait=0, limit=15)) == [f"id{number:03}" for number in range(15, 40)]


def test_a_marker_that_panko_has_deleted_is_done_without(service: EventService, north: ProviderConfig) -> None:
    for number in range(60):
        service.add(f"id{number:03}", moment(number))
    monitor = PankoMonitor(north)
    monitor.start(None)
    first = next(monitor.batches(wait=0, limit=10))
    service.events = [event for event in service.events if str(event["message_id"]) > "id011"]
    monitor.start(first.cursor)
    assert ids(monitor.batches(wait=0, limit=100)) == [f"id{number:03}" for number in range(12, 60)]


def test_a_panko_behind_a_proxy_that_drops_the_marker_is_told(
    service: EventService, north: ProviderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        service.add(f"id{number:03}", moment(5))
    whole = service.answer
    monkeypatch.setattr(service, "answer", lambda query: whole([pair for pair in query if pair[0] != "marker"]))
    monitor = PankoMonitor(north)
    monitor.start(None)
    with pytest.raises(ProviderDown, match="does not go behind the event id049"):
        ids(monitor.batches(wait=0, limit=500))


def test_a_user_who_may_not_see_all_tenants_gets_the_own_events(service: EventService, north: ProviderConfig) -> None:
    service.admin = False
    service.add("mine", moment(1))
    monitor = PankoMonitor(north)
    monitor.start(None)
    assert ids(monitor.batches(wait=0, limit=10)) == ["mine"]


def test_a_service_that_cuts_below_our_limit_is_read_to_the_end(service: EventService, north: ProviderConfig) -> None:
    service.cap = 7
    for number in range(60):
        service.add(f"id{number:03}", moment(5))
    monitor = PankoMonitor(north)
    monitor.start(None)
    assert len(ids(monitor.batches(wait=0, limit=500))) == 60
