"""Requests and answers of the engine's API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

from examples.cloud.refusals import BadRequest, NotSignedIn
from examples.ovirt.records import Actor
from examples.ovirt.search import Query, parse
from examples.ovirt.tokens import Token

#: The longest correlation id that the engine takes.
CORRELATION_LIMIT = 50


@dataclass(slots=True)
class Request:
    """What a client asks. ``path`` is the whole path of the address."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str] | Message
    body: bytes
    signed: Token | None = None

    @property
    def token(self) -> Token:
        """Who asks. Raises ``NotSignedIn`` where nobody signed in."""
        if self.signed is None:
            raise NotSignedIn
        return self.signed

    def param(self, name: str, default: str | None = None) -> str | None:
        """The last value of a query parameter."""
        return next((value for key, value in reversed(self.query) if key == name), default)

    def whole(self, name: str) -> int | None:
        """A query parameter that must be a number. Raises ``BadRequest`` otherwise."""
        text = self.param(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise BadRequest(f"The value {text!r} of the parameter {name!r} is not a valid integer.")
        return int(text)

    def search(self) -> Query:
        """What ``search`` and ``max`` ask for. Raises ``BadRequest``."""
        return parse(self.param("search") or "", self.whole("max"))

    def follow(self) -> list[str]:
        """The links that shall be embedded."""
        return [path.strip() for path in (self.param("follow") or "").split(",") if path.strip()]

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty body is an empty one. Raises ``BadRequest`` for anything else."""
        try:
            read = json.loads(self.body or b"{}")
        except (ValueError, RecursionError) as mistake:
            raise BadRequest("The request body is not JSON.") from mistake
        if not isinstance(read, dict):
            raise BadRequest("The request body is not a JSON object.")
        return read

    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def actor(self, made: str) -> Actor:
        """Who does what the request asks, under the correlation id that it names, or else ``made``."""
        named = self.headers.get("Correlation-Id") or self.param("correlation_id") or made
        if len(named) > CORRELATION_LIMIT or not named.isascii():
            raise BadRequest("[Correlation-ID is too long or has letters that it may not have.]")
        return Actor(self.token.user, named)


@dataclass(slots=True)
class Response:
    """What the engine answers; ``body`` is JSON data, ready text, or None for nothing."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def payload(self) -> bytes:
        """The body as bytes."""
        if self.body is None:
            return b""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


def page(status: int, title: str) -> Response:
    """A page of HTML, as the web server in front of the engine sends it."""
    body = f"<!DOCTYPE html>\n<html><head><title>{status} {title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Response(status, body, content_type="text/html; charset=UTF-8")
