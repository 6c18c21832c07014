"""An event service over HTTP, in memory, that pages in every way there is and can be made to fail."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tasks.providers.contracts import ProviderConfig
from tasks.providers.http.monitor import HttpMonitor
from tasks.providers.http.options import HttpOptions

START = datetime(2024, 3, 4, 5, 6, 7, tzinfo=UTC)
MAPPING = {
    "message_id": "id",
    "event_type": "type",
    "timestamp": "created_at",
    "payload": "data",
    "resource_kind": "'room'",
    "resource_id": "data.room",
}
PATH = "/v1/events"

#: What a fault makes of a request and the right answer to it.
Fault = Callable[[Request, Response], Response]


def moment(seconds: float) -> str:
    """A moment so many seconds after the start, as the service writes it."""
    return (START + timedelta(seconds=seconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")


class HttpService:
    """Rows, and the answers to requests for them.

    ``since`` and ``last_id`` are taken as filters, ``page``, ``marker`` and ``limit`` as paging. ``cap`` cuts every
    answer. ``exclusive`` leaves the moment out that it is asked from, ``newest_first`` turns the order round, ``clamp``
    answers a page behind the last one with the last one. ``faults`` spoil the next answers, one each.
    """

    def __init__(self, *, cap: int = 20, exclusive: bool = False, newest_first: bool = False) -> None:
        self.rows: list[dict[str, Any]] = []
        self.cap = cap
        self.exclusive = exclusive
        self.newest_first = newest_first
        self.clamp = False
        self.deaf_to_marker = False
        self.queries: list[dict[str, str]] = []
        self.requests: list[Request] = []
        self.faults: list[Fault | None] = []
        self.url = ""

    def add(self, name: Any, seconds: float, **more: Any) -> None:
        """Let a row become visible."""
        row = {"id": name, "type": "room.opened", "created_at": moment(seconds), "data": {"room": f"r-{name}"}}
        self.rows.append({**row, **more})

    def serve(self, server: HTTPServer) -> HttpService:
        """Answer over HTTP."""
        server.expect_request(PATH, method="GET").respond_with_handler(self._respond)
        self.url = server.url_for(PATH)
        return self

    def _respond(self, request: Request) -> Response:
        self.requests.append(request)
        query = dict(request.args)
        self.queries.append(query)
        right = self._answer(query)
        fault = self.faults.pop(0) if self.faults else None
        return right if fault is None else fault(request, right)

    def _answer(self, query: dict[str, str]) -> Response:
        limit = min(self.cap, int(query.get("limit", self.cap)))
        found = self._matching(query)
        place = 0
        if "page" in query:
            place = (int(query["page"]) - 1) * limit
            if self.clamp and place >= len(found):
                place = max(len(found) - 1, 0) // limit * limit
        elif "marker" in query and not self.deaf_to_marker:
            ids = [str(row["id"]) for row in found]
            if query["marker"] not in ids:
                return Response(json.dumps({"error": "no such marker"}), 404)
            place = ids.index(query["marker"]) + 1
        elif "offset" in query:
            place = int(query["offset"])
        rows = found[place : place + limit]
        more = place + limit < len(found)
        answer = {"events": rows, "more": more, "links": {}}
        headers = {}
        if more:
            kept = "&".join(f"{k}={v}" for k, v in query.items() if k not in ("offset", "api_key"))
            answer["links"] = {"next": f"{PATH}?{kept}&offset={place + limit}"}
            headers["Link"] = f'<{PATH}?{kept}&offset={place + limit}>; rel="next"'
        return Response(json.dumps(answer), headers=headers, content_type="application/json")

    def _matching(self, query: dict[str, str]) -> list[dict[str, Any]]:
        found = sorted(self.rows, key=lambda row: (row["created_at"], str(row["id"])))
        if "last_id" in query:
            found = sorted((r for r in self.rows if r["id"] > int(query["last_id"])), key=lambda row: int(row["id"]))
        if "since" in query:
            since = datetime.fromisoformat(query["since"])
            moments = [datetime.fromisoformat(row["created_at"]) for row in found]
            found = [
                row
                for row, at in zip(found, moments, strict=True)
                if at > since or (at == since and not self.exclusive)
            ]
        return found[::-1] if self.newest_first else found

    def provider(self, **options: Any) -> ProviderConfig:
        """A provider that reads from the service by time, in pages, unless told otherwise."""
        given = {
            "url": self.url,
            "events": "events",
            "mapping": MAPPING,
            "cursor": {"by": "time", "parameter": "since"},
            "paging": {"by": "page", "parameter": "page", "size_parameter": "limit", "size": 20},
            "timeout_seconds": 2,
        }
        return ProviderConfig("north", "http", HttpOptions.model_validate({**given, **options}))


class Reader:
    """Polls as catch does: keeps the cursor of each batch, and begins anew with every poll."""

    def __init__(self, provider: ProviderConfig) -> None:
        self.provider = provider
        self.cursor: dict[str, Any] | None = None
        self.names: list[Any] = []
        self.rows: list[Any] = []

    def poll(self, *, limit: int = 500, batches: int = 10_000) -> list[Any]:
        """One catch of so many batches at the most; returns the names that it brought."""
        monitor = HttpMonitor(self.provider)
        # What was stored stands in the ledger, as JSON.
        monitor.start(None if self.cursor is None else json.loads(json.dumps(self.cursor)))
        found: list[Any] = []
        try:
            for number, batch in enumerate(monitor.batches(wait=0, limit=limit), start=1):
                assert len(batch.notifications) <= limit
                found += [n.body["id"] if isinstance(n.body, dict) else n.body for n in batch.notifications]
                self.rows += [n.body for n in batch.notifications]
                self.cursor = batch.cursor if batch.cursor is not None else self.cursor
                if number == batches:
                    break
        finally:
            monitor.stop()
            self.names += found
        return found


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, kept from others meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
