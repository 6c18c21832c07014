"""The catch lease: two catches of one provider never overlap, and one that was left behind is fenced off."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from tasks.ledger.providers import Provider


def take(session: Session, provider_id: int, owner: str, now: datetime, seconds: float) -> bool:
    """Take the lease, or say that somebody holds it. One that has run out is free."""
    taken = session.execute(
        update(Provider)
        .where(
            Provider.id == provider_id,
            or_(Provider.lease_until.is_(None), Provider.lease_until <= now, Provider.lease_owner == owner),
        )
        .values(lease_owner=owner, lease_until=now + timedelta(seconds=seconds))
        .returning(Provider.id)
    )
    return taken.one_or_none() is not None


def release(session: Session, provider_id: int, owner: str) -> None:
    """Give the lease back, if it is still ours."""
    session.execute(
        update(Provider)
        .where(Provider.id == provider_id, Provider.lease_owner == owner)
        .values(lease_owner=None, lease_until=None)
    )


def keep_away(session: Session, provider_id: int, owner: str, until: datetime) -> None:
    """Let nobody take the lease until then, if it is still ours: the source asked for a pause, or needs one."""
    session.execute(
        update(Provider)
        .where(Provider.id == provider_id, Provider.lease_owner == owner)
        .values(lease_owner=f"{owner} (pause)", lease_until=until)
    )
