"""What a caller asked of a timeline, as the ledger is asked it; the same for the API and the page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from fastapi import HTTPException
from sqlalchemy.orm import Session

from tasks.ledger import timeline as axis
from tasks.ledger.timeline import Filed, Timeline
from tasks.ledger.timeline_filters import Wanted
from tasks.model.clock import rfc3339
from workers.web import scope
from workers.web.caller import Caller
from workers.web.questions import LAST, TimelineQuestion
from workers.web.web import Web

#: Events that a sheet reads at once.
_PAGE = 1000

COUNT_COLUMNS = ("start", "end", "source", "group", "title", "level", "events")
EVENT_COLUMNS = (
    "id", "occurred_at", "provider", "source", "group", "title", "level", "event_type", "object_kind", "object_id",
    "object_name", "project", "actor", "host", "state", "why",
)  # fmt: skip


def wanted(caller: Caller, asked: TimelineQuestion, since: datetime, until: datetime) -> Wanted:
    """The question to the ledger, narrowed to what the caller may see."""
    kind, _, ref = (asked.target or "").partition("/")
    return Wanted(
        since=since,
        until=until,
        provider=asked.provider,
        project=scope.project_of(caller, asked.project),
        resource=(kind, ref) if asked.target else None,
        source=asked.source,
        groups=asked.group,
        levels=asked.level,
        result=asked.result,
        event_type=asked.event_type,
    )


def span(asked: TimelineQuestion, now: datetime) -> tuple[datetime, datetime]:
    """The range that is asked for. Raises 422 where it is empty."""
    until = asked.until or now
    since = asked.since or until - LAST[asked.last]
    if since >= until:
        raise HTTPException(422, "the range is empty: since has to be before until")
    return since, until


def counted(web: Web, question: Wanted, most: int) -> Timeline:
    """The counts. Raises 422 for a range that is too long."""
    try:
        with web.ledger.reading() as session:
            return axis.timeline(session, question, most)
    except axis.TooLong as error:
        raise HTTPException(422, str(error)) from None


def after(session: Session, caller: Caller, event_id: int | None) -> tuple[datetime, int] | None:
    """Where a list goes on. Raises 404 for an event that the caller does not see."""
    if event_id is None:
        return None
    scope.see_event(session, caller, event_id, "there is no event to go on after")
    return axis.place_of(session, event_id)


def count_rows(found: Timeline) -> Iterator[tuple[Any, ...]]:
    """The counts as rows of a sheet."""
    for count in found.counts:
        ends = rfc3339(count.start), rfc3339(count.end)
        yield (*ends, count.source, count.group, count.title, count.level, count.events)


def event_rows(web: Web, question: Wanted, *, newest_first: bool) -> Iterator[tuple[Any, ...]]:
    """All events as rows of a sheet; read piece by piece, with nothing held open while they are sent."""
    place: tuple[datetime, int] | None = None
    while True:
        with web.ledger.reading() as session:
            found = axis.events(session, question, after=place, limit=_PAGE, newest_first=newest_first)
        yield from map(_event_row, found)
        if len(found) < _PAGE:
            return
        place = (found[-1].event.occurred_at, found[-1].event.id)


def _event_row(filed: Filed) -> tuple[Any, ...]:
    event = filed.event
    return (
        event.id, rfc3339(event.occurred_at), event.provider, filed.source, filed.group, filed.title, filed.level,
        event.event_type, event.resource_kind, event.resource_id, event.resource_name, event.tenant_id, event.actor,
        event.host, event.state, f"/events/{event.id}",
    )  # fmt: skip


def snapped(since: datetime, until: datetime, seconds: int) -> tuple[datetime, datetime]:
    """The range moved on to where a stretch ends, so that bars keep their places while time passes."""
    ahead = axis.floor(until - timedelta(microseconds=1), seconds) + timedelta(seconds=seconds)
    return ahead - (until - since), ahead
