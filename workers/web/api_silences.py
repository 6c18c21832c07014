"""The routes of the API about silences. A silence covers objects of all projects, so they are about all projects."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from workers.web import silencing
from workers.web.answers import Json, Rows, rows
from workers.web.api_moves import Moved
from workers.web.caller import Operator, Viewer, whole
from workers.web.faults import Fault
from workers.web.questions import RowId, SilenceQuestion, SilenceWish
from workers.web.web import Here

router = APIRouter(tags=["silences"], dependencies=[Depends(whole)])


@router.get("/silences", summary="Silences, the newest first", response_model=Rows)
def silences(web: Here, _: Viewer, asked: Annotated[SilenceQuestion, Query()]) -> Response:
    """Those that hold or are to come; with ``all`` those that are over, too."""
    return rows(silencing.listed(web, everything=asked.everything))


@router.post("/silences", summary="Make a silence (operate)", response_model=dict[str, Any])
def make(web: Here, caller: Operator, wish: SilenceWish) -> Response:
    """Alerts that match all that it names do not notify while it holds; incidents are opened and counted."""
    return Json(silencing.make(web, caller, wish).as_dict())


@router.post("/silences/{silence_id}/end", summary="End a silence now (operate)", responses={409: {"model": Fault}})
def end(web: Here, _: Operator, silence_id: RowId) -> Moved:
    """409 where it is over already."""
    silencing.end(web, silence_id)
    return Moved()
