"""``POST /api/v1/push/{provider}``: events that their sender brings, answered after they are stored.

The gate has found the token and read the body. Everything here can be sent again without harm: what the
ledger has is known by its own id.
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tasks.catch.push import Pushed, TooMany, Unreadable, push
from tasks.model.errors import SiteInvalid
from tasks.providers.contracts import ProviderConfig
from tasks.site.contracts import Site
from workers.web.answers import Json
from workers.web.caller import Caller, caller_of
from workers.web.faults import Problem, fault
from workers.web.forms import BATCH, PLAIN, STRUCTURED, notifications_of
from workers.web.intake import BROKEN, BROKEN_SECONDS
from workers.web.questions import PathText
from workers.web.web import Here, Web

router = APIRouter()


class Taken(BaseModel):
    """What became of the notifications: received = stored + duplicate + rejected.

    Those that are quarantined could not be read, stand at the dead-letter desk and count as stored.
    """

    received: int
    stored: int
    duplicate: int
    rejected: int
    quarantined: int


_ANY = {"schema": {"type": "object"}}
_LIST = {"schema": {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]}}


@router.post(
    "/push/{provider}",
    status_code=202,
    tags=["push"],
    summary="Push events (a token made with --push)",
    response_model=Taken,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {STRUCTURED: _ANY, BATCH: {"schema": {"type": "array"}}, PLAIN: _LIST},
        }
    },
)
async def post_push(request: Request, web: Here, provider: PathText) -> Response:
    """CloudEvents 1.0, what Ceilometer's HTTP publisher posts, and oslo notifications: one, or a list.

    The answer comes after the commit. Where it does not come, send the same again: nothing is doubled.
    """
    caller = caller_of(request)
    if caller.provider != provider:
        raise HTTPException(403, "your token does not push to this provider")
    body = await request.body()
    return await run_in_threadpool(_take, request, web, caller, body)


def _take(request: Request, web: Web, caller: Caller, body: bytes) -> Response:
    intake = web.intake
    assert intake is not None
    held = 1
    try:
        site = intake.installation.site
        provider = _provider(site, caller)
        notifications = notifications_of(
            request.headers,
            body,
            f"push {caller.name}",
            limit=site.settings.catch.body_limit_bytes,
            most=site.settings.web.push_events,
        )
        held = len(notifications)
        taken = push(intake.installation, provider, notifications, site.settings.web.push_events)
        held = taken.received
    except SiteInvalid:
        later = {"Retry-After": str(BROKEN_SECONDS)}
        return fault(request.scope, 503, BROKEN, headers=later)
    except TooMany as error:
        return fault(request.scope, 413, str(error))
    except Unreadable as error:
        problems = [Problem(where=f"body.{place}", what=reason) for place, reason in error.reasons]
        return fault(request.scope, 422, str(error), problems=problems)
    finally:
        intake.flow.owe(caller.token_id, max(held - 1, 0))
    intake.ring(taken.asleep)
    return Json(_counts(taken), 202)


def _provider(site: Site, caller: Caller) -> ProviderConfig:
    found = site.providers.get(caller.provider or "")
    if found is None:
        raise HTTPException(404, "the site has no such provider (any more)")
    return found


def _counts(taken: Pushed) -> dict[str, int]:
    return {name: getattr(taken, name) for name in Taken.model_fields}
