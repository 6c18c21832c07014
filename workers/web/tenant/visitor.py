"""Who asks the tenants' API."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever a token belongs to: the project that it is narrowed to, None for one that sees all."""

    project: str | None
