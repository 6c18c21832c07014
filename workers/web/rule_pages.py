"""The pages of rule events: how they stand, on which objects and why, and a form to try one on facts."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Security
from fastapi.security import HTTPBearer
from starlette.responses import Response

from tasks.ledger import rules as ledger
from tasks.model.errors import Permanent, SiteInvalid
from tasks.rules.definition import RuleEvent
from tasks.rules.event_file import read_event
from tasks.rules.explain import explain
from tasks.rules.timeline import read_timeline, run
from workers.web.answers import Json
from workers.web.caller import Operator, Viewer, whole
from workers.web.faults import Fault
from workers.web.page import page
from workers.web.questions import PathText, Words
from workers.web.web import Here, Web

router = APIRouter(include_in_schema=False, dependencies=[Depends(whole)])

#: Objects of one rule that a page shows.
MOST = 500
_EXAMPLE_RULE = """<event>
  <context><vmhost/></context>
  <trigger><gt fact="vmhost.vm.count" value="3"/></trigger>
  <reset><lt fact="vmhost.vm.count" value="2"/></reset>
</event>
"""
_EXAMPLE_FACTS = """objects:
  vmhost/lab/a: {vmhost.vm.count: 1}
timeline:
  - {at: 60, set: {vmhost/lab/a: {vmhost.vm.count: 5}}}
until: 120
"""


@router.get("/rules", response_model=None)
def rules(web: Here, caller: Viewer) -> Response:
    """All rule events, and on how many objects each stands how."""
    found, problem = site_rules(web)
    with web.ledger.reading() as session:
        states, switched = ledger.states(session), ledger.switches(session)
        notes = list(ledger.notes(session, limit=20))
    lines = [line(rule, states, switched) for rule in found]
    return page(web, caller, "rules.html", here="rules", rows=lines, notes=notes, problem=problem, now=web.now())


@router.get("/rules/test", response_model=None)
def form(web: Here, caller: Operator, rule: Words = None) -> Response:
    """A form to try a rule on facts."""
    known = next((one.source for one in site_rules(web)[0] if one.name == rule), None)
    return _form(web, caller, known or _EXAMPLE_RULE, _EXAMPLE_FACTS, None, "")


@router.post("/rules/test", response_model=None)
def try_rule(
    web: Here,
    caller: Operator,
    source: Annotated[str, Form(max_length=40_000)],
    facts: Annotated[str, Form(max_length=20_000)],
) -> Response:
    """Try a rule on facts; nothing of it is kept."""
    zone = ZoneInfo(web.settings.rules.timezone)
    # A form sends lines that end as on a typewriter.
    source, facts = (text.replace("\r\n", "\n") for text in (source, facts))
    rule, complaints = read_event(source.encode("utf-8", "replace"), "tried", "", zone)
    said, tried = "\n".join(map(str, complaints)), None
    if rule is not None:
        try:
            tried = run(rule, read_timeline(facts.encode("utf-8", "replace")))
        except Permanent as mistake:
            said = str(mistake)
    return _form(web, caller, source, facts, tried, said)


def _form(web: Web, caller: Any, source: str, facts: str, tried: Any, said: str) -> Response:
    return page(web, caller, "rule_test.html", here="rules", source=source, facts=facts, tried=tried, said=said)


@router.get("/rules/{name}", response_model=None)
def one(
    web: Here,
    caller: Viewer,
    name: PathText,
    on: Annotated[str | None, Query(alias="object", max_length=255, pattern=r"^[^\x00]*$")] = None,
) -> Response:
    """One rule event: how it stands on each object, and why on one of them."""
    rule = rule_named(web, name)
    key = on or ""
    on = key or None
    told: dict[str, Any] | None = None
    said = ""
    with web.ledger.reading() as session:
        states = [row for row in ledger.states(session, [rule.name]) if row.definition == rule.definition]
        switched, notes = ledger.switches(session), list(ledger.notes(session, rule.name, 20))
        if on is not None or rule.context.iterated is None:
            try:
                told = explain(session, rule, key, web.now())
            except Permanent as mistake:
                said = str(mistake)
    return page(
        web,
        caller,
        "rule.html",
        here="rule",
        rule=rule,
        row=line(rule, states, switched),
        states=states[:MOST],
        more=max(0, len(states) - MOST),
        notes=notes,
        told=told,
        key=key,
        said=said,
        now=web.now(),
    )


def site_rules(web: Web) -> tuple[list[RuleEvent], str]:
    """The rule events of the site, and what is wrong with a site that was never without mistakes."""
    try:
        return list(web.rules().rules), ""
    except SiteInvalid as mistake:
        return [], str(mistake)


def rule_named(web: Web, name: str) -> RuleEvent:
    """One rule event of the site. Raises 404 where there is none."""
    found = next((rule for rule in site_rules(web)[0] if rule.name == name), None)
    if found is None:
        raise HTTPException(404, "the site has no such rule event")
    return found


def line(rule: RuleEvent, states: Any, switched: dict[str, bool]) -> dict[str, Any]:
    """One rule event in a list."""
    mine = [row for row in states if row.event == rule.name and row.definition == rule.definition]
    last = max((row.fired_at for row in mine if row.fired_at is not None), default=None)
    return {
        "name": rule.name,
        "kinds": " ".join([rule.context.iterated or "", *(f"{k}/{i}" for k, i in rule.context.fixed)]).strip(),
        "mode": rule.timing.mode,
        "enabled": switched.get(rule.name, rule.enabled),
        "pending": sum(row.state == ledger.STATE_PENDING for row in mine),
        "fired": sum(row.state == ledger.FIRED for row in mine),
        "times": sum(row.fired for row in mine),
        "last": last,
        "severity": rule.severity,
        "description": rule.description,
    }


api = APIRouter(
    prefix="/api/v1/rules",
    tags=["rules"],
    dependencies=[Depends(whole), Security(HTTPBearer(auto_error=False))],
    responses={status: {"model": Fault} for status in (401, 403, 404, 422)},
)


@api.get("", summary="The rule events of the site, and how they stand")
def list_rules(web: Here, _: Viewer) -> Json:
    """A token of one project may not see them: facts are about the whole installation."""
    found, problem = site_rules(web)
    with web.ledger.reading() as session:
        states, switched = ledger.states(session), ledger.switches(session)
    items = [line(rule, states, switched) for rule in found]
    for item in items:
        item["last"] = item["last"].isoformat() if item["last"] else None
    return Json({"items": items, "problem": problem or None})
