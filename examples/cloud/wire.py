"""Requests, answers and routes: what every service of the cloud has in common."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from examples.cloud.refusals import BadRequest, Forbidden, Missing, NotSignedIn, Refusal
from examples.cloud.tokens import Token, Tokens

if TYPE_CHECKING:
    from examples.cloud.world import World

T = TypeVar("T")
Headers = Mapping[str, str] | Message

#: The most that one page of any list holds.
PAGE_LIMIT = 1000


@dataclass(slots=True)
class Request:
    """What a client asks. ``path`` is inside the service, ``root`` the service's own address."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Headers
    body: bytes
    base: str
    root: str = ""
    signed: Token | None = None
    version: tuple[int, int] = (2, 1)
    request_id: str = ""

    @property
    def token(self) -> Token:
        """Who asks. Raises ``NotSignedIn`` where nobody signed in."""
        if self.signed is None:
            raise NotSignedIn
        return self.signed

    def param(self, name: str, default: str | None = None) -> str | None:
        """The last value of a query parameter."""
        return next((value for key, value in reversed(self.query) if key == name), default)

    def json(self) -> Any:
        """The body as JSON. Raises ``BadRequest`` for anything else."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as mistake:
            raise BadRequest("Malformed request body: it is not JSON.") from mistake

    def need_admin(self, rule: str) -> None:
        """Raise ``Forbidden`` unless the token has the role ``admin``."""
        if not self.token.is_admin:
            raise Forbidden(f"Policy doesn't allow {rule} to be performed.")


@dataclass(slots=True)
class Response:
    """What the service answers; ``body`` is JSON data, ready text, or None for nothing."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def payload(self) -> bytes:
        """The body as bytes."""
        if self.body is None:
            return b""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


Handler = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One address of a service. ``open`` routes need no token."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    open: bool


class Service:
    """One API of the cloud. Subclasses name their ``prefix`` and fill ``routes``."""

    prefix = ""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self.world = world
        self.tokens = tokens
        self.routes: list[Route] = []

    def route(self, method: str, path: str, handler: Handler, *, open: bool = False) -> None:
        """Add an address; ``{name}`` in the path becomes an argument of the handler."""
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "/?")
        self.routes.append(Route(method, pattern, handler, open))

    def answer(self, request: Request) -> Response:
        """Find the route, check the token, do the work, put a refusal into the service's own words."""
        request.request_id = f"req-{secrets.token_hex(16)}"
        try:
            response = self._handle(request)
        except NotSignedIn as refusal:
            response = self._challenge(request, refusal)
        except Refusal as refusal:
            response = self.refuse(request, refusal)
        response.headers.setdefault("X-Openstack-Request-Id", request.request_id)
        return response

    def _handle(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        for route in self.routes:
            match = route.pattern.fullmatch(request.path)
            if match and route.method == method:
                if not route.open:
                    request.signed = self.tokens.check(request.headers.get("X-Auth-Token"))
                return route.handler(request, **match.groupdict())
        self.tokens.check(request.headers.get("X-Auth-Token"))
        raise Missing("The resource could not be found.")

    def _challenge(self, request: Request, refusal: NotSignedIn) -> Response:
        error = {"code": 401, "title": "Unauthorized", "message": refusal.message}
        headers = {"WWW-Authenticate": f'Keystone uri="{request.base}/identity/v3"'}
        return Response(401, {"error": error}, headers)

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """A refusal in the service's own form."""
        raise NotImplementedError


def page(
    items: Sequence[T], request: Request, key: Callable[[T], str], default: int = PAGE_LIMIT
) -> tuple[list[T], str | None]:
    """The page that ``limit`` and ``marker`` ask for, and the query of the next one where it may exist.

    Raises ``BadRequest`` for a limit that is no number and a marker that is not there.
    """
    rest = list(items)
    marker = request.param("marker")
    if marker:
        position = next((i for i, item in enumerate(rest) if key(item) == marker), None)
        if position is None:
            raise BadRequest(f"marker [{marker}] not found")
        rest = rest[position + 1 :]
    limit = whole_number(request, "limit", default)
    limit = min(limit or default, PAGE_LIMIT)
    shown = rest[:limit]
    full = len(shown) == limit and (request.param("limit") is not None or len(rest) > limit)
    if not shown or not full:
        return shown, None
    query = [(k, v) for k, v in request.query if k != "marker"]
    return shown, urlencode([*query, ("marker", key(shown[-1]))])


def whole_number(request: Request, name: str, default: int) -> int:
    """A query parameter that must be a number from zero on. Raises ``BadRequest`` otherwise."""
    text = request.param(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadRequest(f"Invalid input for field/attribute {name}. Value: {text}.")
    return int(text)
