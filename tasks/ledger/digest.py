"""Write and read digests: one row for all the events of a turn that were concluded on in the same words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks.ledger import bulk
from tasks.ledger.base import quick_json, read_json
from tasks.ledger.events import Digest, Event
from tasks.ledger.lines import DecisionLine, Likeness
from tasks.model.outcome import Finding

#: Stands in a template for the id of the event's own object. JSON text has no such character.
_OWN = "\x1a"

_COLUMNS = ("id", "decided_at", "latest", "site_version", "fingerprint", "events", "template")


class Conclusion(NamedTuple):
    """What the stages of a turn concluded on one event: pairs of a stage and its findings."""

    event_id: int
    occurred_at: datetime
    object_id: str | None
    steps: Sequence[tuple[str, Sequence[Finding]]]


def write(session: Session, conclusions: Sequence[Conclusion], site_version: str, now: datetime) -> dict[int, int]:
    """Write each distinct conclusion once; returns the digest of each event."""
    alike: dict[str, list[Conclusion]] = {}
    for conclusion in conclusions:
        alike.setdefault(template(conclusion.steps, conclusion.object_id), []).append(conclusion)
    ids = bulk.draw_ids(session, Digest, len(alike))
    rows = []
    found: dict[int, int] = {}
    for number, (text, members) in zip(ids, alike.items(), strict=True):
        latest = max(member.occurred_at for member in members)
        rows.append((number, now, latest, site_version, _fingerprint(site_version, text), len(members), text))
        found.update((member.event_id, number) for member in members)
    bulk.append(session, Digest, _COLUMNS, rows)
    return found


def template(steps: Sequence[tuple[str, Sequence[Finding]]], object_id: str | None) -> str:
    """The steps as JSON text that is the same for all objects."""
    text = quick_json(steps)
    return text.replace(_quoted(object_id), _OWN) if object_id else text


def told(text: str, object_id: str | None) -> list[tuple[str, list[dict[str, Any]]]]:
    """The steps of a template as they were for an event about this object."""
    steps = read_json(text.replace(_OWN, _quoted(object_id)) if object_id else text)
    return [(stage, [_plain(finding) for finding in findings]) for stage, findings in steps]


def decision_lines(session: Session, event_ids: Sequence[int]) -> dict[int, list[DecisionLine]]:
    """What digests tell of these events, stage by stage."""
    query = select(Event.id, Event.resource_id, Digest).join(Digest, Digest.id == Event.digest_id)
    rows = session.execute(query.where(Event.id.in_(event_ids))).all()
    if not rows:
        return {}
    alike = _likeness(session, {row.Digest.fingerprint for row in rows})
    return {
        event_id: [
            DecisionLine(d.id, stage, d.decided_at, d.site_version, findings, None, alike[d.fingerprint])
            for stage, findings in told(d.template, object_id)
        ]
        for event_id, object_id, d in rows
    }


def _likeness(session: Session, fingerprints: set[int]) -> dict[int, Likeness]:
    """How many events share each fingerprint."""
    query = (
        select(Digest.fingerprint, func.sum(Digest.events), func.min(Digest.decided_at), func.max(Digest.decided_at))
        .where(Digest.fingerprint.in_(fingerprints))
        .group_by(Digest.fingerprint)
    )
    rows = session.execute(query)
    return {fingerprint: Likeness(events, first, last) for fingerprint, events, first, last in rows}


def _plain(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding without what says nothing, as :meth:`Finding.as_dict` gives it."""
    return finding if finding.get("detail") else {k: v for k, v in finding.items() if k != "detail"}


def _quoted(object_id: str | None) -> str:
    return quick_json(object_id)[1:-1]


def _fingerprint(site_version: str, text: str) -> int:
    digest = hashlib.blake2b(f"{site_version}\n{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
