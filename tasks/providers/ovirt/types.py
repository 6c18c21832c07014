"""The engine's types of events: code to name, and where each stands on the timeline (spec capture 6 and 7.1)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import NamedTuple

#: The name of an event whose code is in no table, and the group of a type that is in no group.
UNKNOWN = "UNKNOWN"
OTHER = "other"
#: Told by the monitor itself: the log was set back, as by a restored backup; events were removed before they were read.
LOG_SET_BACK = "EVENT_LOG_SET_BACK"
EVENTS_MISSED = "EVENTS_MISSED"
LOSSES = {
    LOG_SET_BACK: "the event log was set back, as by a restored backup",
    EVENTS_MISSED: "events were removed from the log before they were read",
}

#: The level of an event of a type that is in no group, by the engine's own word for how grave it is.
_LEVELS = {"alert": "critical", "error": "critical", "warning": "warning"}
#: Words of names that say how far the matter is; of the last, only where the name ends in one.
_ERRORS = ("_FAILED_", "_FAILURE_", "_ERROR_")
_ENDS = ("_FINISHED_", "_FINISH_", "_DONE_", "_SUCCEEDED_", "_COMPLETED_", "_SUCCESS_")
_STARTS = ("_STARTED", "_INITIATED", "_STARTING", "_MIGRATION_START")


class EventType(NamedTuple):
    """A type: its name, its group on the timeline, and the phase that its name tells of."""

    name: str
    group: str
    phase: str | None


@cache
def _table() -> dict[str, EventType]:
    content: dict[str, list[str]] = json.loads((files(__package__) / "event_codes.json").read_text(encoding="utf-8"))
    return {code: EventType(row[0], (*row, OTHER)[1], _phase(row[0])) for code, row in content.items()}


def _phase(name: str) -> str | None:
    closed = f"{name}_"
    for phase, words in (("error", _ERRORS), ("end", _ENDS)):
        if any(word in closed for word in words):
            return phase
    return "start" if name.endswith(_STARTS) else None


def type_of(code: str | None) -> EventType:
    """The type of a code; one that no table has is ``UNKNOWN``, as in an engine newer than the table."""
    if code in (LOG_SET_BACK, EVENTS_MISSED):
        return EventType(code, "status", None)
    return _table().get(code or "") or EventType(UNKNOWN, OTHER, None)


def level_of(event_type: EventType, severity: str | None) -> str:
    """The level on the timeline: critical for every type in a group, else as grave as the engine says."""
    if event_type.group != OTHER:
        return "critical"
    return _LEVELS.get(severity or "", "detail")
