"""What the tests of timelines stand on: rows that may be anything, and a count that needs no SQL."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from sqlalchemy import delete
from sqlalchemy.orm import Session

from tasks.ledger.events import Event
from tasks.ledger.timeline_filters import Wanted
from tasks.model.definitions import shipped
from tests.unit.ledger.query_ground import NOW

#: The providers of query_ground.three_providers.
NAMES = {1: "north", 2: "south"}


class Row(NamedTuple):
    """One event; ``micros`` before NOW."""

    micros: int = 1_000_000
    provider: int = 1
    raised: bool = False
    custom: bool = False
    event_type: str = "compute.instance.update"
    kind: str = "server"
    ref: str = "s1"
    project: str | None = "red"
    host: str | None = None
    zone: str | None = None
    group: str = "other"
    level: str = "detail"
    result: str | None = None

    @property
    def at(self) -> datetime:
        return NOW - timedelta(microseconds=self.micros)


def store(session: Session, rows: list[Row]) -> None:
    """Have these events and no others, with ids from 1 on."""
    session.execute(delete(Event))
    session.add_all(_event(number, row) for number, row in enumerate(rows, 1))
    session.flush()


def _event(number: int, row: Row) -> Event:
    raw = f"CustomEvent/Alert/{row.event_type}" if row.raised and row.custom else row.event_type
    facts: dict[str, Any] = {"group": row.group, "level": row.level, "tenant_id": row.project, "host": row.host}
    return Event(
        id=number,
        provider_id=row.provider,
        message_id=f"m{number}",
        raised=row.raised,
        state="finished",
        object_key=f"{NAMES[row.provider]}/{row.kind}/{row.ref}",
        occurred_at=row.at,
        caught_at=row.at,
        event_type=row.event_type,
        raw_event_type=raw,
        resource_kind=row.kind,
        resource_id=row.ref,
        parents={"availability_zone": row.zone} if row.zone else {},
        result=row.result if row.raised else None,
        **facts,
    )


def filed(row: Row) -> tuple[str, str, str]:
    """Source, group and level, as the rules of spec capture 7.1 say it."""
    if not row.raised:
        return "provider", row.group, row.level
    if row.custom:
        return "management", "management", row.result or "detail"
    known = shipped().get(row.event_type)
    return "policy", known.category if known else "site", row.result or "detail"


def fits(row: Row, wanted: Wanted) -> bool:
    """Whether a timeline counts the event."""
    source, group, level = filed(row)
    return all(
        (
            wanted.since <= row.at < wanted.until,
            wanted.provider in (None, NAMES[row.provider]) or (wanted.provider == "internal" and row.raised),
            wanted.project in (None, row.project),
            wanted.resource is None or _about(row, *wanted.resource),
            wanted.source in (None, source),
            not wanted.groups or group in wanted.groups,
            not wanted.levels or level in wanted.levels,
            wanted.result is None or (source == "policy" and level == wanted.result),
            wanted.event_type is None or fnmatchcase(row.event_type, wanted.event_type),
        )
    )


def _about(row: Row, kind: str, ref: str) -> bool:
    if (row.kind, row.ref) == (kind, ref):
        return True
    inside = {"host": row.host, "project": row.project, "availability_zone": row.zone}
    return inside.get(kind) == ref


def counted(rows: list[Row], wanted: Wanted, seconds: int) -> Counter[tuple[datetime, str, str, str]]:
    """The events by stretch, source, group and level."""
    found: Counter[tuple[datetime, str, str, str]] = Counter()
    for row in rows:
        if fits(row, wanted):
            passed = int(row.at.timestamp()) // seconds * seconds
            found[datetime.fromtimestamp(passed, UTC), *filed(row)] += 1
    return found
