"""What the clock does for policies: objects whose compliance has to be looked at again are checked."""

from __future__ import annotations

from datetime import datetime

from tasks.conveyor.internal import About, raise_once
from tasks.expressions.delays import slot_of
from tasks.ledger import compliance
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model.compliance import check_event
from tasks.model.event import ObjectRef
from tasks.policy.model import PolicySet
from tasks.site.settings import Settings

#: Objects that one tick has checked, at the most; the rest follows with the next one.
A_TICK = 1000


def tick(ledger: Ledger, settings: Settings, policies: PolicySet, now: datetime) -> set[int]:
    """Raise the check event for objects whose newest check is too old; returns the lanes to ring for.

    Each kind of object has its share, and leaves what it does not need to the others. One period has an object
    checked once, whatever number of clocks there is.
    """
    lanes: set[int] = set()
    left, periods = A_TICK, sorted(policies.periods().items())
    for done, (kind, every) in enumerate(periods):
        event_type = check_event(kind)
        identity = f"{event_type}:{slot_of(now.timestamp(), every)}"
        share = -(-left // (len(periods) - done))
        with ledger.reading() as session:
            found = compliance.due(session, kind, event_type, now - every, identity, share)
        if not found:
            continue
        left -= len(found)
        wanted = [
            About(
                one.provider_id,
                ref := ObjectRef(kind, one.ref),
                one.provider,
                tenant_id=one.tenant_id,
                group="compliance",
                message_id=f"{ref}:{identity}",
            )
            for one in found
        ]
        with ledger.transaction() as session:
            count = Count()
            lanes |= {raised.lane for raised in raise_once(session, settings, now, count, event_type, wanted)}
            count.write(session)
    return lanes
