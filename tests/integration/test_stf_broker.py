"""The STF monitor speaks AMQP 1.0 with a real broker: RabbitMQ with its plugin, on a node of the test's own.

Skipped where Qpid Proton (the extra ``stf``) or RabbitMQ is not installed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amqp
import pytest

from tasks.model.errors import ProviderDown, SignedOut
from tasks.model.event import Notification
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack import stf_wire
from tasks.providers.openstack.converter import OpenStackConverter
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.stf_monitor import StfMonitor
from tests.certificates import Authority
from tests.integration.test_amqp_tls import Front, front
from tests.monitor_contract import Catcher, ConnectionContract, HeldSource
from tests.servers import RabbitNode
from tests.tcp_proxy import TcpProxy

proton: Any = pytest.importorskip("proton", reason="the extra stf is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    with RabbitNode(tmp_path_factory.mktemp("stf") / "rabbit", ("rabbitmq_amqp1_0",)) as running:
        yield running


@pytest.fixture
def proxy(node: RabbitNode) -> Iterator[TcpProxy]:
    with TcpProxy("127.0.0.1", node.port) as running:
        yield running


class Router(HeldSource):
    """A queue of the node, reached by way of the proxy."""

    def __init__(self, node: RabbitNode, proxy: TcpProxy, heartbeat_seconds: int = 30) -> None:
        self._proxy = proxy
        self._node = node
        self._heartbeat_seconds = heartbeat_seconds
        self.queue = f"stf-{uuid.uuid4().hex[:12]}"
        self.connect()
        self._channel.queue_declare(self.queue, durable=True, auto_delete=False)

    def connect(self) -> None:
        """Connect as a publisher."""
        self._connection = amqp.Connection(self._node.host, "guest", "guest", confirm_publish=True)
        self._connection.connect()
        self._channel: Any = self._connection.channel()

    def close(self) -> None:
        """Take the queue away."""
        self._channel.queue_delete(self.queue)
        self._connection.close()

    @property
    def address(self) -> str:
        """The queue as RabbitMQ's AMQP 1.0 names it."""
        return f"/amq/queue/{self.queue}"

    def options(self, **more: Any) -> ProviderConfig:
        given = {
            "url": f"amqp://127.0.0.1:{self._proxy.port}",
            "address": self.address,
            "user": "guest",
            "password": "guest",
            "heartbeat_seconds": self._heartbeat_seconds,
        }
        return ProviderConfig("north", "openstack", OpenStackOptions(stf=given | more))

    def provider(self) -> ProviderConfig:
        return self.options()

    def unreachable(self) -> ProviderConfig:
        return self.options(url="amqp://127.0.0.1:1")

    def publish(self, names: list[str]) -> None:
        for name in names:
            self._channel.basic_publish(amqp.Message(name), "", self.queue)

    def name_of(self, notification: Notification) -> str:
        body = notification.body
        return body.decode("utf-8", "backslashreplace") if isinstance(body, bytes) else str(body)

    def connections(self) -> int:
        return len(self._proxy.ports)

    def sever(self) -> None:
        self._proxy.reset()

    def restore(self) -> None:
        self._proxy.pass_on()

    def send(self, *sent: Any) -> None:
        """Publish bodies over AMQP 1.0, as they are."""
        import proton.utils as blocking

        url = f"amqp://{self._node.host}"
        out = blocking.BlockingConnection(url, user="guest", password="guest", allowed_mechs="PLAIN")
        sender = out.create_sender(self.address)
        for body in sent:
            sender.send(proton.Message(body=body, durable=True))
        out.close()


class HalfOpenRouter(Router):
    """Its connections are not closed when they are lost: nothing passes any more."""

    patience = 6.5

    def sever(self) -> None:
        self._proxy.swallow()


@pytest.fixture
def source(node: RabbitNode, proxy: TcpProxy) -> Iterator[Router]:
    running = Router(node, proxy)
    yield running
    running.close()


class TestStf(ConnectionContract):
    monitor = StfMonitor

    @pytest.fixture
    def source(self, node: RabbitNode, proxy: TcpProxy) -> Iterator[HeldSource]:
        running = Router(node, proxy)
        yield running
        running.close()


class TestStfHalfOpen(ConnectionContract):
    monitor = StfMonitor

    @pytest.fixture
    def source(self, node: RabbitNode, proxy: TcpProxy) -> Iterator[HeldSource]:
        running = HalfOpenRouter(node, proxy, heartbeat_seconds=2)
        yield running
        running.close()


@pytest.fixture
def catcher(source: Router) -> Iterator[Catcher]:
    catcher = Catcher(StfMonitor, source)
    catcher.start()
    yield catcher
    catcher.monitor.stop()


def telemetry(*names: str) -> str:
    """One message of Ceilometer's publisher with an event of each name (spec capture 2.5)."""
    events = [
        {
            "message_id": name,
            "event_type": "compute.instance.power_off.end",
            "generated": "2031-05-06T07:08:09.123456",
            "traits": [["instance_id", 1, f"vm-{name}"], ["tenant_id", 1, "red"]],
            "raw": {},
        }
        for name in names
    ]
    inner = {"event_type": "event", "priority": "SAMPLE", "publisher_id": "telemetry.publisher.c1", "payload": events}
    return json.dumps({"request": {"oslo.version": "2.0", "oslo.message": json.dumps(inner)}, "context": {}})


def test_all_events_of_a_message_are_taken(source: Router, catcher: Catcher) -> None:
    source.send(telemetry("a", "b", "c"), telemetry("d").encode())
    found = [n for batch in (catcher.first(),) for n in batch.notifications]
    while len(found) < 2:
        found += catcher.first().notifications
    converter = OpenStackConverter()
    events = [converter.convert(message) for n in found for message in converter.unwrap(n.body)]
    assert [(e.message_id, e.resource_id, e.tenant_id) for e in events] == [
        (name, f"vm-{name}", "red") for name in ("a", "b", "c", "d")
    ]


def test_bodies_of_every_sort_are_handed_over_and_hinder_no_other(source: Router, catcher: Catcher) -> None:
    source.send("text", b"\xff\xfe", {"a": [1, None]}, None, ["x"], "last")
    assert catcher.until(6) == ["text", "\\xff\\xfe", '{"a": [1, null]}', "", '["x"]', "last"]


def test_a_message_that_is_too_large_is_told_cut_and_taken_off(
    source: Router, catcher: Catcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stf_wire, "BODY_LIMIT", 300_000)
    source.send("small", "x" * 1_000_000, "after")
    first, large, last = catcher.until(3)
    assert (first, last) == ("small", "after")
    assert large.startswith("a message of 1000")
    assert len(large) < 400
    catcher.start()
    assert catcher.until(1, seconds=1) == []


def test_no_more_is_held_than_was_asked_for_until_it_is_acknowledged(source: Router) -> None:
    monitor = StfMonitor(source.options(prefetch=5))
    monitor.start(None)
    source.publish([f"n-{i}" for i in range(12)])
    seen, held = [], []
    for batch in monitor.batches(wait=2, limit=100):
        held.append(batch)
        seen += batch.notifications
    assert len(seen) == 5
    for batch in held:
        batch.ack()
    while len(seen) < 12:
        for batch in monitor.batches(wait=2, limit=100):
            seen += batch.notifications
            batch.ack()
    assert [source.name_of(n) for n in seen] == [f"n-{i}" for i in range(12)]
    monitor.stop()


def test_a_wrong_password_is_signed_out_and_is_not_told(source: Router) -> None:
    wrong = source.options(password="not-the-password")
    with pytest.raises(SignedOut, match=r"north: 127\.0\.0\.1:\d+ refuses the user 'guest'") as told:
        StfMonitor(wrong).start(None)
    assert "not-the-password" not in str(told.value)
    assert "refuses the user" in StfMonitor.available(wrong).reason


def test_an_address_that_is_not_there_is_told(source: Router) -> None:
    with pytest.raises(ProviderDown, match="does not let us read '/amq/queue/none'"):
        StfMonitor(source.options(address="/amq/queue/none")).start(None)


def test_a_broker_that_restarts_loses_nothing(source: Router, node: RabbitNode, catcher: Catcher) -> None:
    source.send("before")
    assert catcher.until(1) == ["before"]
    source.send("waits")
    node.control("stop_app")
    with pytest.raises(ProviderDown, match="lost"):
        catcher.until(100)
    node.control("start_app")
    source.connect()
    catcher.start()
    assert catcher.until(1) == ["waits"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def by_tls(source: Router, seen: Front, **tls: Any) -> ProviderConfig:
    return source.options(url=f"amqps://127.0.0.1:{seen.port}", tls=tls)


def test_tls_checks_the_authority_and_the_name(
    source: Router, node: RabbitNode, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.integration.test_amqp_tls.PORT", node.port)
    with front(authority.server("127.0.0.1")) as seen:
        monitor = StfMonitor(by_tls(source, seen, ca=authority.ca))
        monitor.start(None)
        source.publish(["safe"])
        [batch] = monitor.batches(wait=5, limit=10)
        assert source.name_of(batch.notifications[0]) == "safe"
        batch.ack()
        monitor.stop()
        assert not StfMonitor.available(by_tls(source, seen)).ok
    with front(authority.server("elsewhere.example")) as seen:
        assert not StfMonitor.available(by_tls(source, seen, ca=authority.ca)).ok
        assert StfMonitor.available(by_tls(source, seen, verify=False)).ok


def test_tls_shows_our_own_certificate(
    source: Router, node: RabbitNode, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.integration.test_amqp_tls.PORT", node.port)
    cert, key = authority.sign("catchment")
    with front(authority.server("127.0.0.1", asks_for_certificate=True)) as seen:
        assert StfMonitor.available(by_tls(source, seen, ca=authority.ca, cert=cert, key=key)).ok
        assert seen.users == ["catchment"]
        assert not StfMonitor.available(by_tls(source, seen, ca=authority.ca)).ok


def test_a_file_that_cannot_be_read_is_named(source: Router, tmp_path: Path) -> None:
    provider = source.options(url="amqps://127.0.0.1:1", tls={"ca": tmp_path / "none.pem"})
    assert "none.pem cannot be read" in StfMonitor.available(provider).reason
