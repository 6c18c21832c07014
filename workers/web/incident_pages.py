"""The pages of incidents and of silences."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from tasks.ledger import health
from tasks.ledger.incident_lists import GROUPS, SEVERITIES
from tasks.ledger.incidents import CLOSED
from tasks.ledger.lines import IncidentGroup
from workers.web import moves, scope, silencing
from workers.web.caller import Viewer, whole
from workers.web.page import page
from workers.web.questions import IncidentQuestion, RowId, SilenceDraft
from workers.web.web import Here

router = APIRouter(include_in_schema=False)


@router.get("/incidents", response_model=None)
def incidents(request: Request, web: Here, caller: Viewer, asked: Annotated[IncidentQuestion, Query()]) -> Response:
    """Incidents with filters page by page, or one line a group."""
    with web.ledger.reading() as session:
        groups = scope.incident_groups(session, caller, asked.group, asked) if asked.group else []
        rows = [] if asked.group else scope.incidents(session, caller, asked)
        names = [provider.name for provider in health.providers(session, web.now())]
    kept = {name: value for name, value in request.query_params.items() if value and name != "after"}
    following = f"/incidents?{urlencode({**kept, 'after': rows[-1].id})}" if len(rows) == asked.limit else None
    return page(
        web,
        caller,
        "incidents.html",
        here="incidents",
        rows=rows,
        groups=[(group, _of_group(kept, asked.group, group)) for group in groups if asked.group],
        by=asked.group,
        kept=kept,
        names=names,
        severities=SEVERITIES,
        choices=[by for by in GROUPS if caller.project is None or by != "tenant"],
        now=web.now(),
        first=f"/incidents?{urlencode(kept)}" if asked.after else None,
        following=following,
    )


def _of_group(kept: dict[str, str], by: str | None, group: IncidentGroup) -> str | None:
    """The address of the list of one group's incidents; None where no filter says which they are."""
    if group.group is None:
        return None
    rest = {name: value for name, value in kept.items() if name not in ("group", "limit")}
    mine = {"alert": "alert", "severity": "severity", "tenant": "project", "object": "resource"}[by or "alert"]
    named = {mine: group.group, **({"provider": group.provider} if group.provider else {})}
    return f"/incidents?{urlencode({**rest, **named})}"


@router.get("/incidents/{incident_id}", response_model=None)
def incident(web: Here, caller: Viewer, incident_id: RowId) -> Response:
    """One incident: what people did with it, what fired it, and how its notifications stand."""
    found = moves.incident(web, caller, incident_id)
    line = found.incident
    about = {"alert": line.alert, "provider": line.provider, "object": f"{line.kind}/{line.ref}"}
    return page(
        web,
        caller,
        "incident.html",
        here="incident",
        tale=found,
        incident=line,
        closed=line.state == CLOSED,
        silence=f"/silences?{urlencode(about)}" if caller.project is None else None,
        now=web.now(),
    )


@router.get("/silences", response_model=None, dependencies=[Depends(whole)])
def silences(web: Here, caller: Viewer, asked: Annotated[SilenceDraft, Query()]) -> Response:
    """Silences with what is left of them, and a form to make one, filled with what the address says."""
    return page(
        web,
        caller,
        "silences.html",
        here="silences",
        rows=silencing.listed(web, everything=asked.everything),
        draft=asked,
        severities=SEVERITIES,
        now=web.now(),
    )
