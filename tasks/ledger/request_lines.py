"""Requests as they are listed: for the command, the API and the pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tasks.ledger.lines import Line
from tasks.ledger.requests import Approval, Delivery, Request, RequestTask


@dataclass(frozen=True, slots=True)
class RequestLine(Line):
    """One request."""

    id: int
    request_type: str
    description: str
    requester: str
    tenant_id: str | None
    approval_state: str
    request_state: str
    status: str
    message: str
    options: dict[str, Any]
    cancelation: str | None
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None
    expires_at: datetime | None
    fulfilled_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApprovalLine(Line):
    """One approval of a request."""

    id: int
    state: str
    reason: str | None
    stamper: str | None
    stamped_at: datetime | None


@dataclass(frozen=True, slots=True)
class TaskLine(Line):
    """One task of a request, and its delivery: ``event_id`` is what `catchment why` tells it by."""

    id: int
    state: str
    status: str
    message: str
    options: dict[str, Any]
    event_id: int | None
    deliveries: int
    result: str | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class RequestTale(Line):
    """A request with all that belongs to it."""

    request: RequestLine
    approvals: list[ApprovalLine]
    tasks: list[TaskLine]


def _line(row: Request) -> RequestLine:
    names = (name for name in RequestLine.__dataclass_fields__ if name != "request_state")
    return RequestLine(request_state=row.state, **{name: getattr(row, name) for name in names})


def requests(
    session: Session,
    *,
    states: Sequence[str] = (),
    approval: str | None = None,
    request_type: str | None = None,
    tenant_id: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[RequestLine]:
    """Requests, the newest first; ``before`` is the id to go on below."""
    query = select(Request).order_by(Request.id.desc()).limit(limit)
    if states:
        query = query.where(Request.state.in_(states))
    for column, value in (
        (Request.approval_state, approval),
        (Request.request_type, request_type),
        (Request.tenant_id, tenant_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(Request.id < before)
    return [_line(row) for row in session.scalars(query)]


def tale(session: Session, request_id: int) -> RequestTale | None:
    """One request with its approvals and tasks; None where there is none of that id."""
    row = session.get(Request, request_id)
    if row is None:
        return None
    approvals = session.scalars(select(Approval).where(Approval.request_id == request_id).order_by(Approval.id))
    tasks = session.execute(
        select(RequestTask, Delivery)
        .outerjoin(Delivery, Delivery.task_id == RequestTask.id)
        .where(RequestTask.request_id == request_id)
        .order_by(RequestTask.id)
    )
    return RequestTale(
        _line(row),
        [ApprovalLine(a.id, a.state, a.reason, a.stamper, a.stamped_at) for a in approvals],
        [_task(task, delivery) for task, delivery in tasks],
    )


def _task(task: RequestTask, delivery: Delivery | None) -> TaskLine:
    told = (delivery.event_id, delivery.number, delivery.result, delivery.due_at) if delivery else (None, 0, None, None)
    return TaskLine(task.id, task.state, task.status, task.message, task.options, *told)
