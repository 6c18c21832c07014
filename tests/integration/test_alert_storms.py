"""A storm of one alert on one object, with workers that race for it and processes that come and go."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import select

from tasks.conveyor.installation import Installation
from tasks.conveyor.order import ORDER, from_stage
from tasks.conveyor.turn import take
from tasks.ledger.effects import Effect
from tasks.ledger.incidents import Incident
from tasks.ledger.session import Ledger
from tasks.ledger.silences import Silence
from tests.ground import (
    HANDLERS,
    Clock,
    all_the_way,
    caught,
    count,
    exact,
    installed,
    notice,
    only_postgresql,
    provider,
)
from tests.ground import site as made

ALERT = """
alerts:
- name: down
  severity: error
  target: server
  on: [vm_poweroff]
  delay: 10m
  notify: [{log: {message: "${target.name} is off"}}]
"""


def race(present: Installation, workers: int) -> None:
    """Workers that take turns at all stages until nothing is due, all at once."""
    lanes = range(present.site.settings.conveyor.lanes)
    start, failures = threading.Barrier(workers), []

    def work() -> None:
        start.wait()
        try:
            idle = 0
            while idle < 3:
                lines = [[(step, HANDLERS[step]) for step in from_stage(stage)] for stage in ORDER]
                done = sum(take(present, line, lanes).worked for line in lines)
                idle = 0 if done else idle + 1
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def incidents(ledger: Ledger) -> Sequence[tuple[str, int]]:
    with ledger.reading() as session:
        return [(row.state, row.count) for row in session.scalars(select(Incident).order_by(Incident.id))]


@only_postgresql
def test_a_storm_that_workers_race_for_opens_one_incident_and_notifies_once(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, made(alerts=ALERT, conveyor={"batch": 7}))
    lab = provider(ledger)
    caught(present, lab, *(notice(seconds=n) for n in range(60)))
    race(present, 4)
    all_the_way(present)
    assert incidents(ledger) == [("open", 60)]
    assert count(ledger, Effect) == 1
    assert exact(ledger)["internal"].finished == 60


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_the_delay_holds_across_restarts(ledger: Ledger, hands: Clock, fuse: str) -> None:
    settings = {"fuse": fuse}
    lab = 0
    for minute in range(12):
        # Each notification meets processes that know nothing of those before.
        present = installed(ledger, made(alerts=ALERT, conveyor=settings))
        lab = lab or provider(ledger)
        caught(present, lab, notice(seconds=minute * 60))
        all_the_way(present)
        hands.forward(60)
    assert incidents(ledger) == [("open", 12)]
    # At the first minute, and at the eleventh.
    assert count(ledger, Effect) == 2


@only_postgresql
def test_a_silence_holds_for_all_workers(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, made(alerts=ALERT))
    lab = provider(ledger)
    with ledger.transaction() as session:
        until = hands.now.replace(year=hands.now.year + 1)
        session.add(Silence(alert="down", comment="at work", made_by="erin", starts_at=hands.now, ends_at=until))
    caught(present, lab, *(notice(seconds=n) for n in range(20)))
    race(present, 3)
    all_the_way(present)
    assert incidents(ledger) == [("open", 20)]
    assert count(ledger, Effect) == 0
