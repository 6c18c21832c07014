"""A proxy between a client and a server whose connections can be made to fail, for tests.

::

    with TcpProxy("127.0.0.1", 5672) as proxy:
        connect_to("127.0.0.1", proxy.port)
        proxy.swallow()   # half-open: connections stay, and nothing passes any more in either direction
        proxy.pass_on()   # new connections work again; what was swallowed is lost
        proxy.delay(0.2)  # everything arrives that much later
        proxy.swallow_open()   # only the connections of this moment are half-open
        proxy.lose_reply_to(b"COMMIT", times=3)   # the server does it, and the connection ends in place of its answer
        proxy.drop_replies()   # requests arrive, answers do not, and connections stay
        proxy.drop_replies(after=b"COMMIT", times=2)   # so from that request on, on two connections
        proxy.reset()     # open connections are reset, and new ones as soon as they are made
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Literal, Self

Mode = Literal["pass", "swallow", "mute", "reset", "delay"]

_PIECE = 65_536
#: Closing a socket with this option set sends a reset instead of an orderly end.
_HARD_CLOSE = struct.pack("ii", 1, 0)


class TcpProxy:
    """Forwards one free loopback port to a server. Use it as a context manager.

    ``port`` is where clients connect, ``accepted`` how often they did. ``ports`` are the local ports of the
    open connections to the server: it knows them as those of its peers. ``lost`` counts the connections on
    which the answer to a request that was waited for did not arrive.
    """

    def __init__(self, host: str, port: int, listen: str = "127.0.0.1") -> None:
        self._server = (host, port)
        self._seconds = 0.0
        self._mode: Mode = "pass"
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server((listen, 0))
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self.lost = 0
        self._dead: set[socket.socket] = set()
        self._request, self._losses = b"", 0
        self._waits: set[socket.socket] = set()
        self._last_words, self._mutes = b"", 0
        self._muted: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake the thread that waits in accept.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._hang_up()

    @property
    def ports(self) -> list[int]:
        """Local ports of the open connections to the server."""
        with self._lock:
            return [server.getsockname()[1] for _, server in self._pairs]

    def pass_on(self) -> None:
        """Forward everything at once."""
        self._mode = "pass"

    def swallow(self) -> None:
        """Keep connections open and let nothing through, as a firewall that has forgotten them."""
        self._mode = "swallow"

    def swallow_open(self) -> None:
        """The connections of this moment stay and pass nothing any more; new ones work."""
        with self._lock:
            self._dead.update(end for pair in self._pairs for end in pair)

    def lose_reply_to(self, request: bytes, times: int) -> None:
        """Pass so many requests that hold these bytes on, and end the connection in place of their answer."""
        self._request, self._losses = request, times

    def drop_replies(self, after: bytes = b"", times: int = 1) -> None:
        """Pass requests on and none of what the server says, until ``pass_on``; connections stay as they are.

        With ``after`` only so many connections are muted, each for good from a request on that holds these bytes.
        """
        if after:
            self._last_words, self._mutes = after, times
        else:
            self._mode = "mute"

    def delay(self, seconds: float) -> None:
        """Forward everything so many seconds late."""
        self._seconds, self._mode = seconds, "delay"

    def reset(self) -> None:
        """Reset all connections, and those to come until ``pass_on``."""
        self._mode = "reset"
        self._hang_up()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self._mode == "reset":
                _close(client)
                continue
            try:
                server = socket.create_connection(self._server, timeout=5)
            except OSError:
                _close(client)
                continue
            server.settimeout(None)
            _watch(client)
            with self._lock:
                self._pairs.append((client, server))
            for way in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=way, name="proxy-pump", daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        """Carry bytes one way until one side ends; then end both."""
        try:
            while data := source.recv(_PIECE):
                if self._mode == "delay":
                    time.sleep(self._seconds)
                if source in self._waits:
                    # The server has answered, so it has done what it was asked for. Nobody gets to know.
                    self.lost += 1
                    break
                if not answers:
                    self._look_for_requests(data, sink)
                if self._passes(source) and not (answers and self._mode == "mute"):
                    sink.sendall(data)
            if self._mode == "swallow" or source in self._dead:
                return  # The end of the connection does not get through either.
        except OSError:
            pass
        self._drop(source)

    def _look_for_requests(self, data: bytes, server: socket.socket) -> None:
        with self._lock:
            if self._losses and self._request in data:
                self._losses -= 1
                self._waits.add(server)
            if self._mutes and self._last_words in data and server not in self._muted:
                self._mutes -= 1
                self.lost += 1
                self._muted.add(server)

    def _passes(self, source: socket.socket) -> bool:
        return self._mode != "swallow" and source not in self._dead and source not in self._muted

    def _drop(self, one: socket.socket) -> None:
        with self._lock:
            ended = [pair for pair in self._pairs if one in pair]
            self._pairs = [pair for pair in self._pairs if one not in pair]
        for pair in ended:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _hang_up(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _close(end)


def _close(connection: socket.socket) -> None:
    """Close with a reset. The shutdown of reading wakes a thread that waits in it."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HARD_CLOSE)
        connection.shutdown(socket.SHUT_RD)
    connection.close()


def _watch(client: socket.socket) -> None:
    """Notice a client whose host was cut off, as the server behind us would: for it we are the client's end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 3), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 15_000)):
        if hasattr(socket, option):
            client.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
