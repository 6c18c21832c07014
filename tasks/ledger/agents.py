"""The agents of worker hosts: who has signed in, in which version, and when each was last heard (orchestrate 8)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Integer, false
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger import bulk
from tasks.ledger.base import Base


class Agent(Base):
    """One agent process of a host. ``counted`` says that its host is online because of it.

    ``process`` is its process id with its start, so that a number that is given again is another process.
    ``refused`` says that its version or protocol is none that works here; ``stopped_at`` is its goodbye.
    """

    __tablename__ = "agent"

    resource: Mapped[str] = mapped_column(primary_key=True)
    process: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    protocol: Mapped[int] = mapped_column(Integer)
    about: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    heard_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    counted: Mapped[bool] = mapped_column(Boolean, server_default=false())
    refused: Mapped[bool] = mapped_column(Boolean, server_default=false())


def hear(
    session: Session, resource: str, process: str, version: str, protocol: int, about: dict[str, Any], now: datetime
) -> None:
    """Note that an agent is there. Its first sign is its hello; one after its goodbye takes that back."""
    row = {
        "resource": resource,
        "process": process,
        "version": version,
        "protocol": protocol,
        "about": about,
        "started_at": now,
        "heard_at": now,
        "stopped_at": None,
    }
    settled = ", ".join(f"{name} = excluded.{name}" for name in ("version", "protocol", "about", "heard_at"))
    bulk.insert(
        session, Agent, [row], conflict=f"(resource, process) DO UPDATE SET {settled}, stopped_at = excluded.stopped_at"
    )


def part(session: Session, resource: str, process: str, now: datetime) -> None:
    """Note an agent's goodbye."""
    found = session.get(Agent, (resource, process))
    if found is not None:
        found.stopped_at = now
