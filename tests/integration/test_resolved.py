"""An alert's opposite event ends its incident; the next firing opens a new one, in one batch as well."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tasks.ledger.incident_moves import history
from tasks.ledger.incidents import Incident
from tasks.ledger.session import Ledger
from tests.ground import Clock, all_the_way, caught, installed, notice, provider, site

ALERTS = """
alerts:
- {name: down, severity: error, target: server, on: [vm_poweroff], resolved_by: [vm_start], delay: 0s}
"""
STARTED = "compute.instance.power_on.end"


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_opposite_event_ends_the_incident(ledger: Ledger, hands: Clock, fuse: str) -> None:
    present, lab = installed(ledger, site(alerts=ALERTS, conveyor={"fuse": fuse})), provider(ledger)
    caught(present, lab, notice(server="s1"), notice(server="s2", seconds=1))
    all_the_way(present)
    caught(present, lab, notice(STARTED, "s1", seconds=2), notice(STARTED, "s3", seconds=3))
    all_the_way(present)
    with ledger.reading() as session:
        states = {i.ref: (i.state, i.closed_by) for i in session.scalars(select(Incident))}
        [note] = history(session, session.scalars(select(Incident.id).where(Incident.ref == "s1")).one())
    assert states["s2"] == ("open", None)
    assert states["s1"][0] == "closed"
    assert (note.word, note.who) == ("resolved", states["s1"][1])


def test_off_on_and_off_again_in_one_batch_are_two_incidents(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger, site(alerts=ALERTS, conveyor={"fuse": "always"})), provider(ledger)
    caught(present, lab, notice(), notice(STARTED, seconds=1), notice(seconds=2))
    all_the_way(present)
    with ledger.reading() as session:
        assert [i.state for i in session.scalars(select(Incident).order_by(Incident.id))] == ["closed", "open"]
