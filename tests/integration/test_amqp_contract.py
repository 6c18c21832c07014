"""The contract of all monitors, kept by the bus monitor on a real broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.model.event import Notification
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.amqp_monitor import AmqpMonitor
from tests.monitor_contract import ConnectionContract, HeldSource
from tests.rabbit_ground import HOST, PORT, Bus, url
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.service("rabbitmq")


class Broker(HeldSource):
    """RabbitMQ behind a proxy."""

    def __init__(self, bus: Bus, proxy: TcpProxy, heartbeat_seconds: int = 30) -> None:
        self._bus = bus
        self._proxy = proxy
        self._heartbeat_seconds = heartbeat_seconds

    def provider(self) -> ProviderConfig:
        return self._bus.provider(urls=[url(self._proxy.port)], heartbeat_seconds=self._heartbeat_seconds)

    def unreachable(self) -> ProviderConfig:
        return self._bus.provider(urls=[url(1)])

    def publish(self, names: list[str]) -> None:
        self._bus.publish(names)

    def name_of(self, notification: Notification) -> str:
        return notification.body.decode() if isinstance(notification.body, bytes) else str(notification.body)

    def connections(self) -> int:
        return len(self._proxy.ports)

    def sever(self) -> None:
        self._proxy.reset()

    def restore(self) -> None:
        self._proxy.pass_on()


class HalfOpenBroker(Broker):
    """Its connections are not closed when they are lost: nothing passes any more."""

    patience = 6.5

    def sever(self) -> None:
        self._proxy.swallow()


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with TcpProxy(HOST, PORT) as running:
        yield running


@pytest.fixture
def bus() -> Iterator[Bus]:
    with Bus() as running:
        yield running


class TestAmqp(ConnectionContract):
    monitor = AmqpMonitor

    @pytest.fixture
    def source(self, bus: Bus, proxy: TcpProxy) -> HeldSource:
        return Broker(bus, proxy)


class TestAmqpHalfOpen(ConnectionContract):
    monitor = AmqpMonitor

    @pytest.fixture
    def source(self, bus: Bus, proxy: TcpProxy) -> HeldSource:
        return HalfOpenBroker(bus, proxy, heartbeat_seconds=2)
