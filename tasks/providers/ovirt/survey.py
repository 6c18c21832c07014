"""Notices that an engine's log is not the one that was read: set back with a backup, or cleared before we came.

An engine that is restored from a backup gives numbers again that it has given before, and a cursor that stands
above them would leave out all that happens from then on. So every walk begins at the event that was read last;
where that is not in the answer as it was, the newest events are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from tasks.model import clock
from tasks.model.event import PROVIDER, Notification
from tasks.providers.ovirt.event_walk import Row, Walk
from tasks.providers.ovirt.types import EVENTS_MISSED, LOG_SET_BACK

log = structlog.get_logger(__name__)

#: Events that are looked at in one request, at the most.
LOOKED_AT = 20_000

#: Gives so many events, the newest.
Newest = Callable[[int], list[Row]]


def survey(provider: str, walk: Walk, rows: Sequence[Row], newest: Newest, size: int) -> list[Notification] | None:
    """Compare the walk's first page with what was read before; None where all is as it was.

    Else the walk has been moved to where it must go on, and what is to be told of it is returned.
    """
    if not walk.floor_time or any(row.number == walk.floor and row.time == walk.floor_time for row in rows):
        return None
    floor = walk.floor
    found, whole = _look(newest, size, lambda row: (row.number or 0) <= floor)
    known = sorted((row for row in found if row.number is not None), key=lambda row: row.number or 0)
    below = [row for row in known if (row.number or 0) <= floor]
    if below and below[-1].time > walk.since:
        return _set_back(provider, walk, newest, size)
    if not below and whole and known and (known[0].number or 0) > floor + 1:
        return _missed(provider, walk, known[0].number or 0)
    if below and len(below) == len(known) and (below[-1].number or 0) < floor:
        # Either the last events were removed by hand, or the log was set back and nothing has happened since. The
        # next event has a higher number than this one both times.
        walk.go_to(below[-1].number or 0, below[-1].time)
        log.info("the newest events of the engine are gone", provider=provider, read=floor, newest=walk.floor)
        return []
    # The event itself is gone, or stands on another page: nothing to compare with until the floor rises.
    if not any(row.number == floor and row.time == walk.floor_time for row in below):
        walk.floor_time = ""
    return None


def _look(newest: Newest, size: int, enough: Callable[[Row], bool]) -> tuple[list[Row], bool]:
    """The newest events, until there is one that is enough; and whether these are all that there are."""
    while True:
        found = newest(size)
        whole = len(found) < size
        if whole or size >= LOOKED_AT or any(enough(row) for row in found):
            return found, whole
        size = min(size * 4, LOOKED_AT)


def _set_back(provider: str, walk: Walk, newest: Newest, size: int) -> list[Notification]:
    """Go to the last event from before the backup: whatever happened since then has a later moment."""
    since, floor = walk.since, walk.floor
    found, whole = _look(newest, size, lambda row: row.time <= since and (row.number or 0) <= floor)
    numbered = [row for row in found if row.number is not None]
    older = [row for row in numbered if row.time <= since and (row.number or 0) <= floor]
    last = max(older, key=lambda row: row.number or 0) if older else None
    lowest = min((row.number or 0 for row in numbered), default=1)
    if last is not None:
        walk.go_to(last.number or 0, last.time)
    else:
        walk.go_to(0 if whole else max(lowest - 1, 0))
    text = (
        f"The event log of {provider} was set back, as by a restored backup: event {floor} is not the one that was "
        f"read. Reading goes on behind event {walk.floor}."
    )
    return [_notice(provider, LOG_SET_BACK, floor, "error", text)]


def _missed(provider: str, walk: Walk, lowest: int) -> list[Notification]:
    """Events were removed before they were read: the engine keeps them for 30 days by default."""
    first, last = walk.floor + 1, lowest - 1
    walk.go_to(last)
    text = (
        f"The events {first} to {last} of {provider} are gone: the engine removed them before they were read. "
        "Have it keep them for longer, or keep Catchment running."
    )
    return [_notice(provider, EVENTS_MISSED, first, "error", text)]


def _notice(provider: str, code: str, number: int, severity: str, text: str) -> Notification:
    """An event about the log, in the engine's own form: it is kept, shown, and alerts may name it."""
    log.warning(text, provider=provider)
    body: dict[str, Any] = {
        "id": str(number),
        "code": code,
        "severity": severity,
        "time": clock.rfc3339(clock.now()),
        "origin": "Catchment",
        "description": text,
        PROVIDER: {"id": provider},
    }
    return Notification(body, "watch on the event log")
