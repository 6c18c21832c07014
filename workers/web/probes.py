"""The probes: whether this process lives, and whether it can serve. They say yes or no and nothing else."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from tasks.ledger.migrate import revisions
from workers.web.web import Here

router = APIRouter(prefix="/health", tags=["health"])


class Answer(BaseModel):
    """Yes or no."""

    ok: bool


@router.get("/live", summary="Whether this web process answers")
def live() -> Answer:
    """An answer at all means yes. The token is checked before it, so the ledger answered too."""
    return Answer(ok=True)


@router.get("/ready", summary="Whether the ledger answers and has this release's tables")
def ready(web: Here, response: Response) -> Answer:
    """503 while the tables are of another release: run `catchment db upgrade`."""
    present, wanted = revisions(web.ledger)
    if present != wanted:
        response.status_code = 503
    return Answer(ok=present == wanted)
