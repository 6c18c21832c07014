"""The routes of the API that tell of events on a time axis."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tasks.ledger import timeline as axis
from workers.web import timeline
from workers.web.answers import Json, Rows, rows
from workers.web.caller import Viewer
from workers.web.questions import TimelineCountQuestion, TimelineEventQuestion
from workers.web.sheet import sheet
from workers.web.web import Here

router = APIRouter(tags=["timeline"])


@router.get("/timeline", summary="Events on a time axis, by group and level", response_model=dict[str, Any])
def counts(web: Here, caller: Viewer, asked: Annotated[TimelineCountQuestion, Query()]) -> Response:
    """``buckets`` has the stretches of time that have events, ``groups`` the sums; moments are UTC."""
    question = timeline.wanted(caller, asked, *timeline.span(asked, web.now()))
    found = timeline.counted(web, question, asked.buckets)
    if asked.format == "csv":
        return sheet("timeline.csv", timeline.COUNT_COLUMNS, timeline.count_rows(found))
    return Json(found.as_dict())


@router.get("/timeline/events", summary="The events of a timeline, page by page", response_model=Rows)
def events(request: Request, web: Here, caller: Viewer, asked: Annotated[TimelineEventQuestion, Query()]) -> Response:
    """Give a bucket's ``start`` and ``end`` as ``since`` and ``until``. ``group`` and ``level`` are the timeline's."""
    question = timeline.wanted(caller, asked, *timeline.span(asked, web.now()))
    newest_first = asked.order == "newest"
    if asked.format == "csv":
        found_rows = timeline.event_rows(web, question, newest_first=newest_first)
        return sheet("timeline-events.csv", timeline.EVENT_COLUMNS, found_rows)
    with web.ledger.reading() as session:
        place = timeline.after(session, caller, asked.after)
        found = axis.events(session, question, after=place, limit=asked.limit, newest_first=newest_first)
    following = None
    if len(found) == asked.limit:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("after", "until")]
        # The range of the next page is that of this one, however much later it is asked for.
        ends = [("until", question.until.isoformat()), ("after", str(found[-1].event.id))]
        following = f"{request.url.path}?{urlencode([*kept, *ends])}"
    return rows(found, following)
