"""What an event API may answer instead of events, and what becomes of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tasks.model import clock
from tasks.model.errors import BadPayload, CatchmentError, ProviderDown, SignedOut, Transient
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.ceilometer_monitor import CeilometerMonitor
from tasks.providers.openstack.converter import OpenStackConverter
from tasks.providers.openstack.event_api import EventApiMonitor, sightings_of
from tasks.providers.openstack.event_walk import as_text
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.panko_monitor import PankoMonitor
from tests.unit.monitors.event_service import moment, provider

KINDS = pytest.mark.parametrize("kind", [PankoMonitor, CeilometerMonitor])


def failure(kind: type[EventApiMonitor], config: ProviderConfig) -> CatchmentError:
    monitor = kind(config)
    monitor.start(None)
    with pytest.raises(CatchmentError) as raised:
        list(monitor.batches(wait=0, limit=10))
    available = kind.available(config)
    assert not available.ok
    assert available.reason == str(raised.value)
    return raised.value


def answering(server: HTTPServer, **answer: Any) -> ProviderConfig:
    server.expect_request("/v2/events").respond_with_data(**answer)
    return provider(server.url_for("").rstrip("/"))


@KINDS
@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"status": 401}, SignedOut, "refuses the credentials"),
        ({"status": 403}, SignedOut, "does not let the user read"),
        ({"status": 404, "response_data": "no such page"}, ProviderDown, "404"),
        ({"status": 400, "response_data": "{}"}, Transient, "refuses to show what was asked for (400)"),
        ({"status": 429, "headers": {"Retry-After": "17"}}, Transient, "asks for a pause"),
        ({"status": 500}, ProviderDown, "a fault of its own (500)"),
        ({"status": 503, "headers": {"Retry-After": "17"}}, ProviderDown, "a fault of its own (503)"),
        ({"response_data": "<html>Sign in</html>"}, ProviderDown, "an answer that is none"),
        ({"response_data": '[{"message_id": "a", "gene'}, ProviderDown, "an answer that is none"),
        ({"response_data": b"\xff\xfe\x00"}, ProviderDown, "an answer that is none"),
        ({"response_data": "[" * 100_000}, ProviderDown, "an answer that is none"),
        ({"response_data": '{"events": []}'}, ProviderDown, "no list of events"),
        ({"response_data": "null"}, ProviderDown, "no list of events"),
    ],
)
def test_an_answer_without_events_is_a_failure_with_its_reason(
    kind: type[EventApiMonitor], answer: dict[str, Any], error: type[CatchmentError], words: str, httpserver: HTTPServer
) -> None:
    raised = failure(kind, answering(httpserver, **answer))
    assert isinstance(raised, error)
    assert words in str(raised)
    assert "north" in str(raised)
    if "headers" in answer:
        assert isinstance(raised, Transient)
        assert raised.after == 17.0


@pytest.fixture
def half_an_answer() -> Iterator[str]:
    """A server that promises more than it sends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[{}")

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@KINDS
def test_an_answer_that_ends_in_its_middle_is_a_failure(kind: type[EventApiMonitor], half_an_answer: str) -> None:
    assert isinstance(failure(kind, provider(half_an_answer)), ProviderDown)


@KINDS
def test_a_provider_without_a_cloud_is_told(kind: type[EventApiMonitor]) -> None:
    config = ProviderConfig("north", "openstack", OpenStackOptions())
    assert str(failure(kind, config)) == "north: the provider names no cloud of clouds.yaml"


@KINDS
def test_available_does_not_raise_whatever_signing_in_does(kind: type[EventApiMonitor]) -> None:
    def broken() -> Any:
        raise RuntimeError("a plugin's own fault")

    answer = kind.available(ProviderConfig("north", "openstack", OpenStackOptions(), broken))
    assert not answer.ok
    assert "a plugin's own fault" in answer.reason


@KINDS
def test_an_event_that_cannot_be_read_hinders_no_other(kind: type[EventApiMonitor], httpserver: HTTPServer) -> None:
    good = {"event_type": "volume.create.end", "traits": []}
    events: list[Any] = [
        "text",
        {"message_id": "a", "generated": moment(1), **good},
        None,
        {"message_id": "b", "generated": "yesterday", **good},
        {"message_id": ["odd"], "generated": moment(2), **good},
        {"message_id": "nul\x00", "generated": moment(3), **good},
        {"message_id": "old", "generated": "0001-01-01T00:00:00", **good},
        {"message_id": "c", "generated": moment(4), **good},
    ]
    httpserver.expect_request("/v2/events").respond_with_json(events)
    monitor = kind(provider(httpserver.url_for("").rstrip("/"), page_limit=50))
    monitor.start(None)
    batch = next(monitor.batches(wait=0, limit=50))
    assert len(batch.notifications) == len(events)
    assert "\x00" not in str(batch.cursor)
    converter = OpenStackConverter()
    readable = []
    for notification in batch.notifications:
        try:
            readable += [message.content.get("message_id") for message in converter.unwrap(notification.body)]
        except BadPayload:
            readable.append("refused")
    assert {"a", "c"} <= {identity for identity in readable if isinstance(identity, str)}
    assert readable.count("refused") >= 2


def test_events_without_moments_are_put_beside_their_neighbours() -> None:
    found = sightings_of([{"message_id": "x"}, {"message_id": "y", "generated": moment(1)}, {"message_id": "z"}])
    assert [(s.generated, s.message_id) for s in found] == [(moment(1), "x"), (moment(1), "y"), (moment(1), "z")]
    assert [s.generated for s in sightings_of([{"message_id": "x"}, 5])] == ["", ""]


@KINDS
def test_a_page_without_a_single_moment_does_not_move_the_cursor(
    kind: type[EventApiMonitor], httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/v2/events").respond_with_json([{"message_id": "x"}])
    monitor = kind(provider(httpserver.url_for("").rstrip("/")))
    monitor.start({"generated": moment(5), "floor": moment(0), "largest": 100, "largest_at": as_text(clock.now())})
    cursors = [batch.cursor for batch in monitor.batches(wait=0, limit=50)]
    assert [(cursor or {})["floor"] for cursor in cursors] == [moment(0)]
