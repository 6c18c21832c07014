"""The cloud as a running HTTP server, on one loopback port, inside the calling process."""

from __future__ import annotations

import re
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

from examples.cloud.compute_api import Compute
from examples.cloud.event_api import Ceilometer, Panko
from examples.cloud.faults import Faults
from examples.cloud.identity_api import Identity
from examples.cloud.image_api import Images
from examples.cloud.network_api import Network
from examples.cloud.node_api import Baremetal
from examples.cloud.seed import PASSWORD
from examples.cloud.stack_api import Orchestration
from examples.cloud.tokens import Tokens
from examples.cloud.volume_api import BlockStorage
from examples.cloud.wire import Request, Response, Service
from examples.cloud.world import World

#: A request body beyond this is refused.
BODY_LIMIT = 1_048_576
#: Paths that are counted one by one; further ones are counted together.
COUNTED_PATHS = 10_000
_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9a-fA-F:]+\](:\d{1,5})?")
_SERVICES: tuple[type[Service], ...] = (
    *(Identity, Compute, Network, Images, BlockStorage, Orchestration),
    *(Baremetal, Panko, Ceilometer),
)


class Cloud:
    """A world behind HTTP. Use it as a context manager, or call ``start`` and ``stop``.

    ``faults`` spoils answers, ``requests`` counts them by method and path, ``token_seconds`` is how long
    a token is valid. Port 0 takes a free one; ``url`` tells which.
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
        self.services = [kind(self.world, self.tokens) for kind in _SERVICES]
        self._server = _Server(self, host, port)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address of the cloud."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def auth_url(self) -> str:
        """Where to sign in."""
        return f"{self.url}/identity"

    def start(self) -> Cloud:
        """Begin to answer, in a thread of its own."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="cloud", daemon=True)
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

    def __enter__(self) -> Cloud:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def expire_tokens(self) -> None:
        """Make every token that was issued so far worthless at once."""
        with self.world.lock:
            self.tokens.revoke_all()

    def answer(self, request: Request) -> Response:
        """Hand a request to the service it is for."""
        with self.world.lock:
            for service in self.services:
                if request.path == service.prefix or request.path.startswith(service.prefix + "/"):
                    request.root = request.base + service.prefix
                    request.path = request.path[len(service.prefix) :]
                    response = service.answer(request)
                    response.body = response.payload().decode()
                    return response
            names = {service.prefix.strip("/"): request.base + service.prefix for service in self.services}
            return Response(200 if request.path in ("", "/") else 404, {"services": names})

    def count(self, key: str) -> None:
        """Count a request."""
        with self.world.lock:
            self.requests[key if key in self.requests or len(self.requests) < COUNTED_PATHS else "other"] += 1


@contextmanager
def running_cloud(world: World | None = None, port: int = 0, **options: Any) -> Iterator[str]:
    """A running cloud for the length of a block; gives its address."""
    with Cloud(world, port=port, **options) as cloud:
        yield cloud.url


def clouds_yaml(
    url: str, *, name: str = "demo", user: str = "demo", password: str = PASSWORD, project: str = "demo"
) -> str:
    """A ``clouds.yaml`` by which openstacksdk finds the cloud at ``url``."""
    return (
        "clouds:\n"
        f"  {name}:\n"
        "    region_name: RegionOne\n"
        "    auth:\n"
        f"      auth_url: {url.rstrip('/')}/identity\n"
        f"      username: {user}\n"
        f"      password: {password}\n"
        f"      project_name: {project}\n"
        "      user_domain_name: Default\n"
        "      project_domain_name: Default\n"
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, cloud: Cloud, host: str, port: int) -> None:
        self.cloud = cloud
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
    server_version = "SimulatedCloud"
    sys_version = ""
    timeout = 120
    server: _Server

    def _respond(self) -> None:
        parts = urlsplit(self.path)
        body = self._body()
        if body is None:
            return
        cloud = self.server.cloud
        cloud.count(f"{self.command} {parts.path}")
        fault = cloud.faults.take(parts.path)
        if fault is not None and fault.kind == "reset":
            self.close_connection = True
            return
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault is not None and fault.kind == "status":
            text = {"error": {"code": fault.status, "title": "Fault", "message": "A fault that was asked for."}}
            self._send(Response(fault.status, text, dict(fault.headers)))
            return
        host = self.headers.get("Host", "")
        base = f"http://{host}" if _HOST.fullmatch(host) else cloud.url
        query = parse_qsl(parts.query, keep_blank_values=True)
        request = Request(self.command, unquote(parts.path), query, self.headers, body, base)
        response = cloud.answer(request)
        if fault is not None and fault.kind == "lose":
            self.close_connection = True
            return
        if fault is not None and fault.kind == "garbage":
            response = Response(response.status, "<html>not what you asked for</html>", response.headers)
        self._send(response, cut=fault is not None and fault.kind == "truncate")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _respond

    def _body(self) -> bytes | None:
        """The request's body, or None where it was refused."""
        text = self.headers.get("Content-Length") or "0"
        length = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else BODY_LIMIT + 1
        if length > BODY_LIMIT or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self._send(Response(413, {"error": {"code": 413, "title": "Too Large", "message": "Body too large."}}))
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
