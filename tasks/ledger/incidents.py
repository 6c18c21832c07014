"""Tables of alerts: incidents that people acknowledge and close, and when each alert last fired."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from tasks.ledger.base import Base, Id

OPEN = "open"
ACKNOWLEDGED = "acknowledged"
CLOSED = "closed"


class Incident(Base):
    """One firing of an alert on an object; further firings count on it until it is closed.

    ``open_key`` is the alert and object while the incident is not closed and null afterwards: its
    uniqueness is what makes two workers open one incident. ``notified_by`` is the event on which people
    were last notified of it: the effects of that event with the rule ``alert:NAME`` are the notification.
    """

    __tablename__ = "incident"
    __table_args__ = (Index("ix_incident_object", "provider_id", "kind", "ref"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    open_key: Mapped[str | None] = mapped_column(Text, unique=True)
    alert: Mapped[str]
    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id"))
    kind: Mapped[str]
    ref: Mapped[str]
    severity: Mapped[str]
    state: Mapped[str] = mapped_column(Text, server_default=OPEN)
    summary: Mapped[str]
    event_id: Mapped[int] = mapped_column(Id)
    notified_by: Mapped[int | None] = mapped_column(Id)
    opened_at: Mapped[datetime]
    last_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(Id, server_default="1")
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    assigned_to: Mapped[str | None]


class IncidentNote(Base):
    """One thing that was done to an incident, or said of it: its history."""

    __tablename__ = "incident_note"
    __table_args__ = (Index("ix_incident_note_incident", "incident_id"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    who: Mapped[str]
    word: Mapped[str]
    text: Mapped[str | None]


class AlertFiring(Base):
    """When an alert last notified about an object: the next one waits for the alert's delay."""

    __tablename__ = "alert_firing"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    notified_at: Mapped[datetime]


def firing_key(alert: str, provider: str, kind: str, ref: str) -> str:
    """The key of one alert on one object."""
    return f"{alert}|{provider}|{kind}|{ref}"
