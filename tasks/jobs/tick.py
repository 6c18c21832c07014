"""One tick of the scheduler: what is deployed, what fires, who is let in, and which hosts are rung."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tasks.jobs import admit, clocks, deployed, listen, watch
from tasks.jobs.model import JobSet
from tasks.jobs.report import report
from tasks.ledger.session import JOBS_LOCK, Ledger, try_lock
from tasks.ledger.tally import Count
from tasks.site.contracts import Site

_ONE = 1


@dataclass(slots=True)
class Rings:
    """Whom to ring for after a tick: lanes of events, and how many runs wait for each host (None: any)."""

    lanes: set[int] = field(default_factory=set)
    hosts: dict[str | None, int] = field(default_factory=dict)


def tick(ledger: Ledger, site: Site, now: datetime) -> Rings:
    """Do all that is due. Of two ticks at once one does the work; what both did is there once."""
    jobs: JobSet = site.part("jobs")
    rings = Rings()
    with ledger.transaction() as session:
        if not try_lock(session, JOBS_LOCK, _ONE):
            return rings
        deployed.sync(session, jobs, site.version, now)
    listen.tick(ledger, jobs, now)
    with ledger.transaction() as session:
        if not try_lock(session, JOBS_LOCK, _ONE):
            return rings
        count = Count()
        clocks.tick(session, jobs, now)
        moved = admit.tick(session, jobs, now)
        moved += watch.cancelled(session, now)
        moved += watch.conditions(session, jobs, now)
        rings.lanes = report(session, site.settings, now, count, moved)
        watch.forget_facts(session, now)
        count.write(session)
    with ledger.reading() as session:
        rings.hosts = watch.to_ring(session, now)
    return rings
