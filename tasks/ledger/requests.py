"""Tables of requests: what somebody asked for, who may say yes, the tasks that do it, and each task's delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger.base import Base, Id
from tasks.model.outcome import DeliveryFacts
from tasks.model.request import class_of

#: Approval states of a request, and of each approval (spec policy-alerts 6.1).
PENDING_APPROVAL, APPROVED, DENIED = "pending_approval", "approved", "denied"
#: States of a request and of a task.
PENDING, QUEUED, ACTIVE, FINISHED = "pending", "queued", "active", "finished"
#: How it went.
OK, ERROR, STATUS_DENIED = "Ok", "Error", "Denied"
#: Where a cancellation stands.
CANCEL_REQUESTED, CANCELED = "cancel_requested", "canceled"


class Request(Base):
    """One request. ``due_at`` is when it is to start, ``expires_at`` until when it may be approved."""

    __tablename__ = "request"
    __table_args__ = (
        Index(
            "ix_request_open",
            "id",
            postgresql_where=text("state <> 'finished'"),
            sqlite_where=text("state <> 'finished'"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    request_type: Mapped[str]
    description: Mapped[str]
    requester: Mapped[str]
    tenant_id: Mapped[str | None]
    approval_state: Mapped[str] = mapped_column(Text, server_default=PENDING_APPROVAL)
    state: Mapped[str] = mapped_column(Text, server_default=PENDING)
    status: Mapped[str] = mapped_column(Text, server_default=OK)
    message: Mapped[str]
    options: Mapped[dict[str, Any]]
    cancelation: Mapped[str | None]
    cause_id: Mapped[int | None] = mapped_column(Id)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    fulfilled_at: Mapped[datetime | None]


class Approval(Base):
    """One yes or no that a request needs. ``stamper`` is who gave it."""

    __tablename__ = "approval"
    __table_args__ = (Index("ix_approval_request", "request_id"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(Text, server_default=PENDING)
    description: Mapped[str]
    reason: Mapped[str | None]
    stamper: Mapped[str | None]
    stamped_at: Mapped[datetime | None]


class RequestTask(Base):
    """One piece of a request's work. What its methods set in ``options`` stays, for whoever asked."""

    __tablename__ = "request_task"
    __table_args__ = (Index("ix_request_task_request", "request_id"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id", ondelete="CASCADE"))
    description: Mapped[str]
    state: Mapped[str] = mapped_column(Text, server_default=PENDING)
    status: Mapped[str] = mapped_column(Text, server_default=OK)
    message: Mapped[str]
    options: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Delivery(Base):
    """What is handed to the Automate engine, under the event that carries it along the belt.

    The workspace's trace is the event's decision at the switchboard, one for each time that it was
    delivered; ``number`` counts those times, ``result`` is that of the last one.
    """

    __tablename__ = "delivery"

    event_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    uri: Mapped[str]
    attributes: Mapped[dict[str, Any]]
    priority: Mapped[int] = mapped_column(SmallInteger)
    user: Mapped[str] = mapped_column("userid")
    tenant_id: Mapped[str | None]
    request_id: Mapped[int | None] = mapped_column(Id)
    task_id: Mapped[int | None] = mapped_column(Id)
    number: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    result: Mapped[str | None]
    reason: Mapped[str | None]
    due_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


def facts(session: Session, number: str) -> dict[str, Any] | None:
    """A request as rules see it; None where there is none of that number."""
    row = session.get(Request, int(number), populate_existing=True) if number.isdigit() and len(number) < 19 else None
    if row is None:
        return None
    return {
        "id": str(row.id),
        "request_type": row.request_type,
        "request_class": class_of(row.request_type),
        "description": row.description,
        "requester": row.requester,
        "tenant_id": row.tenant_id,
        "approval_state": row.approval_state,
        "request_state": row.state,
        "status": row.status,
        "message": row.message,
        "options": row.options,
    }


def delivery(session: Session, event_id: int) -> DeliveryFacts | None:
    """What an event delivers; None for one that delivers itself."""
    row = session.get(Delivery, event_id, populate_existing=True)
    if row is None:
        return None
    task = session.get(RequestTask, row.task_id, populate_existing=True) if row.task_id else None
    request = session.get(Request, row.request_id, populate_existing=True) if row.request_id else None
    return DeliveryFacts(
        row.uri,
        row.attributes,
        str(row.request_id) if row.request_id else None,
        str(row.task_id) if row.task_id else None,
        task.options if task is not None else {},
        row.user,
        row.tenant_id,
        request is not None and request.cancelation is not None,
    )
