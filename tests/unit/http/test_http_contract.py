"""The contract of all monitors, kept by the generic one in every way that it can be told to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from pytest_httpserver import HTTPServer

from tasks.model.event import Notification
from tasks.providers.contracts import ProviderConfig
from tasks.providers.http.monitor import HttpMonitor
from tests.monitor_contract import MonitorContract, Source
from tests.unit.http.http_service import PATH, HttpService, closed_port


class Rows(Source):
    def __init__(self, server: HTTPServer, port: int, options: dict[str, Any], **service: Any) -> None:
        self.service = HttpService(**service).serve(server)
        self._options = options
        self._port = port

    def provider(self) -> ProviderConfig:
        return self.service.provider(**self._options)

    def unreachable(self) -> ProviderConfig:
        return self.service.provider(**{**self._options, "url": f"http://127.0.0.1:{self._port}{PATH}"})

    def publish(self, names: list[str]) -> None:
        for name in names:
            number = len(self.service.rows)
            self.service.add(number + 1, 0.4 * number, label=name)

    def name_of(self, notification: Notification) -> str:
        assert isinstance(notification.body, dict)
        return str(notification.body["label"])


SIZE = {"size_parameter": "limit", "size": 20}
BY_ID = {"by": "id", "parameter": "last_id", "start": "0"}
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "time and pages": ({}, {}),
    "time and a link in the answer": ({"paging": {"by": "next", "next": "links.next", **SIZE}}, {}),
    "time and a Link header": ({"paging": {"by": "next"}}, {}),
    "time and a marker": ({"paging": {"by": "marker", "parameter": "marker", **SIZE}}, {}),
    "time alone": ({"paging": {"by": "none"}}, {"exclusive": True}),
    "ids alone": ({"cursor": BY_ID, "paging": {"by": "none"}}, {}),
    "ids and pages": ({"cursor": BY_ID}, {}),
    "newest first": ({"paging": {"by": "page", "parameter": "page", "order": "newest_first"}}, {"newest_first": True}),
    "no cursor": ({"cursor": {"by": "none"}}, {}),
}


class TestHttp(MonitorContract):
    monitor: ClassVar[type[HttpMonitor]] = HttpMonitor

    @pytest.fixture(params=WAYS)
    def source(self, request: pytest.FixtureRequest, httpserver: HTTPServer) -> Iterator[Source]:
        options, service = WAYS[request.param]
        with closed_port() as port:
            yield Rows(httpserver, port, options, **service)
