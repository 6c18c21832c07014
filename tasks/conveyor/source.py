"""Tell the rules when a source is suspiciously quiet, when events of it are missing, and when all is well again."""

from __future__ import annotations

from datetime import datetime

import structlog

from tasks.conveyor.internal import NORMAL, About, raise_internal
from tasks.ledger import source
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model.event import PROVIDER, ObjectRef
from tasks.site.settings import Settings

log = structlog.get_logger(__name__)


def tell(ledger: Ledger, settings: Settings, now: datetime) -> set[int]:
    """Raise ``source_…`` on each provider of which there is news; returns the lanes to ring for.

    What is told is noted in the transaction of its event, so that of two sweeps one tells it.
    """
    with ledger.reading() as session:
        if not source.news(session, now):
            return set()
    lanes: set[int] = set()
    with ledger.transaction() as session:
        count = Count()
        # In one order for all, so that two sweeps never wait for each other in a circle.
        for one in sorted(source.news(session, now), key=lambda one: (one.provider, one.gap_id or 0)):
            if not source.take(session, one):
                continue
            log.info("there is news of a source", provider=one.provider, news=one.word)
            about = About(one.provider_id, ObjectRef(PROVIDER, one.provider), one.provider, group="health")
            lanes.add(raise_internal(session, settings, now, count, one.word, about, NORMAL)[1])
        count.write(session)
    return lanes
