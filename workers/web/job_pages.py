"""The pages of jobs: what is deployed, what runs, one run with its log, and the buttons on them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from starlette.responses import RedirectResponse, Response

from tasks.ledger import job_lists
from tasks.ledger.jobs import PAUSED, RUNNING, STATES
from workers.web import job_moves as moves
from workers.web.answers import Json
from workers.web.caller import Operator, Viewer, whole
from workers.web.page import page
from workers.web.questions import PathText, RowId, RunQuestion
from workers.web.web import Here

router = APIRouter(include_in_schema=False, dependencies=[Depends(whole)])

#: Lines of a log that a page shows.
LINES = 500


@router.get("/jobs", response_model=None)
def jobs(request: Request, web: Here, caller: Viewer, asked: Annotated[RunQuestion, Query()]) -> Response:
    """Schedules, jobs and runs."""
    with web.ledger.reading() as session:
        runs = job_lists.runs(session, **asked.model_dump())
        deployed, schedules = job_lists.jobs(session), job_lists.schedules(session)
    kept = {name: value for name, value in request.query_params.items() if value and name != "before"}
    following = f"/jobs?{urlencode({**kept, 'before': runs[-1].id})}" if len(runs) == asked.limit else None
    return page(
        web,
        caller,
        "jobs.html",
        here="jobs",
        rows=runs,
        deployed=deployed,
        schedules=schedules,
        kept=kept,
        states=STATES,
        names=[job.name for job in deployed],
        now=web.now(),
        first=f"/jobs?{urlencode(kept)}" if asked.before else None,
        following=following,
    )


@router.get("/jobs/{number}", response_model=None)
def one(web: Here, caller: Viewer, number: RowId) -> Response:
    """One run: how it stands, what it said, and how it came there."""
    with web.ledger.reading() as session:
        tale = job_lists.tale(session, number)
        lines = job_lists.last_lines(session, number, LINES)
    if tale is None:
        raise HTTPException(404, moves.NO_RUN)
    may = {"cancel": tale.run.ended_at is None, "pause": tale.run.state == RUNNING, "resume": tale.run.state == PAUSED}
    return page(web, caller, "job.html", here="job", tale=tale, run=tale.run, log=lines, may=may, now=web.now())


@router.get("/jobs/{number}/fresh.json", response_model=None)
def fresh(web: Here, _: Viewer, number: RowId, after: int = Query(0, ge=0)) -> Response:
    """How a run stands now, with the lines after one of its log, for the page's script."""
    with web.ledger.reading() as session:
        run = job_lists.run(session, number)
        if run is None:
            raise HTTPException(404, moves.NO_RUN)
        lines = job_lists.log(session, number, after)
    return Json({"run": run.as_dict(), "lines": [line.as_dict() for line in lines]})


@router.post("/jobs/{number}/cancel", response_model=None)
def cancel(web: Here, caller: Operator, number: RowId) -> RedirectResponse:
    """End a run."""
    moves.cancel(web, caller, number)
    return RedirectResponse(f"/jobs/{number}", 303)


@router.post("/jobs/{number}/pause", response_model=None)
def pause(web: Here, caller: Operator, number: RowId) -> RedirectResponse:
    """Pause a run."""
    moves.pause(web, caller, number)
    return RedirectResponse(f"/jobs/{number}", 303)


@router.post("/jobs/{number}/resume", response_model=None)
def resume(web: Here, caller: Operator, number: RowId) -> RedirectResponse:
    """Let a run go on."""
    moves.resume(web, caller, number)
    return RedirectResponse(f"/jobs/{number}", 303)


@router.post("/jobs/run", response_model=None)
def run(web: Here, caller: Operator, job: Annotated[str, Form(max_length=128)]) -> RedirectResponse:
    """Run a job with its own arguments."""
    return RedirectResponse(f"/jobs/{moves.run(web, caller, job, {}, None, 'medium')}", 303)


@router.post("/jobs/schedules/{name}/run", response_model=None)
def run_schedule(web: Here, caller: Operator, name: PathText) -> RedirectResponse:
    """Run a schedule's job."""
    return RedirectResponse(f"/jobs/{moves.run_schedule(web, caller, name)}", 303)


@router.post("/jobs/schedules/{name}/enable", response_model=None)
def enable(web: Here, caller: Operator, name: PathText) -> RedirectResponse:
    """Have events and clocks start a schedule."""
    moves.switch(web, caller, name, True)
    return RedirectResponse("/jobs", 303)


@router.post("/jobs/schedules/{name}/disable", response_model=None)
def disable(web: Here, caller: Operator, name: PathText) -> RedirectResponse:
    """Have nothing start a schedule but people."""
    moves.switch(web, caller, name, False)
    return RedirectResponse("/jobs", 303)
