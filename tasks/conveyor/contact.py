"""Tell the rules when a provider refuses, does not answer, or is well again (spec policy-alerts 1.3 D)."""

from __future__ import annotations

from datetime import datetime

import structlog

from tasks.conveyor.internal import NORMAL, About, raise_internal
from tasks.ledger import contact
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model.event import PROVIDER, ObjectRef
from tasks.site.settings import Settings

log = structlog.get_logger(__name__)


def tell(ledger: Ledger, settings: Settings, now: datetime) -> set[int]:
    """Raise ``ems_auth_…`` on each provider whose contact has changed; returns the lanes to ring for.

    Whoever finds a change notes it and raises its event in one transaction, so that of two sweeps one does.
    """
    with ledger.reading() as session:
        if not contact.news(session):
            return set()
    lanes: set[int] = set()
    with ledger.transaction() as session:
        count = Count()
        # In the order of the names, so that two sweeps never wait for each other in a circle.
        for one in sorted(contact.news(session), key=lambda one: one.provider):
            if not contact.take(session, one):
                continue
            log.info("the contact with a provider has changed", provider=one.provider, contact=one.word)
            about = About(one.provider_id, ObjectRef(PROVIDER, one.provider), one.provider, group="health")
            event_type = f"ems_auth_{one.word}"
            lanes.add(raise_internal(session, settings, now, count, event_type, about, NORMAL)[1])
        count.write(session)
    return lanes
