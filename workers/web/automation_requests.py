"""Automation requests with the shape of ManageIQ's API (spec policy-alerts 6.9), for programs that speak it.

Unlike there, opening one takes the role operate, and approving it at once or opening it for somebody else takes
the role admin; an approval carries the name of the token that gave it. Cancelling is possible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, BackgroundTasks, HTTPException, Query, Request, Security
from fastapi.security import HTTPBearer
from sqlalchemy.orm import Session

from tasks.ledger.request_lines import RequestLine, RequestTale, tale
from tasks.ledger.request_lines import requests as listed
from tasks.model.clock import rfc3339
from tasks.model.errors import Refused
from tasks.model.request import AUTOMATION, class_of
from tasks.requests import automation
from tasks.requests.desk import Desk
from workers.web.answers import Json
from workers.web.caller import Caller, Operator, Viewer
from workers.web.faults import Fault
from workers.web.questions import RowId
from workers.web.web import Here, Web

PREFIX = "/api/automation_requests"
NONE = "there is no such request"
#: Requests that one call may open or decide.
MOST = 100

router = APIRouter(
    prefix=PREFIX,
    tags=["requests"],
    dependencies=[Security(HTTPBearer(auto_error=False))],
    responses={status: {"model": Fault} for status in (400, 401, 403, 404)},
)


def _shape(line: RequestLine, base: str) -> dict[str, Any]:
    """One request as ManageIQ's API shows it."""
    return {
        "href": f"{base}/{line.id}",
        "id": str(line.id),
        "description": line.description,
        "approval_state": line.approval_state,
        "type": class_of(line.request_type),
        "request_type": line.request_type,
        "request_state": line.request_state,
        "status": line.status,
        "message": line.message,
        "options": line.options,
        "requester_name": line.requester,
        "userid": line.requester,
        "tenant_id": line.tenant_id,
        "cancelation_status": line.cancelation,
        "created_on": rfc3339(line.created_at),
        "updated_on": rfc3339(line.updated_at),
        "fulfilled_on": rfc3339(line.fulfilled_at) if line.fulfilled_at else None,
    }


def _base(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{PREFIX}"


def _see(session: Session, caller: Caller, number: int) -> RequestTale:
    found = tale(session, number)
    if found is None or (caller.project is not None and found.request.tenant_id != caller.project):
        raise HTTPException(404, NONE)
    return found


@router.get("", summary="Requests, the newest first")
def list_requests(
    web: Here,
    caller: Viewer,
    request: Request,
    limit: int = Query(100, ge=1, le=1000),
    before: int | None = Query(None, ge=1, description="Go on below this id."),
) -> Json:
    """A token of one project sees that project's requests."""
    with web.ledger.reading() as session:
        found = listed(session, request_type=AUTOMATION, tenant_id=caller.project, before=before, limit=limit)
    base = _base(request)
    return Json({"name": "automation_requests", "count": len(found), "resources": [_shape(r, base) for r in found]})


@router.get("/{number}", summary="One request")
def one(web: Here, caller: Viewer, request: Request, number: RowId) -> Json:
    """404 where there is none that the token may see."""
    with web.ledger.reading() as session:
        return Json(_shape(_see(session, caller, number).request, _base(request)))


@router.get("/{number}/request_tasks", summary="The tasks of a request")
def tasks(web: Here, caller: Viewer, request: Request, number: RowId) -> Json:
    """What a task's methods left in its options is there for whoever asked."""
    with web.ledger.reading() as session:
        found = _see(session, caller, number)
    base = f"{_base(request)}/{number}/request_tasks"
    shown = [{"href": f"{base}/{t.id}", **t.as_dict(), "id": str(t.id)} for t in found.tasks]
    return Json({"name": "request_tasks", "count": len(shown), "resources": shown})


@router.post("", summary="Open requests, or decide on several (operate)")
def many(web: Here, caller: Operator, request: Request, later: BackgroundTasks, body: dict[str, Any]) -> Json:
    """The body is one request, or ``action`` (create, approve, deny) with ``resource`` or ``resources``."""
    action = str(body.get("action") or "create")
    listed_ = body.get("resources")
    resources = listed_ if isinstance(listed_, list) else [body.get("resource", body)]
    if not 1 <= len(resources) <= MOST or not all(isinstance(one, Mapping) for one in resources):
        raise HTTPException(400, f"resources: give a list of 1 to {MOST} objects")
    later.add_task(web.ring)
    if action == "create":
        # All of them are read before the first is opened.
        wanted = [_wanted(caller, one) for one in resources]
        numbers = [_open(web, caller, one) for one in wanted]
        with web.ledger.reading() as session:
            lines = [_see(session, caller, number).request for number in numbers]
        return Json({"results": [_shape(line, _base(request)) for line in lines]})
    if action in ("approve", "deny"):
        return Json({"results": [_decided(web, caller, request, action, one) for one in resources]})
    raise HTTPException(400, f"action {action[:60]!r} is not known here: use create, approve or deny")


@router.post("/{number}", summary="Approve, deny, edit or cancel a request (operate)")
def move(
    web: Here, caller: Operator, request: Request, number: RowId, later: BackgroundTasks, body: dict[str, Any]
) -> Json:
    """``action`` with ``reason`` (approve, deny) or ``resource.options`` (edit)."""
    inner = body.get("resource") if isinstance(body.get("resource"), Mapping) else {}
    action = str(body.get("action") or "")
    with web.ledger.reading() as session:
        _see(session, caller, number)
    desk = Desk(web.ledger, web.settings, lambda _lanes: None)
    reason = str(body.get("reason") or (inner or {}).get("reason") or "")
    moves: dict[str, Callable[[], None]] = {
        "approve": lambda: desk.approve(number, caller.name, reason),
        "deny": lambda: desk.deny(number, caller.name, reason),
        "cancel": lambda: desk.cancel(number, caller.name),
        "edit": lambda: desk.change(number, _options(body), caller.name),
    }
    if action not in moves:
        raise HTTPException(400, f"action {action[:60]!r} is not known here: use {', '.join(moves)}")
    later.add_task(web.ring)
    if action in ("approve", "deny") and not reason.strip():
        raise HTTPException(400, "reason: a decision needs one")
    try:
        moves[action]()
    except Refused as refusal:
        return Json({"success": False, "message": str(refusal), "href": f"{_base(request)}/{number}"})
    with web.ledger.reading() as session:
        shown = _shape(_see(session, caller, number).request, _base(request))
    words = {"approve": "Approving", "deny": "Denying", "cancel": "Canceling", "edit": "Editing"}[action]
    return Json({"success": True, "message": f"{words} Automation Request id: {number}", **shown})


def _options(body: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = body.get("resource") if isinstance(body.get("resource"), Mapping) else body
    options = (inner or {}).get("options")
    if not isinstance(options, Mapping):
        raise HTTPException(400, 'options: give a map, as in {"action": "edit", "resource": {"options": {...}}}')
    return options


def _wanted(caller: Caller, body: Any) -> automation.Wanted:
    try:
        wanted = automation.read(body)
    except Refused as refusal:
        raise HTTPException(400, str(refusal)) from refusal
    if wanted.auto_approve and not caller.may("admin"):
        raise HTTPException(403, "requester.auto_approve takes a token with the role admin")
    if wanted.user_name not in (None, caller.name) and not caller.may("admin"):
        raise HTTPException(403, "requester.user_name: to act for somebody else takes a token with the role admin")
    return wanted


def _open(web: Web, caller: Caller, wanted: automation.Wanted) -> int:
    requester = wanted.user_name or caller.name
    wanted.petition.options["attrs"]["userid"] = requester
    approver = caller.name if wanted.auto_approve else None
    desk = Desk(web.ledger, web.settings, lambda _lanes: None)
    return desk.open(wanted.petition, requester, caller.project, due_at=wanted.due_at, approver=approver)


def _decided(web: Web, caller: Caller, request: Request, action: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """One of several decisions: what is refused is told beside those that were made."""
    digits = str(one.get("id") or str(one.get("href") or "").rpartition("/")[2])
    number = int(digits) if digits.isdigit() and len(digits) < 19 else 0
    href = f"{_base(request)}/{number}"
    try:
        with web.ledger.reading() as session:
            _see(session, caller, number)
        desk = Desk(web.ledger, web.settings, lambda _lanes: None)
        getattr(desk, action)(number, caller.name, str(one.get("reason") or ""))
    except HTTPException as absent:
        return {"success": False, "message": str(absent.detail), "href": href}
    except Refused as refusal:
        return {"success": False, "message": str(refusal), "href": href}
    words = "Approving" if action == "approve" else "Denying"
    return {"success": True, "message": f"{words} Automation Request id: {number}", "href": href}
