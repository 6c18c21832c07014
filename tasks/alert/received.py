"""Readings that have come: alerts that look at them are asked, at most once in 20 s for each object and name."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from tasks.alert.model import AlertSet
from tasks.conveyor.internal import About, raise_once
from tasks.ledger import readings
from tasks.ledger.readings import Thing
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model.definitions import READING_RECEIVED
from tasks.site.settings import Settings

#: Readings that are taken in one transaction.
PAGE = 5000
#: Several readings of one name on one object within so many seconds lead to one event.
SLOT_SECONDS = 20


def receive(ledger: Ledger, settings: Settings, alerts: AlertSet, now: datetime) -> set[int]:
    """Raise ``reading_received`` for fresh readings that an alert looks at; returns the lanes to ring for.

    The event's raw type is the reading's name. Where there was an event in these 20 s already the reading stays
    fresh, so that the last one of a series is never overlooked. Those before it do not stay: one object with very
    many would fill the page, and no other one would be looked at.
    """
    with ledger.transaction() as session:
        fresh = readings.take_fresh(session, PAGE)
        watched = {(one.thing, one.name) for one in fresh if alerts.watching(one.name, one.thing.ref.kind)}
        raised, lanes = _raise(session, settings, watched, now)
        last = {(one.thing, one.name): one.id for one in fresh if (one.thing, one.name) in watched - raised}
        done = [one.id for one in fresh if last.get((one.thing, one.name)) != one.id]
        if done:
            readings.looked_at(session, done)
    return lanes


def _raise(
    session: Session, settings: Settings, watched: Collection[tuple[Thing, str]], now: datetime
) -> tuple[set[tuple[Thing, str]], set[int]]:
    """One event for each object and name: for which there is a new one, and the lanes to ring for."""
    if not watched:
        return set(), set()
    owners = readings.names_of(session, {thing.provider_id for thing, _ in watched})
    tenants = readings.tenants(session, {thing for thing, _ in watched})
    slot = int(now.timestamp() // SLOT_SECONDS)
    identities = {(t.provider_id, f"{t.ref}:{READING_RECEIVED}:{name}:{slot}"): (t, name) for t, name in watched}
    wanted = [
        About(
            provider_id,
            thing.ref,
            owners[provider_id],
            tenant_id=tenants.get(thing),
            group="alert",
            message_id=message,
            detail=name,
        )
        for (provider_id, message), (thing, name) in identities.items()
    ]
    count = Count()
    raised = raise_once(session, settings, now, count, READING_RECEIVED, wanted)
    count.write(session)
    return {identities[one.provider_id, one.message_id] for one in raised}, {one.lane for one in raised}
