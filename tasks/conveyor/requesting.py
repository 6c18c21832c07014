"""The way of a request (spec policy-alerts 6): opened, approved or denied, started, done by its tasks.

Each move locks the request's row and looks at its state first, so that of two people, or of a person and a
rule, one makes the transition and the other one is told. What the move raises is written with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tasks.conveyor.internal import NORMAL, About, raise_internal
from tasks.ledger.events import Place
from tasks.ledger.providers import Provider
from tasks.ledger.requests import (
    ACTIVE,
    APPROVED,
    CANCEL_REQUESTED,
    CANCELED,
    DENIED,
    ERROR,
    FINISHED,
    OK,
    PENDING,
    PENDING_APPROVAL,
    QUEUED,
    STATUS_DENIED,
    Approval,
    Delivery,
    Request,
    RequestTask,
)
from tasks.ledger.tally import Count
from tasks.model.errors import Refused
from tasks.model.event import REQUEST, REQUEST_TASK, ObjectRef
from tasks.model.outcome import Delivered, Petition
from tasks.model.request import TYPES
from tasks.site.settings import Settings

#: Approvals by nobody in particular.
SYSTEM = "system"


@dataclass(slots=True)
class Moved:
    """What a move did to a request: its id, and the lanes that have work now."""

    request_id: int
    lanes: set[int] = field(default_factory=set)


class Way:
    """Moves of requests in one transaction. What they raise is counted in ``count``, for its owner to write."""

    def __init__(self, session: Session, settings: Settings, now: datetime, count: Count) -> None:
        self._session = session
        self._settings = settings
        self._now = now
        self._count = count

    def open(
        self,
        petition: Petition,
        requester: str,
        tenant_id: str | None = None,
        *,
        due_at: datetime | None = None,
        cause_id: int | None = None,
    ) -> Moved:
        """Open a request, with one approval to be given, and raise ``request_created``."""
        known = TYPES.get(petition.request_type)
        description = petition.description or (known.words if known else petition.request_type)
        request = Request(
            request_type=petition.request_type,
            description=description,
            requester=requester,
            tenant_id=tenant_id,
            message=f"{description} - Request Created",
            options=petition.options,
            cause_id=cause_id,
            created_at=self._now,
            updated_at=self._now,
            due_at=due_at,
            expires_at=self._now + timedelta(seconds=self._settings.requests.expire_seconds),
            approval_state=PENDING_APPROVAL,
            state=PENDING,
            status=OK,
        )
        self._session.add(request)
        self._session.flush()
        self._session.add(Approval(request_id=request.id, description="Default Approval", state=PENDING))
        return Moved(request.id, {self._raise(request, "request_created", requester)})

    def approve(self, request_id: int, who: str, reason: str) -> Moved:
        """Approve, raise ``request_approved``, and start the request where nothing makes it wait.

        Raises :class:`tasks.model.errors.Refused` for one that is decided already, over, or expired.
        """
        request = self._decidable(request_id, "approved")
        if request.expires_at is not None and request.expires_at <= self._now:
            raise Refused(f"request {request_id} could be approved until {request.expires_at.isoformat()}")
        self._stamp(request, APPROVED, who, reason)
        left = select(Approval.id).where(Approval.request_id == request_id, Approval.state != APPROVED)
        if self._session.scalar(left.limit(1)) is not None:
            return Moved(request_id)
        request.approval_state = APPROVED
        lanes = {self._raise(request, "request_approved", who)}
        if request.due_at is None or request.due_at <= self._now:
            lanes |= self.start(request_id).lanes
        return Moved(request_id, lanes)

    def deny(self, request_id: int, who: str, reason: str) -> Moved:
        """Deny, which ends the request, and raise ``request_denied``. Raises ``Refused`` as approving does."""
        request = self._decidable(request_id, "denied")
        self._stamp(request, DENIED, who, reason)
        request.approval_state = DENIED
        self._end(request, STATUS_DENIED, reason)
        return Moved(request_id, {self._raise(request, "request_denied", who)})

    def pend(self, request_id: int, who: str, reason: str) -> Moved:
        """Leave the decision to a person, with the reason, and raise ``request_pending``."""
        request = self._decidable(request_id, "left pending")
        request.message = reason[:255]
        return Moved(request_id, {self._raise(request, "request_pending", who)})

    def change(self, request_id: int, options: Mapping[str, Any], who: str) -> Moved:
        """Merge options, and raise ``request_updated``.

        Raises ``Refused`` for a request that is decided or over: what was approved stays what is done.
        """
        request = self._decidable(request_id, "changed")
        request.options = {**request.options, **options}
        return Moved(request_id, {self._raise(request, "request_updated", who)})

    def cancel(self, request_id: int, who: str) -> Moved:
        """End a request that has not started; one at work ends at its tasks' next delivery, which is due now."""
        request = self._open(request_id)
        if request.state != ACTIVE:
            request.cancelation = CANCELED
            self._end(request, ERROR, f"Request is canceled by {who}.")
            return Moved(request_id)
        request.cancelation = CANCEL_REQUESTED
        request.message = f"Cancelation asked for by {who}"
        theirs = select(Delivery.event_id).where(Delivery.request_id == request_id, Delivery.ended_at.is_(None))
        rows = self._session.execute(
            update(Place).where(Place.event_id.in_(theirs)).values(due_at=self._now).returning(Place.lane)
        )
        return Moved(request_id, set(rows.scalars()))

    def start(self, request_id: int) -> Moved:
        """Raise ``request_starting``, whose delivery may veto (spec automate G26). Once for each request."""
        request = self._open(request_id)
        if request.approval_state != APPROVED or request.state != PENDING:
            raise Refused(f"request {request_id} is {request.approval_state} and {request.state}: it cannot start")
        request.state = QUEUED
        return Moved(request_id, {self._raise(request, "request_starting", request.requester)})

    def answered(self, request_id: int, ended: Delivered) -> set[int]:
        """``request_starting`` was delivered: make the task, or end the request. Anything but ``ok`` is a veto."""
        request = self._locked(request_id)
        if request is None or request.state != QUEUED:
            return set()
        if ended.result != "ok":
            self._end(request, ERROR, f"Not started: {ended.reason or ended.result}")
            return set()
        request.state, request.message, request.updated_at = ACTIVE, "In Process", self._now
        task = RequestTask(
            request_id=request_id,
            description=request.description,
            state=ACTIVE,
            status=OK,
            message="In Process",
            options=dict(request.options),
            created_at=self._now,
            updated_at=self._now,
        )
        self._session.add(task)
        self._session.flush()
        return {self._deliver(request, task)}

    def delivered(self, delivery: Delivery, ended: Delivered) -> None:
        """A task's delivery came to its end: so does the task, and the request with its last one."""
        request = self._locked(delivery.request_id or 0)
        task = self._session.get(RequestTask, delivery.task_id)
        if request is None or task is None:
            return
        well = ended.result == "ok"
        label = f"{request.request_type.replace('_', ' ').capitalize()} Request"
        task.state, task.status, task.updated_at = FINISHED, OK if well else ERROR, self._now
        task.message = (f"{label} completed" if well else f"{label} failed: {ended.reason or ended.result}")[:255]
        self._session.flush()
        self._roll_up(request)

    def _roll_up(self, request: Request) -> None:
        """The request's state and status from those of its tasks (6.5)."""
        mine = RequestTask.request_id == request.id
        tasks = self._session.scalars(select(RequestTask).where(mine).order_by(RequestTask.id)).all()
        states = {task.state for task in tasks}
        status = ERROR if any(task.status == ERROR for task in tasks) else OK
        if states != {FINISHED}:
            request.state, request.status = states.pop() if len(states) == 1 else ACTIVE, status
            counts = {state: sum(t.state == state for t in tasks) for state in sorted({t.state for t in tasks})}
            request.message = "; ".join(f"{state.capitalize()} = {number}" for state, number in counts.items())
            return
        if request.cancelation == CANCEL_REQUESTED:
            request.cancelation = CANCELED
        some = "Request complete" if status == OK else "Request completed with errors"
        self._end(request, status, tasks[0].message if len(tasks) == 1 else some)

    def _end(self, request: Request, status: str, message: str) -> None:
        request.state, request.status, request.message = FINISHED, status, message[:255]
        request.fulfilled_at = request.updated_at = self._now

    def _locked(self, request_id: int) -> Request | None:
        return self._session.get(Request, request_id, with_for_update=True, populate_existing=True)

    def _open(self, request_id: int) -> Request:
        request = self._locked(request_id)
        if request is None:
            raise Refused(f"there is no request {request_id}")
        if request.state == FINISHED:
            raise Refused(f"request {request_id} is over: {request.message}")
        request.updated_at = self._now
        return request

    def _decidable(self, request_id: int, word: str) -> Request:
        request = self._locked(request_id)
        if request is None:
            raise Refused(f"there is no request {request_id}")
        if request.approval_state != PENDING_APPROVAL or request.state == FINISHED:
            how = request.approval_state if request.approval_state != PENDING_APPROVAL else "over"
            raise Refused(f"request {request_id} is {how} already; it cannot be {word}")
        request.updated_at = self._now
        return request

    def _stamp(self, request: Request, state: str, who: str, reason: str) -> None:
        first = select(Approval).where(Approval.request_id == request.id, Approval.state == PENDING)
        approval = self._session.scalars(first.order_by(Approval.id).limit(1)).one()
        approval.state, approval.reason, approval.stamper, approval.stamped_at = state, reason, who, self._now
        self._session.flush()

    def _raise(self, request: Request, event_type: str, actor: str) -> int:
        cause = request.cause_id if event_type == "request_created" else None
        here = self._count.internal(self._session, self._now)
        about = About(here, ObjectRef(REQUEST, str(request.id)), "", str(request.id), request.tenant_id, actor, cause)
        return raise_internal(self._session, self._settings, self._now, self._count, event_type, about)[1]

    def _deliver(self, request: Request, task: RequestTask) -> int:
        """Put a task's delivery on the belt."""
        options = request.options
        priority = int(options.get("priority") or NORMAL)
        provider, target = self._provider(options.get("provider")), ObjectRef(REQUEST_TASK, str(task.id))
        about = About(provider, target, "", str(request.id), request.tenant_id, request.requester)
        number, lane = raise_internal(self._session, self._settings, self._now, self._count, "deliver", about, priority)
        self._session.add(
            Delivery(
                event_id=number,
                uri=str(options.get("uri") or f"/System/Process/Automation?request={request.request_type}"),
                attributes=dict(options.get("attrs") or {}),
                priority=priority,
                user=request.requester,
                tenant_id=request.tenant_id,
                request_id=request.id,
                task_id=task.id,
                number=0,
            )
        )
        return lane

    def _provider(self, name: Any) -> int:
        """The provider whose objects the task is about: the named one, else the only one there is."""
        found = self._session.scalars(select(Provider.id).where(Provider.name == str(name)).limit(1)).first()
        if found is None and not name:
            cloud = select(Provider.id).where(Provider.kind != "internal").limit(2)
            known = self._session.scalars(cloud).all()
            found = known[0] if len(known) == 1 else None
        return found if found is not None else self._count.internal(self._session, self._now)
