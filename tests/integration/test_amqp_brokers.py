"""Brokers that refuse, are silent, break off or have gone: what the bus monitor makes of them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tasks.model.errors import ProviderDown, SignedOut
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.amqp_monitor import AmqpMonitor
from tests.rabbit_ground import HOST, PORT, Bus, bodies, broker_closes, drain, eventually, one, url
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.service("rabbitmq")


@pytest.fixture
def bus() -> Iterator[Bus]:
    with Bus() as running:
        yield running


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with TcpProxy(HOST, PORT) as running:
        yield running


@pytest.fixture
def monitor(bus: Bus, proxy: TcpProxy) -> Iterator[AmqpMonitor]:
    monitor = AmqpMonitor(bus.provider(urls=[url(proxy.port)]))
    monitor.start(None)
    yield monitor
    monitor.stop()


@contextmanager
def stranger(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that is no broker; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    held.append(connection)
                    talk(connection)

        held: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def refused(provider: ProviderConfig, error: type[Exception] = ProviderDown) -> str:
    """The reason for which a provider's bus cannot be used: the same from both sides."""
    availability = AmqpMonitor.available(provider)
    assert not availability.ok
    with pytest.raises(error) as raised:
        AmqpMonitor(provider).start(None)
    assert str(raised.value) == availability.reason
    return availability.reason


def test_wrong_password_is_signed_out_and_is_not_repeated(bus: Bus, proxy: TcpProxy) -> None:
    provider = bus.provider(urls=[url(proxy.port, password="hunter2")])
    reason = refused(provider, SignedOut)
    assert f"north: no broker takes a connection: {HOST}:{proxy.port} refuses the user 'guest'" in reason
    assert "hunter2" not in reason
    assert "hunter2" not in repr(provider)
    assert eventually(lambda: proxy.ports == [])


def test_virtual_host_that_is_not_there_is_named(bus: Bus, proxy: TcpProxy) -> None:
    reason = refused(bus.provider(urls=[url(proxy.port, vhost="/no-such")]))
    assert "does not let 'guest' into the virtual host 'no-such'" in reason
    assert eventually(lambda: proxy.ports == [])


def test_virtual_host_may_stand_apart(bus: Bus) -> None:
    assert "'elsewhere'" in refused(bus.provider(urls=[url()], virtual_host="elsewhere"))


def test_second_broker_is_used_at_once_where_the_first_is_dead(bus: Bus, proxy: TcpProxy) -> None:
    monitor = AmqpMonitor(bus.provider(urls=[url(1), url(proxy.port)]))
    began = time.monotonic()
    monitor.start(None)
    assert time.monotonic() - began < 1.5
    assert len(proxy.ports) == 1
    bus.publish(["1"])
    assert drain(monitor, until=1) == ["1"]
    monitor.stop()


def test_first_broker_is_used_again_when_it_is_back(bus: Bus, proxy: TcpProxy) -> None:
    """Nothing is written back into the options (spec capture 9 B12)."""
    proxy.reset()
    provider = bus.provider(urls=[url(proxy.port), url()])
    monitor = AmqpMonitor(provider)
    assert AmqpMonitor.available(provider).ok
    monitor.start(None)
    monitor.stop()
    proxy.pass_on()
    monitor.start(None)
    assert len(proxy.ports) == 1
    monitor.stop()


def test_all_brokers_are_named_with_their_reasons(bus: Bus, proxy: TcpProxy) -> None:
    reason = refused(bus.provider(urls=[url(1), url(proxy.port, password="hunter2")]), SignedOut)
    assert f"{HOST}:1 listens on no such port" in reason
    assert f"{HOST}:{proxy.port} refuses the user" in reason


def test_silent_broker_is_given_up_in_time_and_the_next_one_used(bus: Bus) -> None:
    with stranger(lambda _: None) as port:
        began = time.monotonic()
        assert "does not answer in time" in refused(bus.provider(urls=[url(port)], connect_seconds=0.5))
        monitor = AmqpMonitor(bus.provider(urls=[url(port), url()], connect_seconds=0.5))
        monitor.start(None)
        assert time.monotonic() - began < 4
        monitor.stop()


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00", b""])
def test_server_that_is_no_broker_is_a_reason_and_no_crash(bus: Bus, words: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(8)
        connection.sendall(words)
        connection.close()

    with stranger(talk) as port:
        reason = refused(bus.provider(urls=[url(port)], connect_seconds=1))
    assert f"{HOST}:{port}" in reason


def test_connection_that_the_broker_closes_is_told_and_nothing_is_lost(
    bus: Bus, proxy: TcpProxy, monitor: AmqpMonitor
) -> None:
    bus.publish(str(i) for i in range(20))
    kept = one(monitor, limit=5)
    kept.ack()
    open_batch = one(monitor, limit=5)
    time.sleep(0.5)  # A reset throws away what the broker has not read yet, the acknowledgement too.
    if not broker_closes(proxy.ports):
        proxy.reset()
        proxy.pass_on()
    with pytest.raises(ProviderDown, match="north: the connection to the broker was lost"):
        list(monitor.batches(wait=5, limit=10))
    bus.publish(str(i) for i in range(20, 30))
    open_batch.ack()
    monitor.start(None)
    assert drain(monitor, until=25) == [str(i) for i in range(5, 30)]


def test_failure_is_told_again_until_the_monitor_is_started(proxy: TcpProxy, monitor: AmqpMonitor) -> None:
    """A monitor that has given up must not look as if nothing happened (spec capture 9 B4)."""
    proxy.reset()
    for _ in range(3):
        with pytest.raises(ProviderDown):
            list(monitor.batches(wait=2, limit=10))
    with pytest.raises(ProviderDown, match="no broker takes a connection"):
        monitor.start(None)
    with pytest.raises(ProviderDown):
        list(monitor.batches(wait=2, limit=10))
    proxy.pass_on()
    monitor.start(None)
    assert list(monitor.batches(wait=0, limit=10)) == []


def test_ack_and_reject_on_a_connection_that_is_gone_are_quiet(bus: Bus, proxy: TcpProxy, monitor: AmqpMonitor) -> None:
    bus.publish(["1", "2", "3"])
    first, second = one(monitor, limit=1), one(monitor, limit=1)
    proxy.reset()
    first.ack()
    second.reject()
    proxy.pass_on()
    monitor.start(None)
    assert drain(monitor, until=3) == ["1", "2", "3"]


def test_quiet_connection_lives_on_by_heartbeats(bus: Bus, proxy: TcpProxy) -> None:
    monitor = AmqpMonitor(bus.provider(urls=[url(proxy.port)], heartbeat_seconds=2))
    monitor.start(None)
    assert list(monitor.batches(wait=7, limit=10)) == []
    bus.publish(["1"])
    assert bodies(one(monitor)) == ["1"]
    assert proxy.accepted == 1
    monitor.stop()


def test_slow_line_is_no_lost_line(bus: Bus, proxy: TcpProxy, monitor: AmqpMonitor) -> None:
    proxy.delay(0.1)
    bus.publish(str(i) for i in range(300))
    assert drain(monitor, until=300) == [str(i) for i in range(300)]
    assert proxy.accepted == 1


def test_half_open_connection_does_not_hold_back_a_stop(proxy: TcpProxy, monitor: AmqpMonitor) -> None:
    proxy.swallow()
    began = time.monotonic()
    monitor.stop()
    assert time.monotonic() - began < 3


def test_half_open_line_ends_a_start_in_time(bus: Bus, proxy: TcpProxy) -> None:
    proxy.swallow()
    began = time.monotonic()
    assert "does not answer in time" in refused(bus.provider(urls=[url(proxy.port)], connect_seconds=1))
    assert time.monotonic() - began < 4


def test_line_that_is_lost_while_the_layout_is_made_ends_the_start(
    bus: Bus, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = AmqpMonitor(bus.provider(urls=[url(proxy.port)]))
    connect = monitor._connect

    def connect_and_lose(options: object) -> object:
        made = connect(options)  # type: ignore[arg-type]  # handed through
        proxy.reset()
        return made

    monkeypatch.setattr(monitor, "_connect", connect_and_lose)
    with pytest.raises(ProviderDown, match=f"north: {HOST}:{proxy.port} ended the conversation"):
        monitor.start(None)


def test_stop_ends_a_start_that_is_under_way(bus: Bus) -> None:
    with stranger(lambda _: None) as port:
        monitor = AmqpMonitor(bus.provider(urls=[url(port), url()], connect_seconds=3))
        starter = threading.Thread(target=monitor.start, args=[None])
        starter.start()
        time.sleep(0.3)
        # It does not wait for the start to end, which takes longer: the start ends itself.
        began = time.monotonic()
        monitor.stop()
        assert time.monotonic() - began < 2.5
        assert starter.is_alive()
        starter.join(timeout=5)
        assert not starter.is_alive()
    assert not bus.has_queue() or eventually(lambda: bus.consumers() == 0, seconds=2)
    assert list(monitor.batches(wait=0, limit=10)) == []
