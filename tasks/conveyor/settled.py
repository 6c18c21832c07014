"""What decisions left beside raised events: effects, incidents, compliance checks and tags, written with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from tasks.conveyor.claim import Claimed
from tasks.conveyor.operations import limits_of
from tasks.ledger import bulk, waiting
from tasks.ledger.compliance import ComplianceCheck
from tasks.ledger.effects import ASKED, Effect
from tasks.ledger.incident_moves import resolve
from tasks.ledger.incidents import OPEN, AlertFiring, Incident, firing_key
from tasks.ledger.labels import label
from tasks.model.outcome import Ask, Firing, Outcome
from tasks.site.contracts import Site


def ask(session: Session, asks: Sequence[tuple[Claimed, Ask]], site: Site, now: datetime) -> list[int]:
    """Store effects under their idempotency keys; returns the ids of the new ones that wait for no other."""
    rows = [
        {
            "key": wish.key(claimed.event.id),
            "event_id": claimed.event.id,
            "rule": wish.rule,
            "action": wish.action,
            "params": wish.params,
            "target_kind": wish.target.kind if wish.target else None,
            "target_id": wish.target.id if wish.target else None,
            "site_version": site.version,
            "state": ASKED,
            "asked_at": now,
            "due_at": now if wish.after is None else waiting.NEVER,
            "after_key": wish.after.key(claimed.event.id) if wish.after else None,
            "limits": limits_of(wish),
        }
        for claimed, wish in asks
    ]
    stored = bulk.insert(session, Effect, rows, conflict="DO NOTHING", returning=("id", "after_key"))
    return [row.id for row in stored if row.after_key is None]


def note_checks(session: Session, done: Sequence[tuple[Claimed, Outcome]], now: datetime) -> None:
    """Write the compliance checks that were made, each as a line of its object's history."""
    rows = [
        {
            "provider_id": claimed.provider_id,
            "kind": check.target.kind,
            "ref": check.target.id,
            "event_id": claimed.event.id,
            "checked_at": now,
            "status": check.status,
            "details": check.details,
        }
        for claimed, outcome in done
        for check in outcome.checks
    ]
    bulk.insert(session, ComplianceCheck, rows)


def note_labels(session: Session, done: Sequence[tuple[Claimed, Outcome]]) -> None:
    """Give and take the tags that rules asked for."""
    for claimed, outcome in done:
        for one in outcome.labels:
            label(session, claimed.provider_id, one.target, one.add, one.remove)


def settle_incidents(session: Session, done: Sequence[tuple[Claimed, Outcome]], now: datetime) -> None:
    """Open and end incidents in the order of the events that say so."""
    firings: list[tuple[Claimed, Firing]] = []
    for claimed, outcome in done:
        if outcome.resolutions:
            open_incidents(session, firings, now)
            firings = []
            provider = claimed.event.provider
            keys = [firing_key(r.alert, provider, r.target.kind, r.target.id) for r in outcome.resolutions]
            resolve(session, keys, claimed.event.id, now)
        firings += [(claimed, firing) for firing in outcome.firings]
    open_incidents(session, firings, now)


def open_incidents(session: Session, firings: Sequence[tuple[Claimed, Firing]], now: datetime) -> None:
    """Open an incident for each alert and object, or count on the one that is open."""
    merged: dict[str, tuple[Claimed, Firing, int]] = {}
    notified: dict[str, int] = {}
    for claimed, firing in firings:
        key = firing_key(firing.alert, claimed.event.provider, firing.target.kind, firing.target.id)
        first = merged.get(key)
        merged[key] = (first[0], first[1], first[2] + 1) if first else (claimed, firing, 1)
        if firing.notify:
            notified[key] = claimed.event.id
    rows = [
        {
            "open_key": key,
            "alert": firing.alert,
            "provider_id": claimed.provider_id,
            "kind": firing.target.kind,
            "ref": firing.target.id,
            "severity": firing.severity,
            "state": OPEN,
            "summary": firing.summary,
            "event_id": claimed.event.id,
            "notified_by": notified.get(key),
            "opened_at": now,
            "last_at": now,
            "count": number,
        }
        for key, (claimed, firing, number) in sorted(merged.items())
    ]
    bulk.insert(
        session,
        Incident,
        rows,
        conflict="(open_key) DO UPDATE SET count = incident.count + excluded.count, last_at = excluded.last_at, "
        "notified_by = COALESCE(excluded.notified_by, incident.notified_by)",
    )
    moments = [{"key": key, "notified_at": now} for key in sorted(notified)]
    bulk.insert(session, AlertFiring, moments, conflict="(key) DO UPDATE SET notified_at = excluded.notified_at")
