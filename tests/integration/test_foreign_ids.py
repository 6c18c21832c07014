"""A cloud chooses the ids of its messages, and must not take those of Catchment's own events."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tasks.ledger.effects import Effect
from tasks.ledger.events import Event
from tasks.ledger.session import Ledger
from tests.ground import Clock, all_the_way, caught, count, exact, installed, notice, provider, site

STARTED = "compute.instance.power_on.end"
SAYS = "policies:\n- {name: says, target: server, on: [vm_start], then: [{log: {message: started}}]}\n"


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_a_message_with_the_id_of_an_internal_event_does_not_keep_that_from_being_raised(
    ledger: Ledger, hands: Clock, fuse: str
) -> None:
    present = installed(ledger, site(policies=SAYS, conveyor={"fuse": fuse}))
    cloud = provider(ledger)
    caught(present, cloud, notice(STARTED, "s1"))
    with ledger.reading() as session:
        number = session.scalars(select(Event.id)).one()
    forged = notice("other.event", "s2", message_id=f"raised:{number}:0:vm_start")
    caught(present, cloud, forged)
    assert caught(present, cloud, forged).duplicate == 1
    all_the_way(present)
    with ledger.reading() as session:
        raised = session.scalars(select(Event.resource_id).where(Event.raised, Event.event_type == "vm_start")).all()
    assert list(raised) == ["s1"]
    assert count(ledger, Effect) == 1
    exact(ledger)
