"""The proxy that fault tests put between a client and a server fails in the way that it says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.tcp_proxy import TcpProxy

#: Long enough for anything that comes over loopback, and the price of each test that nothing comes.
SILENCE_SECONDS = 0.3


class Echo:
    """Answers each request with the same bytes, and remembers what it was asked."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.asked = b""
        self.arrived = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def wait_for(self, request: bytes) -> bool:
        with self.arrived:
            return self.arrived.wait_for(lambda: request in self.asked, timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            while True:
                try:
                    data = client.recv(1000)
                    if not data:
                        return
                    with self.arrived:
                        self.asked += data
                        self.arrived.notify_all()
                    client.sendall(data)
                except OSError:
                    return


@pytest.fixture
def server() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def proxy(server: Echo) -> Iterator[TcpProxy]:
    with TcpProxy("127.0.0.1", server.port) as running:
        yield running


@pytest.fixture
def client(proxy: TcpProxy) -> Iterator[socket.socket]:
    with connected(proxy) as connection:
        assert asked(connection, b"hello") == b"hello"
        yield connection


def connected(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def asked(connection: socket.socket, request: bytes) -> bytes | None:
    """The answer; empty where the connection ended, None where nothing comes."""
    connection.sendall(request)
    connection.settimeout(SILENCE_SECONDS)
    try:
        return connection.recv(1000)
    except TimeoutError:
        return None
    except ConnectionResetError:
        return b""
    finally:
        connection.settimeout(5)


def test_swallowed_connection_stays_open_and_passes_nothing(
    proxy: TcpProxy, server: Echo, client: socket.socket
) -> None:
    proxy.swallow()
    assert asked(client, b"lost") is None
    with connected(proxy) as another:
        assert asked(another, b"lost") is None
    proxy.pass_on()
    assert asked(client, b"again") == b"again"
    assert b"lost" not in server.asked


def test_only_the_connections_of_the_moment_are_swallowed(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.swallow_open()
    with connected(proxy) as another:
        assert asked(another, b"new") == b"new"
    assert asked(client, b"old") is None


def test_dropped_reply_means_that_the_server_did_it(proxy: TcpProxy, server: Echo, client: socket.socket) -> None:
    proxy.drop_replies()
    assert asked(client, b"do it") is None
    assert server.wait_for(b"do it")
    proxy.pass_on()
    assert asked(client, b"and on") == b"and on"


def test_replies_are_dropped_from_a_matching_request_on(proxy: TcpProxy, server: Echo, client: socket.socket) -> None:
    proxy.drop_replies(after=b"COMMIT")
    assert asked(client, b"SELECT") == b"SELECT"
    with connected(proxy) as another:
        assert asked(another, b"COMMIT") is None
        assert server.wait_for(b"COMMIT")
        assert asked(another, b"SELECT") is None, "that connection never answers again"
        assert proxy.lost == 1
        assert asked(client, b"COMMIT") == b"COMMIT", "one connection was asked for"


def test_so_many_connections_lose_their_replies(proxy: TcpProxy) -> None:
    proxy.drop_replies(after=b"COMMIT", times=2)
    connections = [connected(proxy) for _ in range(3)]
    assert [asked(one, b"COMMIT") for one in connections] == [None, None, b"COMMIT"]
    assert proxy.lost == 2
    for one in connections:
        one.close()


def test_connection_ends_in_place_of_an_answer(proxy: TcpProxy, server: Echo, client: socket.socket) -> None:
    proxy.lose_reply_to(b"COMMIT", times=1)
    assert asked(client, b"SELECT") == b"SELECT"
    assert asked(client, b"COMMIT") == b""
    assert b"COMMIT" in server.asked
    with connected(proxy) as another:
        assert asked(another, b"COMMIT") == b"COMMIT"
    assert proxy.lost == 1


def test_reset_ends_connections_and_refuses_new_ones(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.reset()
    with pytest.raises(ConnectionError):
        asked_twice(client)
    proxy.pass_on()
    with connected(proxy) as another:
        assert asked(another, b"back") == b"back"


def asked_twice(connection: socket.socket) -> None:
    """A reset is told at the first or the second thing that is done on a connection."""
    for _ in range(2):
        connection.sendall(b"anybody?")
        if connection.recv(1000) == b"":
            raise ConnectionError
