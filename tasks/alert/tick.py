"""What the clock does for alerts: those with ``every`` are asked about the objects of their kind, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from tasks.alert.model import Alert, AlertSet
from tasks.conveyor.internal import About, raise_once
from tasks.expressions.facts import Facts
from tasks.expressions.verdict import EvaluationFault
from tasks.ledger import rounds
from tasks.ledger.incidents import firing_key
from tasks.ledger.known import Known, page
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model.definitions import ALERT_DUE
from tasks.model.event import POLICY_EVENT, Event, Normalised, object_key
from tasks.site.settings import Settings

#: Objects that one tick looks at, at the most, for all alerts together; the rest follows with the next one.
A_TICK = 1000


def tick(ledger: Ledger, settings: Settings, alerts: AlertSet, now: datetime) -> set[int]:
    """Raise ``alert_due`` on the objects for which an alert may have to do something; returns the lanes to ring for.

    Whether it holds is looked at here already, so that an object about which there is nothing to say costs no event.
    """
    lanes: set[int] = set()
    left, asked = A_TICK, alerts.by_clock()
    for done, (alert, kind, every) in enumerate(asked):
        share = -(-left // (len(asked) - done))
        if share:
            with ledger.transaction() as session:
                looked, rung = _go_on(session, settings, alerts, alert, kind, every, share, now)
            left -= looked
            lanes |= rung
    return lanes


def _go_on(
    session: Session,
    settings: Settings,
    alerts: AlertSet,
    alert: Alert,
    kind: str,
    every: timedelta,
    share: int,
    now: datetime,
) -> tuple[int, set[int]]:
    """The next page of the alert's round: how many objects it has, and the lanes to ring for."""
    found = rounds.begun(session, alert.name, now, every)
    if found is None:
        return 0, set()
    began, after = found
    objects = page(session, kind, after, share)
    rounds.note(session, alert.name, began, objects[-1].id if len(objects) == share else None)
    keys = {one.id: firing_key(alert.name, one.provider, *one.facts.ref) for one in objects}
    is_open = rounds.still_open(session, keys.values())
    concerned = [one for one in objects if keys[one.id] in is_open or _may_fire(alerts, alert, one, now)]
    # Where nobody works, events of one round after the other must not pile up.
    waiting = rounds.waiting(session, ALERT_DUE, alert.name, [_object_key(one) for one in concerned])
    concerned = [one for one in concerned if _object_key(one) not in waiting]
    wanted = _events(alert, concerned, began)
    count = Count()
    lanes = {raised.lane for raised in raise_once(session, settings, now, count, ALERT_DUE, wanted)}
    count.write(session)
    return len(objects), lanes


def _object_key(one: Known) -> str:
    return object_key(one.provider, one.facts.ref, "")


def _events(alert: Alert, objects: Sequence[Known], began: datetime) -> list[About]:
    """One event for each object and round, whatever number of clocks there is."""
    return [
        About(
            one.provider_id,
            one.facts.ref,
            one.provider,
            tenant_id=one.facts.tenant_id,
            group="alert",
            message_id=f"{one.facts.ref}:{ALERT_DUE}:{alert.name}:{int(began.timestamp())}",
            detail=alert.name,
        )
        for one in objects
    ]


def _may_fire(alerts: AlertSet, alert: Alert, one: Known, now: datetime) -> bool:
    """Whether the alert holds on the object as it is known; one that cannot be judged is shown with its event."""
    ref = one.facts.ref
    told = Normalised(ALERT_DUE, alert.name, ALERT_DUE, now, ref.kind, ref.id, tenant_id=one.facts.tenant_id)
    facts = Facts(Event(0, one.provider, "POLICY", POLICY_EVENT, told, {}), one.facts, now)
    if not alerts.assigned(alert, facts)[0]:
        return False
    try:
        return alert.when is None or alert.when.judge(facts).result
    except EvaluationFault:
        return True
