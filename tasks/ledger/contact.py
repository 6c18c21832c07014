"""What Catchment's contact with a provider is worth, as rules see it (spec policy-alerts 1.3 D)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from tasks.ledger import bulk
from tasks.ledger.providers import HEALTH_NOTE, Mark, Provider
from tasks.model.errors import ProviderDown, SignedOut
from tasks.model.event import INTERNAL, PROVIDER, ObjectRef
from tasks.model.outcome import ObjectFacts

VALID, INVALID, UNREACHABLE, ERROR = "valid", "invalid", "unreachable", "error"
#: Of the failures that :func:`tasks.catch.poll.note_failure` notes by their class; any other is an error.
_WORDS = {SignedOut.__name__: INVALID, ProviderDown.__name__: UNREACHABLE}


class News(NamedTuple):
    """That the contact with a provider has become another one. ``at`` is when the contact or failure was."""

    provider_id: int
    provider: str
    word: str
    at: datetime


def contact_of(provider: Provider) -> tuple[str, datetime] | None:
    """What the last contact came to, and when it was; None where there was none."""
    contact, failed = provider.contact_at, provider.failed_at
    if failed is not None and (contact is None or failed > contact):
        return _WORDS.get((provider.failure or "").partition(":")[0], ERROR), failed
    return None if contact is None else (VALID, contact)


def news(session: Session) -> list[News]:
    """The providers of which something else was told last, or nothing yet."""
    told = Mark.name == literal(HEALTH_NOTE) + Provider.name
    rows = session.execute(select(Provider, Mark.note).outerjoin(Mark, told).where(Provider.kind != INTERNAL))
    found = ((provider, note, contact_of(provider)) for provider, note in rows)
    return [News(p.id, p.name, *contact) for p, note, contact in found if contact is not None and contact[0] != note]


def take(session: Session, one: News) -> bool:
    """Note a change as told; returns whether there is something to tell, to one of all who find it at once.

    That a new provider is well is no news. What rests on an older contact than what was told changes nothing.
    """
    row = {"name": f"{HEALTH_NOTE}{one.provider}", "at": one.at, "note": one.word}
    if bulk.insert(session, Mark, [row], conflict="DO NOTHING", returning=("name",)):
        return one.word != VALID
    newer = "mark.note <> excluded.note AND mark.at <= excluded.at"
    conflict = f"(name) DO UPDATE SET at = excluded.at, note = excluded.note WHERE {newer}"
    return bool(bulk.insert(session, Mark, [row], conflict=conflict, returning=("name",)))


def facts(session: Session, name: str) -> ObjectFacts | None:
    """A provider as rules see it, the object ``provider/NAME``; None where there is none of that name."""
    row = session.scalars(select(Provider).where(Provider.name == name, Provider.kind != INTERNAL)).one_or_none()
    return None if row is None else facts_of(row)


def facts_of(row: Provider) -> ObjectFacts:
    """A provider by its row, as rules see it."""
    contact = contact_of(row)
    attributes = {
        "health": contact[0] if contact else None,
        "failure": row.failure,
        "type": row.kind,
        "monitor": row.monitor,
        "ready": row.ready_at is not None,
        "contact_at": row.contact_at,
        "failed_at": row.failed_at,
        "event_at": row.event_at,
        "arrived_at": row.arrived_at,
    }
    return ObjectFacts(ObjectRef(PROVIDER, row.name), "known", row.name, None, row.contact_at, attributes)
