"""Builds the web application: the API, the pages, and what stands before both."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.rules.definition import RuleSet
from tasks.site import clouds
from tasks.site.settings import Settings
from workers.web import (
    api,
    assets,
    automation_requests,
    buttons,
    incident_buttons,
    incident_pages,
    job_pages,
    jobs_api,
    metrics,
    operations,
    pages,
    provider_pages,
    rule_moves,
    rule_pages,
    signin,
    timeline_pages,
)
from workers.web.envelope import Envelope
from workers.web.faults import on_http, on_invalid
from workers.web.gate import Gate
from workers.web.intake import Intake
from workers.web.key import load_key
from workers.web.pace import Pace
from workers.web.tenant.app import TenantApi
from workers.web.tenant.keystone import Keystone
from workers.web.web import Web

#: What a Host header may say while the server listens on loopback, beside the configured host itself.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


#: The routes of the API and of all pages.
_ROUTERS = (
    api.router,
    automation_requests.router,
    operations.router,
    metrics.router,
    pages.router,
    timeline_pages.router,
    buttons.router,
    incident_pages.router,
    incident_buttons.router,
    provider_pages.router,
    rule_pages.router,
    rule_pages.api,
    rule_moves.router,
    jobs_api.router,
    job_pages.router,
    signin.router,
)


def create_app(
    ledger: Ledger,
    settings: Settings,
    root: Path | None = None,
    *,
    key: bytes | None = None,
    ring: Callable[[], None] = lambda: None,
    now: Callable[[], datetime] = clock.now,
    hosts: Iterable[str] | None = None,
    pace: Pace | None = None,
    intake: Intake | None = None,
    rules: Callable[[], RuleSet] = RuleSet,
) -> FastAPI:
    """The application for one installation; nothing of a browser's is kept in it.

    ``key`` signs sessions; None reads ``web.key`` in the folder ``var`` of the site at ``root``, and makes
    it on first use. ``ring`` is called after a retry was committed, so that workers need not wait for the
    sweep. ``hosts`` are the names that a Host header may carry; None takes those of loopback while the
    server listens there, and any name otherwise. ``intake`` takes what providers push; without it none may.
    ``rules`` are the rule events of the present site.

    Raises :class:`tasks.model.errors.Permanent` for a key file that others can read, and where Keystone's tokens
    are to be checked and cannot be.
    """
    web = Web(
        ledger=ledger,
        settings=settings,
        key=load_key((root or Path()) / settings.var / "web.key") if key is None else key,
        now=now,
        ring=ring,
        hosts=frozenset(name.lower() for name in hosts) if hosts is not None else default_hosts(settings.web.host),
        pace=pace or Pace(),
        intake=intake,
        rules=rules,
        root=root or Path(),
    )
    app = FastAPI(
        title="Catchment",
        version=_release(),
        description="What Catchment's ledger holds, and what an operator may set in motion.",
        # The pages that FastAPI makes of the description load scripts from a CDN.
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{api.PREFIX}/openapi.json",
        exception_handlers={HTTPException: on_http, RequestValidationError: on_invalid},
        middleware=_layers(web, _keystone(settings, root)),
        redirect_slashes=False,
    )
    app.state.web = web
    for router in (*_ROUTERS, assets.routes()):
        app.include_router(router)
    return app


def _layers(web: Web, keystone: Keystone | None) -> list[Middleware]:
    """What stands before the routes, from the outside in."""
    return [
        Middleware(Envelope, tls=web.tls),
        Middleware(TenantApi, web=web, keystone=keystone),
        Middleware(Gate, web=web),
    ]


def default_hosts(listening: str) -> frozenset[str] | None:
    """The host names that are served by default: a loopback server answers to loopback names alone."""
    try:
        loopback = ipaddress.ip_address(listening).is_loopback
    except ValueError:
        loopback = listening == "localhost"
    return LOOPBACK | {listening.lower()} if loopback else None


def _keystone(settings: Settings, root: Path | None) -> Keystone | None:
    """What checks Keystone's tokens, where the installation names a cloud for it."""
    if not settings.web.keystone_cloud:
        return None
    file = (root or Path()) / clouds.FILE
    return Keystone(settings.web.keystone_cloud, file, settings.web.keystone_admins)


def _release() -> str:
    try:
        return version("catchment")
    except PackageNotFoundError:
        return "unreleased"
