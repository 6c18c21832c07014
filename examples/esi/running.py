"""The service as a running HTTP server, on one loopback port, inside the calling process."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from examples.esi.leases import Leases

TOKEN = "simulated"


class LeapApi:
    """A service behind HTTP, as its own API answers. Use it as a context manager.

    ``shuffle`` orders the rows of an answer, as the service has no order of its own; ``refuse`` is a status that
    is answered in place of everything; ``asked`` counts requests by path and query.
    """

    def __init__(self, leases: Leases | None = None, *, port: int = 0) -> None:
        self.state = leases or Leases()
        self.shuffle: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = list
        self.refuse: int | None = None
        self.admin = True
        self.asked: Counter[str] = Counter()
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The address, without the version."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def clouds_yaml(self) -> str:
        """An entry ``esi`` of ``clouds.yaml`` that leads here."""
        auth = f"{{endpoint: {self.url}, token: {TOKEN}}}"
        return f"clouds:\n  esi:\n    auth_type: admin_token\n    auth: {auth}\n"

    def __enter__(self) -> LeapApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, target: str, token: str | None) -> tuple[int, Any]:
        """Status and body for a request."""
        self.asked[target] += 1
        if self.refuse is not None:
            return self.refuse, _fault("Server", "out of order")
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.path == "/":
            return 200, {"versions": [{"id": "v1", "status": "CURRENT", "links": [{"rel": "self", "href": "/v1/"}]}]}
        if token != TOKEN:
            words = "The request you have made requires authentication."
            return 401, {"error": {"code": 401, "title": "Unauthorized", "message": words}}
        words_of_path = [unquote(word) for word in parts.path.split("/") if word]
        match words_of_path:
            case ["v1", "events"]:
                return self._events(query)
            case ["v1", "leases"]:
                if query.get("view") == "all" and not self.admin:
                    return 403, _fault("Client", "Access was denied to esi_leap:lease:lease_admin.")
                ended = ("deleted", "expired")
                wanted = [k for k, v in self.state.leases.items() if "status" in query or v["status"] not in ended]
                return 200, {"leases": [self.state.shown(key) for key in wanted]}
            case ["v1", "leases", key]:
                return self._one(self.state.leases, key, self.state.shown)
            case ["v1", "offers"]:
                return 200, {"offers": list(self.state.offers.values())}
            case ["v1", "offers", key]:
                return self._one(self.state.offers, key, self.state.offers.__getitem__)
            case ["v1", "nodes"]:
                return 200, {"nodes": list(self.state.nodes.values())}
        return 404, _fault("Client", "not found")

    def _events(self, query: dict[str, str]) -> tuple[int, Any]:
        try:
            behind = int(query.pop("last_event_id", "0"))
        except ValueError:
            return 400, _fault("Client", "Invalid input for field/attribute last_event_id.")
        if query:
            return 400, _fault("Client", f'Unknown argument: "{next(iter(query))}"')
        return 200, {"events": self.shuffle([row for row in self.state.rows if row["id"] > behind])}

    def _one(self, known: dict[str, Any], key: str, show: Callable[[str], Any]) -> tuple[int, Any]:
        if key in known:
            return 200, show(key)
        # The service stumbles over an id that it never gave, and says 404 of a name.
        if key.count("-") == 4:
            return 500, _fault("Server", "'NoneType' object has no attribute 'owner_id'")
        return 404, _fault("Client", f"{key} could not be found.")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: LeapApi, port: int) -> None:
        self.api = api
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        status, answer = self.server.api.answer(self.path, self.headers.get("X-Auth-Token"))
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""


def _fault(code: str, words: str) -> dict[str, Any]:
    return {"faultcode": code, "faultstring": words, "debuginfo": None}
