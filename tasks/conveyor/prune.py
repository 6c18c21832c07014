"""Keep the ledger in bounds: fold the tallies, delete finished events beyond their retention."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from tasks.ledger import gaps, pulse, readings
from tasks.ledger.compliance import ComplianceCheck
from tasks.ledger.effects import SPENT_KEPT, Spent
from tasks.ledger.events import FINISHED, Decision, Digest, Event, Notification
from tasks.ledger.inventory import RefreshRequest
from tasks.ledger.jobs import A_JOB, JobCode, JobDefinition, JobInstance
from tasks.ledger.providers import Tally
from tasks.ledger.session import Ledger
from tasks.ledger.tally import COUNTS
from tasks.site.settings import Settings

#: Events deleted in one transaction: small enough to be over before anybody waits for it.
PAGE = 1000


def fold(session: Session) -> int:
    """Replace the tallies of each provider by their sum; returns how many rows went into it."""
    folded = 0
    for provider_id in session.scalars(
        select(Tally.provider_id).group_by(Tally.provider_id).having(func.count() > 1)
    ).all():
        rows = session.execute(
            delete(Tally).where(Tally.provider_id == provider_id).returning(*(getattr(Tally, c) for c in COUNTS))
        ).all()
        session.execute(
            insert(Tally).values(provider_id=provider_id, **{c: sum(getattr(r, c) for r in rows) for c in COUNTS})
        )
        folded += len(rows)
    return folded


def expire(ledger: Ledger, settings: Settings, now: datetime) -> int:
    """Delete finished events that occurred before the retention time, page by page; returns how many."""
    before, deleted = now - timedelta(days=settings.retention_days), 0
    while True:
        with ledger.transaction() as session:
            old = (
                select(Event.id)
                .where(Event.occurred_at < before, Event.state == FINISHED)
                .order_by(Event.occurred_at)
                .limit(PAGE)
            )
            ids = session.scalars(old).all()
            # Written with their event and without a foreign key, which would be checked row by row.
            for table in (Notification, Decision, RefreshRequest):
                session.execute(delete(table).where(table.event_id.in_(ids)))
            session.execute(delete(Event).where(Event.id.in_(ids)))
        deleted += len(ids)
        if len(ids) < PAGE:
            break
    with ledger.transaction() as session:
        session.execute(delete(Spent).where(Spent.at < now - SPENT_KEPT))
        # No event of such a digest is left: the latest of them occurred before the retention time.
        session.execute(delete(Digest).where(Digest.latest < before))
        readings.forget(session, now)
        pulse.forget(session, now)
        gaps.forget(session, now)
        session.execute(delete(ComplianceCheck).where(ComplianceCheck.checked_at < before))
        _forget_jobs(session, before)
    return deleted


def _forget_jobs(session: Session, before: datetime) -> None:
    """Delete runs of jobs that were over before then, and archives that nobody needs any more."""
    session.execute(delete(JobInstance).where(JobInstance.ended_at < before))
    needed = select(JobInstance.digest)
    deployed = select(JobDefinition.detail["digest"].as_string()).where(JobDefinition.kind == A_JOB)
    old = (JobCode.stored_at < before, JobCode.digest.not_in(needed), JobCode.digest.not_in(deployed))
    session.execute(delete(JobCode).where(*old))
