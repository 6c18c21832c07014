"""Write what was concluded: decision by decision, or in digest for events that went all the way in one turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.conveyor.claim import Claimed
from tasks.ledger import bulk, digest
from tasks.ledger.events import FINISHED, Event
from tasks.model.event import Normalised

#: Who and what an event is was settled when it was caught; the rest is what conversion adds.
_SETTLED = ("event_type", "raw_event_type", "resource_kind", "resource_id")
_ADDED = ("parents", "tenant_id", "actor", "host", "phase", "group", "level", "request_id", "chain_id")


def decisions(claimed: Claimed, site_version: str, now: datetime, error: str | None) -> list[dict[str, Any]]:
    """Rows for all that this turn concluded on one event; ``error`` is why the last stage could not."""
    last = len(claimed.steps) - 1
    return [
        {
            "event_id": claimed.event.id,
            "stage": stage,
            "decided_at": now,
            "site_version": site_version,
            "findings": [f.as_dict() for f in findings],
            "error": error if position == last else None,
        }
        for position, (stage, findings) in enumerate(claimed.steps)
    ]


def write_facts(session: Session, converted: Sequence[Claimed]) -> None:
    """The canonical facts of events that were converted in this turn."""
    rows = [{"id": c.event.id, **_facts(c.event.facts, _SETTLED + _ADDED)} for c in converted]
    bulk.update(session, Event, "id", rows)
    _write_details(session, converted)


def write_results(session: Session, results: Mapping[int, str]) -> None:
    """What policies concluded in this turn on events that it does not close."""
    bulk.update(session, Event, "id", [{"id": number, "result": word} for number, word in results.items()])


def finish(
    session: Session,
    events: Sequence[Claimed],
    converted: set[int],
    results: Mapping[int, str],
    site_version: str,
    now: datetime,
) -> None:
    """Close events that went to the end of the belt, with their facts and their digest, one row version each.

    ``results`` are those of policies, by event; none of these events was converted in this turn.
    """
    if not events:
        return
    digests = digest.write(
        session,
        [digest.Conclusion(c.event.id, c.event.facts.occurred_at, c.event.facts.resource_id, c.steps) for c in events],
        site_version,
        now,
    )
    _write_details(session, [c for c in events if c.event.id in converted])
    full, judged, plain = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    for c in events:
        row = {"id": c.event.id, "digest_id": digests[c.event.id]}
        if c.event.id in converted:
            full.append({**row, **_facts(c.event.facts, _ADDED)})
        elif c.event.id in results:
            judged.append({**row, "result": results[c.event.id]})
        else:
            plain.append(row)
    for rows in (full, judged, plain):
        bulk.update(session, Event, "id", rows, state=FINISHED, finished_at=now)
    ids = bulk.listed(session, [c.event.id for c in events if c.placed])
    session.execute(text(f"DELETE FROM place WHERE {bulk.among(session, 'event_id')}"), {"ids": ids})


def _write_details(session: Session, converted: Sequence[Claimed]) -> None:
    """Apart, since most kinds of provider have none: a column less in the statement that all events go through."""
    rows = [{"id": c.event.id, "details": c.event.facts.details} for c in converted if c.event.facts.details]
    bulk.update(session, Event, "id", rows)


def _facts(facts: Normalised, columns: Sequence[str]) -> dict[str, Any]:
    return {column: getattr(facts, column) for column in columns}
