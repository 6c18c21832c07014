"""Tables of jobs: what is deployed, what runs and ran, and what waits for events (spec orchestrate 9 to 11)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tasks.ledger.base import Base, Id

#: States of an instance (spec orchestrate 10).
SUBMITTED, QUEUED, STARTING, RUNNING, PAUSED = "submitted", "queued", "starting", "running", "paused"
COMPLETING, COMPLETED, FAILED = "completing", "completed", "failed"
CANCELLING, CANCELLED, TERMINATED = "cancelling", "cancelled", "terminated"
STATES = (
    SUBMITTED, QUEUED, STARTING, RUNNING, PAUSED, COMPLETING, COMPLETED, FAILED, CANCELLING, CANCELLED, TERMINATED,
)  # fmt: skip
#: An agent may call handlers of these.
AT_WORK = (STARTING, RUNNING, COMPLETING, CANCELLING)
#: They wait to be let in.
WAITING = (SUBMITTED, QUEUED)

#: States of a call of a handler.
CALL_PENDING, CALL_DONE, CALL_FAILED, CALL_DROPPED = "pending", "done", "failed", "dropped"

#: Kinds of what is deployed.
A_JOB, A_SCHEDULE, A_TRIGGER = "job", "schedule", "trigger"

_OPEN = text("ended_at IS NULL")


class JobCode(Base):
    """A job archive by its digest: an instance runs what it was started with, whatever the site says later."""

    __tablename__ = "job_code"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)
    stored_at: Mapped[datetime]


class JobDefinition(Base):
    """A job, schedule or trigger of the present site, for those who have no site: pages and the API."""

    __tablename__ = "job_definition"

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    detail: Mapped[dict[str, Any]]
    site_version: Mapped[str]


class JobInstance(Base):
    """One run of a job.

    ``key`` tells what it was started by: of two clocks that start the same run one does. ``agent`` is the host that it
    has to run on, ``host`` where a handler of it was called last. ``due_at`` is when there is something to do; a run
    that only waits for events has none. ``terms`` are the limits of its job as they were when it was started, ``kept``
    is what its handlers keep. ``outcome`` is how it will end once its last handler was called.
    """

    __tablename__ = "job_instance"
    __table_args__ = (
        Index("ix_job_instance_due", "due_at", postgresql_where=_OPEN, sqlite_where=_OPEN),
        Index("ix_job_instance_schedule", "schedule", postgresql_where=_OPEN, sqlite_where=_OPEN),
        Index("ix_job_instance_job", "job"),
        Index("ix_job_instance_ended", "ended_at"),
        Index("ix_job_instance_parent", "parent_id"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(Text, unique=True)
    job: Mapped[str]
    digest: Mapped[str]
    schedule: Mapped[str | None]
    trigger: Mapped[str | None]
    event_id: Mapped[int | None] = mapped_column(Id)
    parent_id: Mapped[int | None] = mapped_column(Id)
    by: Mapped[str]
    user: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str]
    reason: Mapped[str | None]
    outcome: Mapped[str | None]
    agent: Mapped[str | None]
    host: Mapped[str | None]
    arguments: Mapped[dict[str, Any]]
    context: Mapped[dict[str, Any]]
    event: Mapped[dict[str, Any]]
    terms: Mapped[dict[str, Any]]
    kept: Mapped[dict[str, Any]]
    result: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    progress: Mapped[float | None] = mapped_column(Double)
    note: Mapped[str | None]
    error: Mapped[str | None]


class JobCall(Base):
    """A handler of an instance to be called, or that was: one after the other, in the order of their ids."""

    __tablename__ = "job_call"
    __table_args__ = (UniqueConstraint("instance_id", "key"), Index("ix_job_call_state", "instance_id", "state", "id"))

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("job_instance.id", ondelete="CASCADE"))
    key: Mapped[str]
    handler: Mapped[str]
    argument: Mapped[dict[str, Any] | None]
    subscription_id: Mapped[int | None] = mapped_column(Id)
    state: Mapped[str] = mapped_column(Text, server_default=CALL_PENDING)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    asked_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    error: Mapped[str | None]


class JobSubscription(Base):
    """That a method of an instance is called with each event of a name. ``word`` is the name in capital letters.

    ``after_event`` is the newest event that there was when it was made: none up to it is told.
    """

    __tablename__ = "job_subscription"
    __table_args__ = (UniqueConstraint("instance_id", "word", "method"), Index("ix_job_subscription_word", "word"))

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("job_instance.id", ondelete="CASCADE"))
    word: Mapped[str]
    event: Mapped[str]
    method: Mapped[str]
    since: Mapped[datetime]
    after_event: Mapped[int] = mapped_column(Id)
    failures: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    suspended: Mapped[bool] = mapped_column(Boolean, server_default=false())


class JobLog(Base):
    """A line of an instance's log."""

    __tablename__ = "job_log"
    __table_args__ = (Index("ix_job_log_instance", "instance_id", "id"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("job_instance.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    level: Mapped[str]
    text: Mapped[str]


class JobStep(Base):
    """A state that an instance came to, when, through whom and why."""

    __tablename__ = "job_step"
    __table_args__ = (Index("ix_job_step_instance", "instance_id", "id"),)

    id: Mapped[int] = mapped_column(Id, Identity(), primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("job_instance.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    state: Mapped[str]
    who: Mapped[str]
    reason: Mapped[str | None]


class JobSchedule(Base):
    """How a schedule stands. ``enabled`` is what an operator said over its file; NULL: what the file says."""

    __tablename__ = "job_schedule"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    enabled: Mapped[bool | None]
    enabled_by: Mapped[str | None]
    last_at: Mapped[datetime | None]
    last_instance: Mapped[int | None] = mapped_column(Id)
    last_error: Mapped[str | None]
    skipped: Mapped[int] = mapped_column(Integer, server_default="0")
    missed: Mapped[int] = mapped_column(Integer, server_default="0")


class JobClock(Base):
    """When a trigger of the clock fires a schedule next. Another ``fingerprint`` begins anew."""

    __tablename__ = "job_clock"

    schedule: Mapped[str] = mapped_column(Text, primary_key=True)
    trigger: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[str]
    activated_at: Mapped[datetime]
    next_at: Mapped[datetime | None]


class JobCursor(Base):
    """How far the ledger's events were looked through for those that schedules and jobs wait for."""

    __tablename__ = "job_cursor"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[dict[str, Any]]
    at: Mapped[datetime]
