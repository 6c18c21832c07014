"""Answers to what goes wrong: JSON for programs, a page for people, and never a trace."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

from workers.web.views import render

#: Paths that programs ask; what goes wrong there is answered in JSON whatever the request accepts.
PROGRAMS = ("/api/", "/metrics")


class Problem(BaseModel):
    """What was wrong with one part of a request."""

    where: str
    what: str


class Error(BaseModel):
    """What went wrong: a word for programs, a sentence for people, and the parts where there are any."""

    code: str
    message: str
    problems: list[Problem] = []


class Fault(BaseModel):
    """The body of every answer that is no success."""

    error: Error


def fault(
    scope: Scope,
    status: int,
    message: str,
    *,
    problems: list[Problem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for a request that cannot be served, in the form that its sender reads."""
    code = HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
    extra = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        extra.setdefault("WWW-Authenticate", 'Bearer realm="catchment"')
    if wants_page(scope):
        title = HTTPStatus(status).phrase
        page = render("fault.html", who=None, status=status, title=title, message=message, problems=problems or [])
        return HTMLResponse(page, status, headers=extra)
    body = Fault(error=Error(code=code, message=message, problems=problems or []))
    return JSONResponse(body.model_dump(), status, headers=extra)


def wants_page(scope: Scope) -> bool:
    """Whether a person in a browser asks, rather than a program."""
    path: str = scope["path"]
    return not path.startswith(PROGRAMS) and "text/html" in Headers(scope=scope).get("accept", "")


async def on_http(request: Request, error: Exception) -> Response:
    """FastAPI's handler for refusals that a route raises, 404 and 405 included."""
    assert isinstance(error, HTTPException)
    message = error.detail
    if message == HTTPStatus(error.status_code).phrase:
        message = _PLAIN.get(error.status_code, message)
    return fault(request.scope, error.status_code, message, headers=error.headers)


async def on_invalid(request: Request, error: Exception) -> Response:
    """FastAPI's handler for parameters that do not fit. The values themselves are not sent back."""
    assert isinstance(error, RequestValidationError)
    problems = [Problem(where=_where(item), what=str(item["msg"])) for item in error.errors()]
    return fault(request.scope, 422, "the request has parameters that do not fit", problems=problems)


def _where(item: Mapping[str, Any]) -> str:
    return ".".join(str(part)[:60] for part in item["loc"])


_PLAIN = {
    404: "there is nothing at this address",
    405: "this address does not take that method",
}
