"""The contract of all monitors, for those that need no broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer

from tasks.model.event import Notification
from tasks.providers.contracts import ProviderConfig
from tasks.providers.null_monitor import NullMonitor
from tasks.providers.openstack.ceilometer_monitor import CeilometerMonitor
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.panko_monitor import PankoMonitor
from tests.monitor_contract import LifeContract, MonitorContract, Source
from tests.unit.monitors.event_service import EventService, closed_port, moment, provider


class EventSource(Source):
    def __init__(self, server: HTTPServer, port: int, *, panko: bool) -> None:
        self.service = EventService(panko=panko)
        self.service.serve(server)
        self._url = server.url_for("").rstrip("/")
        self._port = port

    def provider(self) -> ProviderConfig:
        return provider(self._url, page_limit=20)

    def unreachable(self) -> ProviderConfig:
        return provider(f"http://127.0.0.1:{self._port}")

    def publish(self, names: list[str]) -> None:
        for name in names:
            self.service.add(name, moment(-3600 + 0.4 * len(self.service.events)))

    def name_of(self, notification: Notification) -> str:
        assert isinstance(notification.body, dict)
        return str(notification.body["message_id"])


class TestPanko(MonitorContract):
    monitor = PankoMonitor

    @pytest.fixture
    def source(self, httpserver: HTTPServer) -> Iterator[Source]:
        with closed_port() as port:
            yield EventSource(httpserver, port, panko=True)


class TestCeilometer(MonitorContract):
    monitor = CeilometerMonitor

    @pytest.fixture
    def source(self, httpserver: HTTPServer) -> Iterator[Source]:
        with closed_port() as port:
            yield EventSource(httpserver, port, panko=False)


class Nothing(Source):
    def provider(self) -> ProviderConfig:
        return ProviderConfig("north", "openstack", OpenStackOptions(monitor="none"))

    unreachable = provider

    def publish(self, names: list[str]) -> None:
        raise AssertionError("nothing can be published")

    def name_of(self, notification: Notification) -> str:
        raise AssertionError("nothing comes")


class TestNull(LifeContract):
    monitor = NullMonitor

    @pytest.fixture
    def source(self) -> Source:
        return Nothing()

    def test_available_says_that_no_events_are_read(self, source: Source) -> None:
        assert NullMonitor.available(source.provider()).reason == "no events are read: the provider's monitor is none"

    def test_never_chosen_before_a_source_of_events(self) -> None:
        assert NullMonitor.priority < 0
