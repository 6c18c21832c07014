"""The engine as a running HTTP server, on one loopback port, inside the calling process."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from examples.cloud.faults import Faults
from examples.ovirt import sso
from examples.ovirt.api import Api
from examples.ovirt.tokens import Tokens
from examples.ovirt.views import API
from examples.ovirt.wire import Request, Response, page
from examples.ovirt.world import World

#: A request body beyond this is refused.
BODY_LIMIT = 1_048_576
#: Paths that are counted one by one; further ones are counted together.
COUNTED_PATHS = 10_000


class Engine:
    """A world behind HTTP. Use it as a context manager, or call ``start`` and ``stop``.

    ``faults`` spoils answers (an answer by status is a page of the web server in front of the engine),
    ``requests`` counts them by method and path, ``token_seconds`` is how long a token is valid. Port 0 takes a
    free one; ``url`` tells which.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token_seconds: float = 3600,
    ) -> None:
        self.world = world or World()
        self.tokens = Tokens(self.world.now, token_seconds)
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self.api = Api(self.world, self.tokens)
        self._server = _Server(self, host, port)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address of the engine, without a path."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def api_url(self) -> str:
        """The address of the engine's API."""
        return self.url + API

    def start(self) -> Engine:
        """Begin to answer, in a thread of its own."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="engine", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and all connections. May be called more than once."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.hang_up()

    def __enter__(self) -> Engine:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def expire_tokens(self) -> None:
        """Make every token that was issued so far worthless at once."""
        with self.world.lock:
            self.tokens.revoke_all()

    def answer(self, request: Request) -> Response:
        """Hand a request to the part of the engine that it is for."""
        with self.world.lock:
            if request.path in (sso.TOKEN, sso.LOGOUT):
                response = sso.answer(self.world, self.tokens, request)
            elif request.path == API or request.path.startswith(API + "/"):
                response = self.api.answer(request)
            else:
                response = page(404, "Not Found")
            if response.body is not None:
                response.body = response.payload().decode()
            return response

    def count(self, key: str) -> None:
        """Count a request."""
        with self.world.lock:
            self.requests[key if key in self.requests or len(self.requests) < COUNTED_PATHS else "other"] += 1


@contextmanager
def running_engine(world: World | None = None, port: int = 0, **options: Any) -> Iterator[str]:
    """A running engine for the length of a block; gives its address."""
    with Engine(world, port=port, **options) as engine:
        yield engine.url


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, engine: Engine, host: str, port: int) -> None:
        self.engine = engine
        self._open: set[socket.socket] = set()
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close connections that clients keep open."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "SimulatedEngine"
    sys_version = ""
    timeout = 120
    server: _Server

    def _respond(self) -> None:
        parts = urlsplit(self.path)
        body = self._body()
        if body is None:
            return
        engine = self.server.engine
        engine.count(f"{self.command} {parts.path}")
        fault = engine.faults.take(parts.path)
        if fault is not None and fault.kind == "reset":
            self.close_connection = True
            return
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault is not None and fault.kind == "status":
            refused = page(fault.status, "Fault")
            refused.headers.update(fault.headers)
            self._send(refused)
            return
        query = parse_qsl(parts.query, keep_blank_values=True)
        response = engine.answer(Request(self.command, unquote(parts.path), query, self.headers, body))
        if fault is not None and fault.kind == "lose":
            self.close_connection = True
            return
        if fault is not None and fault.kind == "garbage":
            response = Response(response.status, "<html>not what you asked for</html>", response.headers)
        self._send(response, cut=fault is not None and fault.kind == "truncate")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _respond

    def _body(self) -> bytes | None:
        """The request's body, or None where it was refused."""
        text = self.headers.get("Content-Length") or "0"
        length = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else BODY_LIMIT + 1
        if length > BODY_LIMIT or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self._send(page(413, "Request Entity Too Large"))
            return None
        return self.rfile.read(length)

    def _send(self, response: Response, *, cut: bool = False) -> None:
        payload = response.payload()
        self.send_response(response.status)
        if payload:
            self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(payload)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if cut:
            payload = payload[: len(payload) // 2]
            self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests are counted, not printed."""
