"""Keeps ESI Leap's own truncated record of its events, for tenants that ask for the history (spec esi 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from tasks.conveyor.claim import Claimed
from tasks.ledger import esi
from tasks.model.event import ESI_LEAP, PROVIDER_EVENT


def note_history(session: Session, converted: Sequence[Claimed]) -> None:
    """The records of those events that an ESI Leap service sent and that were converted in this turn."""
    esi.write(session, [_record(c) for c in converted if c.event.source == ESI_LEAP and _sent(c)])


def _sent(claimed: Claimed) -> bool:
    return claimed.event.namespace == PROVIDER_EVENT and claimed.event.event_type.startswith("esi_leap.")


def _record(claimed: Claimed) -> dict[str, Any]:
    facts = claimed.event.facts
    return {
        "event_id": claimed.event.id,
        "event_type": facts.raw_event_type,
        "event_time": facts.occurred_at,
        "object_type": facts.resource_kind,
        "object_uuid": facts.resource_id,
        "resource_type": facts.details.get("resource_type"),
        "resource_uuid": facts.parents.get("node"),
        "lessee_id": facts.tenant_id,
        "owner_id": facts.parents.get("owner"),
    }
