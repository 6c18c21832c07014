"""Signing in to the pages with a token, and out again."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tasks.ledger import tokens
from workers.web import seal
from workers.web.caller import require
from workers.web.gate import same_origin
from workers.web.views import render
from workers.web.web import Here, Web

log = logging.getLogger("catchment.web")

router = APIRouter(include_in_schema=False)

#: Holds the nonce that the sign-in form is tied to; only this browser has both.
NONCE_COOKIE = "catchment-signin"


@router.get("/signin")
def form(web: Here, wanted: Annotated[str, Query(alias="next", max_length=2000)] = "/") -> Response:
    """The form that takes a token."""
    return _form(web, wanted, 200, None)


@router.post("/signin")
async def sign_in(
    request: Request,
    web: Here,
    token: Annotated[str, Form(max_length=tokens.LONGEST)] = "",
    form_token: Annotated[str, Form(max_length=200)] = "",
    wanted: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """Take a token and start a session. Each try costs the same pause; too many from one address wait."""
    address = request.client.host if request.client else ""
    wait = web.pace.wait(address)
    if wait > 0:
        answer = _form(web, wanted, 429, "Too many failed tries from your address. Wait a few minutes.")
        answer.headers["Retry-After"] = str(int(wait) + 1)
        return answer
    nonce = request.cookies.get(NONCE_COOKIE, "")
    ours = bool(nonce) and same_origin(request.headers) and seal.same(form_token, seal.signin_token(web.key, nonce))
    if not ours:
        return _form(web, wanted, 403, "The form had become old. Please try again.")
    await asyncio.sleep(web.pace.pause_seconds)
    cookie = await run_in_threadpool(_session, web, token.strip())
    if cookie is None:
        web.pace.failed(address)
        log.warning("a sign-in from %s failed", address)
        return _form(web, wanted, 401, "No token like this is valid. It may have expired or been revoked.")
    answer = RedirectResponse(local(wanted), 303)
    answer.set_cookie(
        web.cookie,
        cookie,
        max_age=int(seal.SESSION_LASTS.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=web.tls,
    )
    answer.delete_cookie(NONCE_COOKIE, path="/signin", httponly=True, samesite="strict", secure=web.tls)
    return answer


@router.post("/signout", dependencies=[Depends(require("view"))], response_model=None)
def sign_out(web: Here) -> Response:
    """End the session of this browser."""
    answer = RedirectResponse("/signin", 303)
    answer.delete_cookie(web.cookie, path="/", httponly=True, samesite="strict", secure=web.tls)
    return answer


def local(wanted: str) -> str:
    """Where to go after signing in: a path of this server, whatever a link asked for."""
    # Browsers read a backslash as a slash and drop control characters, so both could leave this host.
    strange = "\\" in wanted or any(ord(c) < 33 for c in wanted)
    return wanted if wanted.startswith("/") and not wanted.startswith("//") and not strange else "/"


def _session(web: Web, clear: str) -> str | None:
    now = web.now()
    with web.ledger.reading() as ledger:
        token = tokens.find(ledger, clear, now)
        # What a token may do that only pushes is on no page.
        signs_in = token is not None and token.role in tokens.ROLES
        return seal.seal(web.key, seal.start(web.key, token, now)) if token is not None and signs_in else None


def _form(web: Web, wanted: str, status: int, complaint: str | None) -> Response:
    nonce = secrets.token_urlsafe(16)
    page = render(
        "signin.html",
        who=None,
        form_token=seal.signin_token(web.key, nonce),
        wanted=local(wanted),
        complaint=complaint,
    )
    answer = HTMLResponse(page, status)
    answer.set_cookie(
        NONCE_COOKIE, nonce, max_age=3600, path="/signin", httponly=True, samesite="strict", secure=web.tls
    )
    return answer
