"""TLS to the broker (spec capture 9 A9): a front that ends TLS stands before a real broker without it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tasks.model.errors import ProviderDown
from tasks.providers.openstack.amqp_monitor import AmqpMonitor
from tests.certificates import Authority
from tests.rabbit_ground import HOST, PASSWORD, PORT, USER, Bus, drain
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.service("rabbitmq")


@pytest.fixture
def bus() -> Iterator[Bus]:
    with Bus() as running:
        yield running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class Front:
    """What a TLS front has seen: the names that clients asked for, and the users of their certificates."""

    def __init__(self) -> None:
        self.port = 0
        self.names: list[str | None] = []
        self.users: list[str] = []

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("peercert")
        if certificate:
            self.users.append(dict(pair for part in certificate["subject"] for pair in part)["commonName"])
        broker_reader, broker_writer = await asyncio.open_connection(HOST, PORT)
        ways = (_copy(reader, broker_writer), _copy(broker_reader, writer))
        await asyncio.wait([asyncio.ensure_future(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, broker_writer):
            end.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()


@contextmanager
def front(context: ssl.SSLContext) -> Iterator[Front]:
    """A server that speaks TLS and hands everything on to the broker."""
    seen = Front()
    context.sni_callback = lambda _, name, __: seen.names.append(name)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(seen.carry, "127.0.0.1", 0, ssl=context))
    seen.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield seen
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=5)
    server.close()
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
    loop.close()


def secure(port: int, host: str = "localhost") -> str:
    return f"amqps://{USER}:{PASSWORD}@{host}:{port}"


def refused(bus: Bus, url: str, **tls: Any) -> str:
    provider = bus.provider(urls=[url], tls=tls, connect_seconds=2)
    with pytest.raises(ProviderDown) as raised:
        AmqpMonitor(provider).start(None)
    assert AmqpMonitor.available(provider).reason == str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(("host", "asked_for"), [("localhost", "localhost"), ("127.0.0.1", None)])
def test_certificate_of_our_authority_is_taken(bus: Bus, authority: Authority, host: str, asked_for: str) -> None:
    with front(authority.server(host)) as seen:
        provider = bus.provider(urls=[secure(seen.port, host)], tls={"ca": str(authority.ca)})
        assert AmqpMonitor.available(provider).ok
        monitor = AmqpMonitor(provider)
        monitor.start(None)
        large = "x" * 1_000_000
        bus.publish(["1", large, *(str(i) for i in range(500))])
        assert drain(monitor, until=502) == ["1", large, *(str(i) for i in range(500))]
        monitor.stop()
        assert seen.names == [asked_for] * 2


def test_certificate_of_a_stranger_is_refused_and_the_reason_says_so(bus: Bus, authority: Authority) -> None:
    (authority.ca.parent / "other").mkdir()
    other = Authority(authority.ca.parent / "other")
    with front(other.server("localhost")) as seen:
        for tls in ({"ca": str(authority.ca)}, {}):
            reason = refused(bus, secure(seen.port), **tls)
            assert f"localhost:{seen.port} has a certificate that is not trusted" in reason
            assert "amqp.tls.ca" in reason


def test_certificate_for_another_host_is_refused(bus: Bus, authority: Authority) -> None:
    with front(authority.server("elsewhere.example")) as seen:
        reason = refused(bus, secure(seen.port), ca=str(authority.ca))
    assert "Hostname mismatch" in reason
    assert "amqp.tls" in reason


def test_certificate_is_not_checked_where_the_operator_says_so(bus: Bus, authority: Authority) -> None:
    with front(authority.server("elsewhere.example")) as seen:
        monitor = AmqpMonitor(bus.provider(urls=[secure(seen.port)], tls={"verify": False}))
        monitor.start(None)
        bus.publish(["1"])
        assert drain(monitor, until=1) == ["1"]
        monitor.stop()


def test_certificate_of_ours_is_shown_to_a_broker_that_asks(bus: Bus, authority: Authority) -> None:
    cert, key = authority.sign("catchment")
    with front(authority.server("localhost", asks_for_certificate=True)) as seen:
        tls = {"ca": str(authority.ca), "cert": str(cert), "key": str(key)}
        monitor = AmqpMonitor(bus.provider(urls=[secure(seen.port)], tls=tls))
        monitor.start(None)
        monitor.stop()
        assert seen.users == ["catchment"]
        assert f"localhost:{seen.port}" in refused(bus, secure(seen.port), ca=str(authority.ca))


def test_broker_without_tls_is_a_reason_that_says_tls(bus: Bus, authority: Authority) -> None:
    with TcpProxy(HOST, PORT) as proxy:
        assert "does not speak TLS" in refused(bus, secure(proxy.port), ca=str(authority.ca))


def test_plain_connection_to_a_tls_port_is_a_reason(bus: Bus, authority: Authority) -> None:
    with front(authority.server("localhost")) as seen:
        provider = bus.provider(urls=[secure(seen.port).replace("amqps", "amqp")], connect_seconds=2)
        assert not AmqpMonitor.available(provider).ok


@pytest.mark.parametrize("what", ["ca", "cert"])
def test_file_that_cannot_be_read_is_named(bus: Bus, authority: Authority, what: str) -> None:
    missing = authority.ca.parent / "missing.pem"
    tls = {"ca": str(authority.ca)} | {what: str(missing)}
    with front(authority.server("localhost")) as seen:
        assert f"{missing} cannot be read" in refused(bus, secure(seen.port), **tls)


def test_file_that_is_no_certificate_is_a_reason(bus: Bus, authority: Authority) -> None:
    broken = authority.ca.parent / "broken.pem"
    broken.write_text("no certificate")
    with front(authority.server("localhost")) as seen:
        assert "TLS" in refused(bus, secure(seen.port), ca=str(broken))
