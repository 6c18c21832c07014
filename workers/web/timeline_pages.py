"""The page of timelines: the picture, the ways to move in it, the same as tables, and the events of a bar."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import Response

from tasks.ledger import health
from tasks.ledger import timeline as axis
from tasks.ledger.timeline import Filed, Timeline
from tasks.ledger.timeline_filters import Wanted
from tasks.model.timeline import LEVELS, SOURCES, groups
from workers.web import timeline
from workers.web.answers import Json
from workers.web.caller import Caller, Viewer
from workers.web.page import page
from workers.web.questions import LAST, TimelinePageQuestion
from workers.web.timeline_chart import chart, stretch
from workers.web.timeline_links import Links, moves
from workers.web.views import render
from workers.web.web import Here, Web

#: Bars of one lane, at the most; none of the ranges that end now comes to just as many, and so they keep their width.
BARS = 119
#: Events of one page of a bar's list.
LISTED = 50

#: What narrows a timeline beside its range, by the words of the address.
FILTERS = frozenset({"provider", "project", "object", "source", "group", "level", "result", "type"})

router = APIRouter(include_in_schema=False)

Asked = Annotated[TimelinePageQuestion, Query()]


@router.get("/timeline", response_model=None)
def timeline_page(request: Request, web: Here, caller: Viewer, asked: Asked) -> Response:
    """Events of a provider, a project or an object on a time axis."""
    links = Links.of(request.query_params.multi_items())
    with web.ledger.reading() as session:
        names = [provider.name for provider in health.providers(session, web.now())]
    return page(
        web,
        caller,
        "timeline.html",
        here="timeline",
        sections=_sections(web, caller, asked, links),
        names=names,
        groups=groups().values(),
        levels=LEVELS,
        sources=SOURCES,
        lasts=list(LAST),
        asked=asked,
        kept=dict(links.kept),
        filters=sorted({name for name, _ in links.kept} & FILTERS),
    )


@router.get("/timeline.json", response_model=None)
def fresh(request: Request, web: Here, caller: Viewer, asked: Asked) -> Response:
    """The parts of the page as they are now, for its script; 304 where they are what it has."""
    parts = _sections(web, caller, asked, Links.of(request.query_params.multi_items()))
    answer = Json({"sections": parts})
    mark = f'"{hashlib.blake2b(bytes(answer.body), digest_size=16).hexdigest()}"'
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers={"ETag": mark})
    answer.headers["ETag"] = mark
    return answer


def _sections(web: Web, caller: Caller, asked: TimelinePageQuestion, links: Links) -> dict[str, str]:
    now = web.now()
    since, until = timeline.span(asked, now)
    if asked.since is None and asked.until is None:
        try:
            since, until = timeline.snapped(since, until, axis.width(since, until, BARS))
        except axis.TooLong as error:
            raise HTTPException(422, str(error)) from None
    question = timeline.wanted(caller, asked, since, until)
    found = timeline.counted(web, question, BARS)
    common: dict[str, Any] = {"found": found, "links": links, "asked": asked, "now": now}
    ends = {"from": stretch(since, until)}
    return {
        "timeline-moves": render(
            "part_timeline_moves.html", **common, moves=moves(links, since, until, now, asked.at), lasts=LAST, ends=ends
        ),
        "timeline-chart": render(
            "part_timeline_chart.html",
            **common,
            chart=chart(found, links, asked.at, asked.lane),
            levels=sorted(sum(found.groups().values(), Counter[str]()).items(), key=_gravity),
            subject=_subject(asked, caller),
            ends=ends,
        ),
        "timeline-events": render(
            "part_timeline_events.html", **common, **_listed(web, caller, question, found, asked)
        ),
        "timeline-tables": render("part_timeline_tables.html", **common, stretches=_stretches(found), stretch=stretch),
    }


def _gravity(pair: tuple[str, int]) -> tuple[int, str]:
    level, _ = pair
    return (LEVELS.index(level) if level in LEVELS else len(LEVELS)), level


def _subject(asked: TimelinePageQuestion, caller: Caller) -> str:
    project = caller.project or asked.project
    about = [
        f"object {asked.target}" if asked.target else "",
        f"provider {asked.provider}" if asked.provider else "",
        f"project {project}" if project else "",
    ]
    return ", ".join(filter(None, about)) or "all providers"


def _stretches(found: Timeline) -> list[tuple[datetime, datetime, int]]:
    sums: dict[tuple[datetime, datetime], int] = {}
    for count in found.counts:
        sums[count.start, count.end] = sums.get((count.start, count.end), 0) + count.events
    return [(*ends, events) for ends, events in sums.items()]


def _listed(web: Web, caller: Caller, question: Wanted, found: Timeline, asked: TimelinePageQuestion) -> dict[str, Any]:
    """The events of the chosen bar, one page of them."""
    if asked.at is None:
        return {"rows": None, "what": "", "following": None, "narrowed": {}}
    start = axis.floor(asked.at, found.seconds)
    end = start + timedelta(seconds=found.seconds)
    source, _, group = (asked.lane or "").partition(":")
    within = replace(question, since=max(start, question.since), until=min(end, question.until))
    title = "All groups"
    if asked.lane:
        known = source if source in SOURCES else None
        if known is None or (question.source or known) != known or (question.groups and group not in question.groups):
            raise HTTPException(422, "lane has to be the source and the name of a group, as a bar of the page has it")
        within = replace(within, source=known, groups=[group])
        title = groups()[known, group].title if (known, group) in groups() else group
    rows: list[Filed] = []
    if within.since < within.until:
        with web.ledger.reading() as session:
            place = timeline.after(session, caller, asked.after)
            rows = axis.events(session, within, after=place, limit=LISTED)
    return {
        "rows": rows,
        "what": f"{title}, {stretch(start, end)}",
        "following": rows[-1].event.id if len(rows) == LISTED else None,
        "narrowed": {
            "since": within.since,
            "until": within.until,
            **({"source": source, "group": group} if asked.lane else {}),
        },
    }
