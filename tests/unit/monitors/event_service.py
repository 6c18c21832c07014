"""An event API in memory, over HTTP or without it, that a test can make forgetful, late and mean."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from keystoneauth1 import session as keystone
from keystoneauth1 import token_endpoint
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.options import OpenStackOptions

START = datetime(2024, 3, 4, 5, 6, 7, tzinfo=UTC)


def moment(seconds: float) -> str:
    """A moment so many seconds after the start, as the services write it."""
    return (START + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(timespec="microseconds")


class EventService:
    """Events, and the answers to requests for them.

    ``cap`` cuts every answer, whatever limit is asked for; ``requests`` has the query of each request.
    """

    def __init__(self, *, panko: bool, cap: int | None = None) -> None:
        self.panko = panko
        self.cap = cap
        self.events: list[dict[str, Any]] = []
        self.requests: list[list[tuple[str, str]]] = []
        self.admin = True

    def add(self, message_id: str, generated: str, **more: Any) -> None:
        """Let an event become visible."""
        event = {"message_id": message_id, "event_type": "volume.create.end", "traits": [], "raw": {}}
        self.events.append({**event, "generated": generated, **more})

    def answer(self, query: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """The events for a query. Raises ``LookupError`` for what the service refuses."""
        self.requests.append(query)
        found = sorted(self.events, key=lambda e: (str(e.get("generated")), str(e.get("message_id"))))
        fields = [value for key, value in query if key == "q.field"]
        ops = [value for key, value in query if key == "q.op"]
        values = [value for key, value in query if key == "q.value"]
        for field, op, value in zip(fields, ops, values, strict=True):
            if field == "start_timestamp":
                assert op == "ge"
                found = [e for e in found if str(e.get("generated")) >= value]
            elif field == "all_tenants" and self.panko and self.admin:
                assert (op, value) == ("eq", "True")
            else:
                found = []
        marker = dict(query).get("marker")
        if marker is not None:
            assert self.panko
            ids = [e["message_id"] for e in found]
            if marker not in ids:
                raise LookupError(marker)
            found = found[ids.index(marker) + 1 :]
        limit = int(dict(query)["limit"])
        return found[: limit if self.cap is None else min(limit, self.cap)]

    def serve(self, server: HTTPServer) -> None:
        """Answer over HTTP."""

        def respond(request: Request) -> Response:
            try:
                answer = self.answer(parse_qsl(request.query_string.decode(), keep_blank_values=True))
            except LookupError:
                return Response(json.dumps({"error_message": "no such marker"}), 400, content_type="application/json")
            return Response(json.dumps(answer), content_type="application/json")

        server.expect_request("/v2/events", method="GET").respond_with_handler(respond)


def provider(url: str, **options: Any) -> ProviderConfig:
    """A provider whose services are all at one address."""
    made = keystone.Session(auth=token_endpoint.Token(url, "token"), timeout=5)
    return ProviderConfig("north", "openstack", OpenStackOptions(**options), lambda: made)


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, kept from others meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
