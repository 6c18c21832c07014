"""What every answer is wrapped in: security headers, and an honest word when something broke."""

from __future__ import annotations

import logging

from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.web.faults import fault

log = logging.getLogger("catchment.web")

#: No script, style, image or frame from anywhere else, none inside a page, and no page inside a frame.
POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: under that a browser sends `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

NO_LEDGER = (
    "the ledger does not answer, or its tables are not those of this release (`catchment db upgrade`); "
    "try again in a moment"
)


class Envelope:
    """The outermost layer: puts the headers on every answer and turns what nobody caught into one."""

    def __init__(self, app: ASGIApp, *, tls: bool) -> None:
        self._app = app
        self._headers = dict(HEADERS)
        if tls:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except (OperationalError, InterfaceError, ProgrammingError, PoolTimeout) as refused:
            # The driver's own words: SQLAlchemy's repeat the statement with its parameters.
            log.error("the ledger cannot be used: %s", getattr(refused, "orig", refused))  # noqa: TRY400 - as above
            if not started:
                answer = fault(scope, 503, NO_LEDGER, headers={"Retry-After": "5"})
                await answer(scope, receive, dressed)
        except Exception:  # the last stop before the server: logged with its trace, which nobody outside sees
            log.exception("%s %r failed", scope["method"], scope["path"])
            if not started:
                answer = fault(scope, 500, "something went wrong here; the log of the web process has the trace")
                await answer(scope, receive, dressed)
