"""Operations over the API: asked for, and looked at (spec policy-alerts 2.9)."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, BackgroundTasks, HTTPException, Query, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field

from tasks.effects import by_hand
from tasks.ledger.operations import operations
from tasks.model.errors import Permanent
from tasks.model.event import ObjectRef
from workers.web.answers import Json
from workers.web.caller import Caller, Operator, Viewer
from workers.web.faults import Fault
from workers.web.questions import MOST_ID, RowId, Text
from workers.web.web import Here, Web

router = APIRouter(
    prefix="/api/v1/operations",
    tags=["operations"],
    dependencies=[Security(HTTPBearer(auto_error=False))],
    responses={status: {"model": Fault} for status in (401, 403, 404, 422)},
)


class Wish(BaseModel, extra="forbid"):
    """What is to be done to which object."""

    provider: Text = Field(min_length=1, description="The provider's name.")
    kind: Text = Field(min_length=1, description="The object's kind, such as server.")
    id: Text = Field(min_length=1, description="Its id.")
    action: Text = Field(min_length=1, description="What is to be done, such as stop_server.")
    params: dict[str, Any] = Field(default_factory=dict, description="Its parameters.")


@router.get("", summary="Operations, the newest first")
def list_operations(
    web: Here,
    caller: Viewer,
    state: Literal["deciding", "allowed", "prevented", "undecided"] | None = None,
    before: int | None = Query(None, ge=1, le=MOST_ID, description="Go on below this id."),
    limit: int = Query(100, ge=1, le=500),
) -> Json:
    """A token of one project sees that project's."""
    with web.ledger.reading() as session:
        found = operations(session, state=state, tenant_id=caller.project, before=before, limit=limit)
    return Json({"items": [line.as_dict() for line in found]})


@router.get("/{number}", summary="One operation: whether it may happen, and what became of it")
def one(web: Here, caller: Viewer, number: RowId) -> Json:
    """404 where there is none that the token may see."""
    return Json(_line(web, caller, number))


@router.post("", status_code=202, summary="Ask for an operation (operate)")
def ask(web: Here, caller: Operator, wish: Wish, later: BackgroundTasks) -> Json:
    """Policies decide on it: `state` of the operation tells what they said. 422 for what cannot be asked for."""
    try:
        with web.ledger.transaction() as session:
            number, _ = by_hand.ask(
                session, web.settings, web.now(), provider=wish.provider, target=ObjectRef(wish.kind, wish.id),
                action=wish.action, params=wish.params, who=caller.name, project=caller.project,
            )  # fmt: skip
    except Permanent as refusal:
        raise HTTPException(422, str(refusal)) from refusal
    later.add_task(web.ring)
    return Json(_line(web, caller, number), status_code=202)


def _line(web: Web, caller: Caller, number: int) -> dict[str, Any]:
    with web.ledger.reading() as session:
        found = operations(session, number=number, tenant_id=caller.project)
    if not found:
        raise HTTPException(404, "there is no such operation")
    return found[0].as_dict()
