"""The route by which monitoring tells Catchment what it measured (spec policy-alerts 5.2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Body, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from tasks.ledger import readings
from tasks.ledger.readings import KEPT, Thing
from tasks.model.event import ObjectRef
from workers.web.caller import Caller, Operator
from workers.web.questions import Moment, Text
from workers.web.web import Here

#: Readings that one call may bring.
MOST = 1000
#: How far the clock of the sender may be ahead of ours.
AHEAD = timedelta(minutes=5)
#: Providers that an answer names.
_NAMED = 5

router = APIRouter()


class ReadingIn(BaseModel, extra="forbid"):
    """One value that was measured on an object."""

    provider: Text = Field(min_length=1, description="Name of the provider.")
    kind: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="Kind of the object, such as server.")
    id: Text = Field(min_length=1, description="The provider's own id of the object.")
    name: str = Field(pattern=r"^[a-z][a-z0-9_.]{0,63}$", description="What was measured, such as cpu_percent.")
    value: float = Field(strict=True, allow_inf_nan=False, description="A finite number.")
    at: Moment = Field(None, description="When it was measured; now, where it is not given. UTC without a zone.")


class Accepted(BaseModel):
    """How many readings were taken."""

    accepted: int


@router.post("/readings", status_code=202, tags=["readings"], summary="Tell what was measured (operate)")
def post_readings(
    web: Here, caller: Operator, given: Annotated[list[ReadingIn], Body(min_length=1, max_length=MOST)]
) -> Accepted:
    """All of them are kept, or none. A token of one project may tell of that project's objects alone."""
    now = web.now()
    for reading in given:
        _timely(reading.at, now)
    with web.ledger.transaction() as session:
        known = _providers(session, {reading.provider for reading in given})
        things = [Thing(known[r.provider], ObjectRef(r.kind, r.id)) for r in given]
        _see(session, caller, set(things))
        rows = [
            {
                "provider_id": thing.provider_id,
                "kind": thing.ref.kind,
                "ref": thing.ref.id,
                "name": reading.name,
                "value": reading.value,
                # Alerts look at what was up to now: of a later moment it would be overlooked.
                "at": min(reading.at or now, now),
                "fresh": True,
            }
            for reading, thing in zip(given, things, strict=True)
        ]
        readings.store(session, rows)
    return Accepted(accepted=len(rows))


def _timely(at: datetime | None, now: datetime) -> None:
    if at is None:
        return
    if at > now + AHEAD:
        raise HTTPException(422, "a reading is of the future: the clocks of its sender and of Catchment differ")
    if at < now - KEPT:
        raise HTTPException(422, f"a reading is older than {KEPT.days} days, for which they are kept")


def _providers(session: Session, names: set[str]) -> dict[str, int]:
    known = readings.providers_named(session, names)
    if missing := sorted(names - known.keys()):
        listed = ", ".join(repr(name[:60]) for name in missing[:_NAMED])
        raise HTTPException(422, f"Catchment knows no provider {listed}: GET /api/v1/providers lists them")
    return known


def _see(session: Session, caller: Caller, things: set[Thing]) -> None:
    """Raise 404 where a token of one project tells of an object that is not the project's."""
    if caller.project is None:
        return
    theirs = readings.tenants(session, things)
    if any(theirs.get(thing) != caller.project for thing in things):
        raise HTTPException(404, "there is no such object")
