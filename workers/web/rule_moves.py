"""What people do with rule events on pages and over the API: enable, disable, reset, deploy. All of it is kept."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from starlette.responses import RedirectResponse

from tasks.ledger import rules as ledger
from tasks.rules.event_file import read_event
from tasks.rules.read import SUFFIX
from workers import rule_files
from workers.web.answers import Json
from workers.web.caller import Operator, whole
from workers.web.questions import PathText, Words
from workers.web.rule_pages import api, rule_named
from workers.web.web import Here

router = APIRouter(dependencies=[Depends(whole)])


@router.post("/rules/{name}/enable", response_model=None, include_in_schema=False)
def enable(web: Here, caller: Operator, name: PathText) -> RedirectResponse:
    """Have a rule event asked."""
    return _switch(web, caller, name, True)


@router.post("/rules/{name}/disable", response_model=None, include_in_schema=False)
def disable(web: Here, caller: Operator, name: PathText) -> RedirectResponse:
    """Have a rule event asked no more."""
    return _switch(web, caller, name, False)


def _switch(web: Here, caller: Operator, name: str, enabled: bool) -> RedirectResponse:
    rule = rule_named(web, name)
    with web.ledger.transaction() as session:
        ledger.switch(session, rule.name, enabled, web.now(), caller.name)
    return RedirectResponse(f"/rules/{rule.name}", 303)


@router.post("/rules/{name}/reset", response_model=None, include_in_schema=False)
def reset(web: Here, caller: Operator, name: PathText, key: Annotated[Words, Form()] = None) -> RedirectResponse:
    """Arm a rule event again, on one object or on all."""
    rule = rule_named(web, name)
    with web.ledger.transaction() as session:
        ledger.reset(session, rule.name, web.now(), caller.name, key)
    return RedirectResponse(f"/rules/{rule.name}", 303)


async def body(request: Request) -> bytes:
    """The whole request body; the gate has bounded it."""
    return await request.body()


@api.put("/{name}", status_code=202, summary="Deploy a rule event (admin)")
def deploy(web: Here, caller: Operator, name: PathText, content: Annotated[bytes, Depends(body)]) -> Json:
    """The body is the rule's XML. Running workers take it over by themselves. A refusal is kept as well."""
    if not caller.may("admin"):
        with web.ledger.transaction() as session:
            ledger.note(session, name, web.now(), caller.name, "deploy refused", f"the role {caller.role} may not")
        raise HTTPException(403, f"this takes a token with the role admin; yours has the role {caller.role}")
    rule, complaints = read_event(content, name, "", ZoneInfo(web.settings.rules.timezone))
    said = [{"code": c.code, "line": c.line, "column": c.column, "what": c.what, "mend": c.mend} for c in complaints]
    if rule is None:
        return Json({"deployed": False, "complaints": said}, 422)
    try:
        rule_files.put(web.root, {f"{rule.name}{SUFFIX}": content})
    except OSError as error:
        raise HTTPException(409, f"the site cannot be written from here: {error.strerror}") from error
    with web.ledger.transaction() as session:
        ledger.note(session, rule.name, web.now(), caller.name, "deployed", rule_files.fingerprint(content))
    return Json({"deployed": True, "definition": rule.definition, "complaints": said}, 202)
