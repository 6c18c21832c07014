"""Set facts, and tell of health that has changed, in one transaction: what all that learn of facts go through."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from tasks.conveyor.firing import builtin, fire, lanes
from tasks.ledger.facts import Change, Write, write
from tasks.ledger.tally import Count
from tasks.model.builtin_events import HEALTH
from tasks.site.settings import Settings


def set_facts(
    session: Session,
    settings: Settings,
    now: datetime,
    count: Count,
    origin: str,
    writes: Sequence[Write],
    *,
    whole: bool = False,
) -> tuple[list[Change], set[int]]:
    """Set facts as :func:`tasks.ledger.facts.write` does; returns what has changed, and the lanes to ring for.

    Each change of a health fact is told; an object that is seen for the first time and is well is no news (8).
    """
    changes = write(session, now, origin, writes, whole=whole)
    told = [
        builtin(
            HEALTH[change.name],
            change.object,
            {"health": change.after, "before": change.before},
            severity="info" if change.after else "warning",
        )
        for change in changes
        if change.name in HEALTH and not (change.before is None and change.after is not False)
    ]
    return changes, lanes(fire(session, settings, now, count, told))
