"""All tables, for Alembic and for tests: importing this module fills the metadata."""

from __future__ import annotations

from tasks.ledger import (
    access,
    agents,
    compliance,
    conflicts,
    effects,
    esi,
    events,
    facts,
    gaps,
    incidents,
    inventory,
    jobs,
    operations,
    providers,
    pulse,
    readings,
    requests,
    rules,
    silences,
)
from tasks.ledger.base import Base

METADATA = Base.metadata

__all__ = [
    "METADATA",
    "access",
    "agents",
    "compliance",
    "conflicts",
    "effects",
    "esi",
    "events",
    "facts",
    "gaps",
    "incidents",
    "inventory",
    "jobs",
    "operations",
    "providers",
    "pulse",
    "readings",
    "requests",
    "rules",
    "silences",
]
