"""All tables, for Alembic and for tests: importing this module fills the metadata."""

from __future__ import annotations

from tasks.ledger import (
    access,
    compliance,
    conflicts,
    effects,
    esi,
    events,
    gaps,
    incidents,
    inventory,
    operations,
    providers,
    pulse,
    readings,
    requests,
    silences,
)
from tasks.ledger.base import Base

METADATA = Base.metadata

__all__ = [
    "METADATA",
    "access",
    "compliance",
    "conflicts",
    "effects",
    "esi",
    "events",
    "gaps",
    "incidents",
    "inventory",
    "operations",
    "providers",
    "pulse",
    "readings",
    "requests",
    "silences",
]
