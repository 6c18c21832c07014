"""Serves the tenants' API before all other routes: its own addresses, its own tokens' header, its own errors.

Everything but the version document takes a token: in ``X-Auth-Token``, as the stock client sends it, as a bearer, or
as the password of a basic sign-in. It is one of Catchment's own, or of Keystone where the installation has one. A
token of one project sees that project's events as lessee and as owner.
"""

from __future__ import annotations

import base64
import binascii
import logging
from urllib.parse import urlencode

from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tasks.ledger import esi, leases, tokens
from tasks.ledger.access import Token
from workers.web.answers import Json
from workers.web.faults import wants_page
from workers.web.gate import host_allowed
from workers.web.tenant.answers import UNAUTHORIZED, Refusal, refused, version
from workers.web.tenant.keystone import Keystone
from workers.web.tenant.question import read_question
from workers.web.tenant.visitor import Visitor
from workers.web.web import Web

log = logging.getLogger("catchment.web")

#: Events in one answer; where there are more, it names the address at which the list goes on.
PAGE = 10_000
#: Characters of a token of Keystone that is asked about; Fernet's have some two hundred, JWS's some two thousand.
LONGEST_TOKEN = 8192
_ROOTS = ("/", "/v1", "/v1/")
_EVENTS = ("/v1/events", "/v1/events/", "/v1/events.json")
_LEASES = "/v1/leases/"


class TenantApi:
    """Answers what is the tenants', and hands everything else on."""

    def __init__(self, app: ASGIApp, web: Web, keystone: Keystone | None = None) -> None:
        self._app = app
        self._web = web
        self._keystone = keystone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http" or not _is_ours(scope):
            await self._app(scope, receive, send)
            return
        answer = await run_in_threadpool(self._answered, Request(scope))
        await answer(scope, receive, send)

    def _answered(self, request: Request) -> Response:
        try:
            return self._answer(request, _path(request.scope))
        except Refusal as refusal:
            return refused(refusal.status, refusal.words, self._keystone.uri if self._keystone else None)

    def _answer(self, request: Request, path: str) -> Response:
        if not host_allowed(self._web.hosts, request.headers.get("host", "")):
            raise Refusal(400, "This host name is not served here.")
        if path in _ROOTS:
            _only_get(request)
            return Json(version(str(request.base_url).rstrip("/")))
        visitor = self._visitor(_clear(request.headers))
        if path in _EVENTS:
            _only_get(request)
            return self._events(request, visitor)
        if path.startswith(_LEASES) and path != _LEASES:
            _only_get(request)
            return self._lease(path.removeprefix(_LEASES), visitor)
        if path.startswith("/v1/events/"):
            raise Refusal(405, "Events are listed, not shown one by one.")
        raise Refusal(404, "There is nothing at this address.")

    def _events(self, request: Request, visitor: Visitor) -> Response:
        esi.number(self._web.ledger)
        with self._web.ledger.reading() as session:
            asked = read_question(session, request.query_params.multi_items(), visitor.project)
            found = esi.records(session, asked, limit=PAGE + 1)
        body: dict[str, object] = {"events": [esi.as_api(record) for record in found[:PAGE]]}
        if len(found) > PAGE:
            further = {**request.query_params, "last_event_id": str(found[PAGE - 1].number)}
            body["events_links"] = [{"rel": "next", "href": f"/v1/events?{urlencode(further)}"}]
        return Json(body)

    def _lease(self, ident: str, visitor: Visitor) -> Response:
        with self._web.ledger.reading() as session:
            found = leases.leases(session, ident, visitor.project) if "\x00" not in ident else []
        if not found:
            raise Refusal(404, f"Lease with name or uuid {ident[:100]} could not be found.")
        if len(found) > 1:
            raise Refusal(400, f"{len(found)} leases are called {ident[:100]}: ask by uuid.")
        return Json(found[0])

    def _visitor(self, clear: str) -> Visitor:
        if self._keystone is None or clear.startswith(tokens.PREFIX) or not clear:
            return Visitor(self._own(clear).project)
        visitor = self._keystone.visitor(clear) if len(clear) <= LONGEST_TOKEN and clear.isascii() else None
        if visitor is None:
            raise Refusal(401, UNAUTHORIZED)
        return visitor

    def _own(self, clear: str) -> Token:
        now = self._web.now()
        with self._web.ledger.reading() as session:
            token = tokens.find(session, clear, now)
        if token is None:
            raise Refusal(401, UNAUTHORIZED)
        if tokens.is_stale(token, now):
            try:
                with self._web.ledger.transaction() as session:
                    tokens.touch(session, token.id, now)
            except OperationalError:
                log.warning("could not note the use of token %d", token.id, exc_info=True)
        return token


def _is_ours(scope: Scope) -> bool:
    """Whether a request is for the tenants' API. The root is, for programs that bring nothing: pages are for people."""
    path = _path(scope)
    if path == "/":
        headers = Headers(scope=scope)
        bare = "authorization" not in headers and "cookie" not in headers
        return scope["method"] == "GET" and bare and not wants_page(scope)
    return path == "/v1" or path.startswith("/v1/")


def _path(scope: Scope) -> str:
    """The path with one slash at its beginning: a client whose endpoint ends in one sends two."""
    path: str = scope["path"]
    return "/" + path.lstrip("/")


def _only_get(request: Request) -> None:
    if request.method != "GET":
        raise Refusal(405, "This address takes GET alone: nothing can be changed here.")


def _clear(headers: Headers) -> str:
    """The token that a request brings, an empty text where there is none."""
    given = headers.get("x-auth-token")
    if given is not None:
        return given.strip()
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""
