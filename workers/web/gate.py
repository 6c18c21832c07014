"""The gate before all routes: nobody passes without a token, and no form without its own.

It stands before the routing, so that a route added later is closed from its first day, and an address
that does not exist tells a stranger no more than one that does.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import Counter
from urllib.parse import parse_qs, quote, urlsplit

from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks.ledger import tokens
from workers.web import seal
from workers.web.assets import ASSETS
from workers.web.caller import Caller
from workers.web.faults import fault, wants_page
from workers.web.web import Web

log = logging.getLogger("catchment.web")

#: All that is served without a token, each for a reason: the sign-in form is where a token is given, and
#: its style sheet, script and icon are the same for everybody and tell nothing of an installation.
OPEN = frozenset({("GET", "/signin"), ("POST", "/signin"), *(("GET", path) for path in ASSETS)})

#: Requests that change nothing; all others need more than a cookie.
SAFE = frozenset({"GET", "HEAD"})

#: The longest request body. Forms here have a handful of short fields.
BODY_LIMIT = 64 * 1024
#: What monitoring sends in one call is longer.
LIMITS = {("POST", "/api/v1/readings"): 512 * 1024}
#: How long a body may take to come, in seconds.
BODY_PATIENCE = 10.0
#: Where events are pushed, with the provider's name behind it; such a body may be large, and take longer.
PUSH = "/api/v1/push/"
PUSH_PATIENCE = 30.0
#: Pushes that are read and stored at the same time, of all tokens and of one: what they hold is in memory.
PUSHES, PUSHES_A_TOKEN = 8, 4


class BodyTooLarge(Exception):
    """A request body beyond the limit."""


class Gate:
    """Finds the caller of each request, or refuses it."""

    def __init__(self, app: ASGIApp, web: Web) -> None:
        self._app = app
        self._web = web
        self._pushes: Counter[int] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            # No route speaks websocket; a handshake must not get past the tokens.
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if not host_allowed(self._web.hosts, headers.get("host", "")):
            refusal = fault(
                scope, 400, "this host name is not served here; ask by the address that the server listens on"
            )
            await refusal(scope, receive, send)
            return
        caller: Caller | None = None
        stale = False
        if (scope["method"], scope["path"]) not in OPEN:
            caller, stale = await run_in_threadpool(self._identify, headers, scope["path"])
            if caller is None:
                await _unknown(scope)(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
        pushing = scope["method"] == "POST" and scope["path"].startswith(PUSH)
        if caller is not None and (pushing or caller.role == tokens.PUSH):
            no: Response | None = await run_in_threadpool(self._no_push, scope, caller)
            if no is None and self._crowded(caller):
                no = fault(scope, 503, "too many pushes at once: send it again", headers={"Retry-After": "1"})
            if no is not None:
                await no(scope, receive, send)
                return
        token = caller.token_id if caller is not None and pushing else 0
        self._pushes[token] += pushing
        try:
            await self._pass(scope, receive, send, headers, caller, pushing)
        finally:
            self._pushes[token] -= pushing
            self._pushes += Counter()  # forgets those that have none under way
        if caller is not None and stale:
            await run_in_threadpool(self._touch, caller.token_id)

    async def _pass(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers, caller: Caller | None, pushing: bool
    ) -> None:
        """Read the body within its limits, and hand the request on."""
        limit = LIMITS.get((scope["method"], scope["path"]), BODY_LIMIT)
        limit = self._web.settings.web.push_bytes if pushing else limit
        try:
            body = await asyncio.wait_for(_body(headers, receive, limit), PUSH_PATIENCE if pushing else BODY_PATIENCE)
        except BodyTooLarge:
            await fault(scope, 413, f"a request has at most {limit} bytes")(scope, receive, send)
            return
        except TimeoutError:
            await fault(scope, 408, "the request did not come to its end in time")(scope, receive, send)
            return
        except ClientDisconnect:
            return
        if caller is not None and caller.session is not None and scope["method"] not in SAFE:
            refusal_text = self._forged(headers, caller.session, body)
            if refusal_text:
                await fault(scope, 403, refusal_text)(scope, receive, send)
                return
        await self._app(scope, _replay(body, receive), send)

    def _no_push(self, scope: Scope, caller: Caller) -> Response | None:
        """Why a request is none that pushes, or none that may push now. None of its body has been read."""
        if caller.role != tokens.PUSH:
            return fault(scope, 403, "this takes a token that pushes: `catchment token create NAME --push PROVIDER`")
        if scope["method"] != "POST" or scope["path"] != f"{PUSH}{caller.provider}":
            return fault(scope, 403, f"your token may do nothing but POST to {PUSH}{caller.provider}")
        if self._web.intake is None:
            return fault(scope, 503, "this web process takes no pushes", headers={"Retry-After": "30"})
        refusal = self._web.intake.refusal(caller)
        if refusal is None:
            return None
        status, reason, after = refusal
        return fault(scope, status, reason, headers={"Retry-After": str(after)})

    def _crowded(self, caller: Caller) -> bool:
        return self._pushes.total() >= PUSHES or self._pushes[caller.token_id] >= PUSHES_A_TOKEN

    def _identify(self, headers: Headers, path: str) -> tuple[Caller | None, bool]:
        now = self._web.now()
        given = headers.get("authorization")
        session: seal.Session | None = None
        with self._web.ledger.reading() as ledger:
            if given is not None:
                # A header that is no good is not helped by a cookie: who sends one means it.
                clear = _clear(given, path)
                token = tokens.find(ledger, clear, now) if clear else None
            else:
                session = seal.unseal(self._web.key, _cookie(headers, self._web.cookie), now)
                token = tokens.by_id(ledger, session.token_id, now) if session else None
                if token and session and not seal.same(session.mark, seal.mark(self._web.key, token)):
                    token = None
        if token is None:
            return None, False
        caller = Caller(token.id, token.name, token.role, token.project, session, token.provider)
        return caller, tokens.is_stale(token, now)

    def _forged(self, headers: Headers, session: seal.Session, body: bytes) -> str | None:
        if not same_origin(headers):
            return "this form was sent from another site"
        given = headers.get("x-form-token") or _form_token(headers, body)
        if not seal.same(given, seal.form_token(self._web.key, session)):
            return "this form does not belong to your session; load the page again and repeat"
        return None

    def _touch(self, token_id: int) -> None:
        try:
            with self._web.ledger.transaction() as ledger:
                tokens.touch(ledger, token_id, self._web.now())
        except OperationalError:
            # When a token was last used is a help to people; no request fails for it.
            log.warning("could not note the use of token %d", token_id, exc_info=True)


def host_allowed(hosts: frozenset[str] | None, given: str) -> bool:
    """Whether a Host header names this server: on loopback this stops DNS rebinding."""
    if hosts is None:
        return True
    try:
        name = urlsplit(f"//{given}").hostname
    except ValueError:
        return False
    return name is not None and name.lower() in hosts


def same_origin(headers: Headers) -> bool:
    """Whether the page that sent a form is one of ours, by Origin, or by Referer where there is none.

    A browser that sends neither is refused: all present ones send Origin with a form.
    """
    sender = headers.get("origin") or headers.get("referer", "")
    try:
        origin = urlsplit(sender)
    except ValueError:
        return False
    return origin.scheme in {"http", "https"} and origin.netloc.lower() == headers.get("host", "").lower()


def _unknown(scope: Scope) -> Response:
    if wants_page(scope):
        path = scope["path"] if scope["method"] in SAFE else "/"
        query = scope["query_string"].decode("ascii", "replace") if scope["method"] in SAFE else ""
        wanted = quote(f"{path}?{query}" if query else path, safe="")
        return RedirectResponse(f"/signin?next={wanted}", 303)
    return fault(scope, 401, "a token is needed: `Authorization: Bearer cmt_…`, made by `catchment token create`")


def _clear(authorization: str, path: str) -> str:
    """The token in a header; empty where there is none.

    Some senders know no more than a user and a password in their address (Ceilometer's publisher is one):
    where events are pushed the token may be the password.
    """
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic" or not path.startswith(PUSH) or len(given) > 2 * tokens.LONGEST:
        return ""
    try:
        return base64.b64decode(given.strip(), validate=True).decode("utf-8").partition(":")[2]
    except ValueError:
        return ""


def _cookie(headers: Headers, name: str) -> str:
    return cookie_parser(headers.get("cookie", "")).get(name, "")


def _form_token(headers: Headers, body: bytes) -> str:
    if not headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return ""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=100)
    except ValueError:
        return ""
    return fields.get("form_token", [""])[0]


async def _body(headers: Headers, receive: Receive, limit: int) -> bytes:
    announced = headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit:
        raise BodyTooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again
