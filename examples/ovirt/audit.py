"""The engine's audit log: its events, their ids, and the lists that are asked of it."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from examples.ovirt.search import Query

#: Events that are kept; older ones are forgotten.
KEPT_EVENTS = 50_000


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event. ``links`` maps the name of a link (``vm``, ``host``, ``user``, …) to an object's id."""

    id: int
    code: int
    description: str
    severity: str
    time: datetime
    correlation_id: str = ""
    origin: str = "oVirt"
    custom_id: int = -1
    flood_rate: int = 30
    links: dict[str, str] = field(default_factory=dict)


class AuditLog:
    """All events, oldest first. Ids rise, and not every number is given."""

    def __init__(self, seed: int) -> None:
        self.events: deque[AuditEvent] = deque(maxlen=KEPT_EVENTS)
        self._random = random.Random(seed)
        self._last = self._random.randint(100, 900)

    def next_id(self) -> int:
        """The id of the next event: the engine's counter serves more than this log."""
        self._last += self._random.choice((1, 1, 2, 5))
        return self._last

    def add(self, event: AuditEvent) -> None:
        """Keep an event. The commit of an older id may come later than that of a newer one."""
        self.events.append(event)

    def find(self, after: int, query: Query) -> list[AuditEvent]:
        """The events with an id above ``after``, newest first unless the search sorts them."""
        known = sorted((event for event in self.events if event.id > after), key=lambda event: event.id, reverse=True)
        return query.apply(known, search_fields)


def search_fields(event: AuditEvent) -> dict[str, str | int]:
    """By what events can be searched and sorted."""
    severities = ("normal", "warning", "error", "alert")
    return {
        "id": event.id,
        "time": int(event.time.timestamp() * 1000),
        "type": event.code,
        "severity": severities.index(event.severity) if event.severity in severities else 0,
        "message": event.description,
        "correlation_id": event.correlation_id,
    }
