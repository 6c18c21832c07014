"""Cuts network conversations at a moment, however slowly the other side keeps them alive."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Deadline:
    """Shuts the connections that it was shown once ``seconds`` have passed inside the ``with`` block.

    Time-outs of sockets count each read alone; a server that sends a byte now and then outlives them.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._shown: list[socket.socket] = []
        self.passed = False

    def show(self, connection: socket.socket) -> None:
        """Cut this connection too when time is up."""
        with self._lock:
            # A duplicate stays valid when TLS takes the descriptor over.
            self._shown.append(socket.fromfd(connection.fileno(), connection.family, connection.type))
        if self.passed:
            self._cut()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            while self._shown:
                self._shown.pop().close()

    def _cut(self) -> None:
        self.passed = True
        with self._lock:
            for connection in self._shown:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class CutAdapter(HTTPAdapter):
    """An HTTP adapter whose connections a :class:`Deadline` may cut."""

    def __init__(self, deadline: Deadline) -> None:
        class Plain(HTTPConnection):
            # urllib3 has no public moment between the connection and the first byte of TLS.
            def _new_conn(self) -> socket.socket:
                connection = super()._new_conn()
                deadline.show(connection)
                return connection

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                connection = super()._new_conn()
                deadline.show(connection)
                return connection

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self._pools = {"http": PlainPool, "https": SecurePool}
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Build the pool manager with pools that show their connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """The same for a proxy of the environment."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager
