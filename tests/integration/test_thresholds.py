"""An alert that fires when its events happened so often on one object, counted over batches and workers."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tasks.conveyor import view
from tasks.ledger.incidents import Incident
from tasks.ledger.session import Ledger
from tests.ground import STOPPED, Clock, all_the_way, caught, installed, notice, provider, site

ALERTS = """
alerts:
- {name: flaps, target: server, on: ["compute.instance.power_*.end"], at_least: {times: 3, within: 10m}, delay: 0s}
"""
STARTED = "compute.instance.power_on.end"


def fired(ledger: Ledger) -> dict[str, int]:
    with ledger.reading() as session:
        return {i.ref: i.count for i in session.scalars(select(Incident))}


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_third_event_within_the_time_fires(ledger: Ledger, hands: Clock, fuse: str) -> None:
    present, lab = installed(ledger, site(alerts=ALERTS, conveyor={"fuse": fuse})), provider(ledger)
    caught(
        present, lab, notice(STOPPED, "s1"), notice(STOPPED, "s2"), notice("compute.instance.update", "s1", seconds=1)
    )
    all_the_way(present)
    caught(present, lab, notice(STARTED, "s1", seconds=60), notice(STARTED, "s2", seconds=60))
    all_the_way(present)
    assert fired(ledger) == {}
    caught(present, lab, notice(STOPPED, "s1", seconds=599), notice(STOPPED, "s2", seconds=601))
    all_the_way(present)
    # The first event of s2 is more than ten minutes ago by then.
    assert fired(ledger) == {"s1": 1}
    caught(present, lab, notice(STARTED, "s2", seconds=640))
    all_the_way(present)
    assert fired(ledger) == {"s1": 1, "s2": 1}


def test_three_in_one_batch_fire_once(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger, site(alerts=ALERTS)), provider(ledger)
    caught(present, lab, *(notice(STOPPED, "s1", seconds=n) for n in range(3)))
    all_the_way(present)
    assert fired(ledger) == {"s1": 1}


def test_very_many_other_events_of_the_object_do_not_hide_those_that_count(
    ledger: Ledger, hands: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "MOST_HAPPENED", 5)
    present, lab = installed(ledger, site(alerts=ALERTS)), provider(ledger)
    caught(present, lab, *(notice("compute.instance.update", "s1", seconds=n) for n in range(20)))
    caught(present, lab, *(notice(STOPPED, "s1", seconds=n + 20) for n in range(3)))
    all_the_way(present)
    assert fired(ledger) == {"s1": 1}
