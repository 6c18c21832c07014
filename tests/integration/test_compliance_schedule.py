"""Compliance on a schedule: the clock has objects checked whose newest check is too old, each once a period."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tasks.conveyor.installation import Installation
from tasks.conveyor.internal import About, raise_internal, raise_once
from tasks.ledger import compliance
from tasks.ledger.events import Event, Place
from tasks.ledger.inventory import GONE
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model import clock
from tasks.model.event import ObjectRef
from tasks.policy import task, tick
from tests.ground import START, Clock, Rung, all_the_way, count, exact, installed, lanes, provider, site, take
from tests.known_ground import known

OWNED = """
policies:
- name: owned
  mode: compliance
  target: server
  every: 6h
  when: {field: server.metadata.owner, empty: false}
- {name: slower, mode: compliance, target: server, every: 2d}
"""


def ticked(present: Installation) -> set[int]:
    return tick.tick(present.ledger, present.site.settings, present.site.part("policies"), clock.now())


def checks(ledger: Ledger) -> list[tuple[str, str]]:
    with ledger.reading() as session:
        found = session.scalars(select(compliance.ComplianceCheck).order_by(compliance.ComplianceCheck.id))
        return sorted((check.ref, check.status) for check in found)


def asked(ledger: Ledger) -> list[str]:
    with ledger.reading() as session:
        query = select(Event.resource_id).where(Event.event_type == "vm_compliance_check").order_by(Event.resource_id)
        return [str(ref) for ref in session.scalars(query)]


def test_objects_that_were_never_checked_are_checked_and_again_after_the_period(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(policies=OWNED))
    cloud = provider(ledger)
    known(ledger, cloud, "s1", metadata={"owner": "erin"})
    known(ledger, cloud, "s2", metadata={}, tenant_id="red")
    known(ledger, cloud, "n1", kind="network")
    known(ledger, cloud, "s3", state=GONE)
    rung = ticked(present)
    assert asked(ledger) == ["s1", "s2"]
    with ledger.reading() as session:
        assert set(session.scalars(select(Place.lane))) == rung
        assert session.scalars(select(Event.tenant_id).where(Event.resource_id == "s2")).one() == "red"
    all_the_way(present)
    assert checks(ledger) == [("s1", "compliant"), ("s2", "non-compliant")]
    hands.forward(6 * 3600 - 1)
    assert ticked(present) == set()
    hands.forward(1)
    assert len(ticked(present)) in (1, 2)
    all_the_way(present)
    assert asked(ledger) == ["s1", "s1", "s2", "s2"]
    exact(ledger)


def test_an_object_that_waits_for_its_check_is_not_asked_for_another_one(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(policies=OWNED))
    known(ledger, provider(ledger), "s1")
    ticked(present)
    for _ in range(3):
        hands.forward(6 * 3600)
        assert ticked(present) == set()
    assert asked(ledger) == ["s1"]


def test_an_object_whose_check_died_is_left_alone_for_the_rest_of_the_period(ledger: Ledger, hands: Clock) -> None:
    def dying(*_: object) -> Any:
        raise OSError("no")

    present = installed(ledger, site(policies=OWNED, conveyor={"attempts": 1}))
    known(ledger, provider(ledger), "s1")
    ticked(present)
    take(present, "switchboard", dying)
    assert ticked(present) == set()
    hands.forward(6 * 3600)
    assert ticked(present) != set()
    assert asked(ledger) == ["s1", "s1"]


def test_a_check_by_hand_counts_for_the_period(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(policies=OWNED))
    cloud = provider(ledger)
    known(ledger, cloud, "s1")
    with ledger.transaction() as session:
        tally = Count()
        about = About(cloud, ObjectRef("server", "s1"), "lab")
        raise_internal(session, present.site.settings, hands.now, tally, "vm_compliance_check", about)
        tally.write(session)
    assert ticked(present) == set()
    all_the_way(present)
    assert ticked(present) == set()
    hands.forward(6 * 3600)
    assert ticked(present) != set()


def test_a_tick_takes_its_share_of_each_kind_and_the_rest_follows_the_longest_unchecked_first(
    ledger: Ledger, hands: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick, "A_TICK", 4)
    volumes = "- {name: v, mode: compliance, target: volume, every: 1h}"
    present = installed(ledger, site(policies=OWNED + volumes))
    cloud = provider(ledger)
    for number in range(5):
        known(ledger, cloud, f"s{number}")
    known(ledger, cloud, "v1", kind="volume")
    ticked(present)
    with ledger.reading() as session:
        assert session.scalars(select(Event.event_type).where(Event.resource_kind == "volume")).all() == [
            "object_compliance_check"
        ]
    assert asked(ledger) == ["s0", "s1"]
    all_the_way(present)
    for expected in (["s0", "s1", "s2", "s3"], ["s0", "s1", "s2", "s3", "s4"]):
        hands.forward(60)
        ticked(present)
        assert asked(ledger) == expected
        all_the_way(present)
    hands.forward(6 * 3600)
    monkeypatch.setattr(tick, "A_TICK", 2)
    ticked(present)
    assert sorted(asked(ledger)) == ["s0", "s0", "s1", "s2", "s3", "s4"]


def test_nothing_is_checked_without_a_policy_that_says_how_often(ledger: Ledger, hands: Clock) -> None:
    resting = OWNED.replace("every: 6h", "active: true").replace("every: 2d", "every: 2d, active: false")
    present = installed(ledger, site(policies=resting))
    known(ledger, provider(ledger), "s1")
    assert ticked(present) == set()
    assert count(ledger, Event) == 0


@pytest.mark.parametrize("clocks", [2, 4])
def test_clocks_that_tick_at_once_raise_one_event_for_each_object(ledger: Ledger, hands: Clock, clocks: int) -> None:
    present = installed(ledger, site(policies=OWNED))
    cloud = provider(ledger)
    for number in range(20):
        known(ledger, cloud, f"s{number:02}")
    gate, rung, faults = threading.Barrier(clocks), list[set[int]](), list[BaseException]()

    def run() -> None:
        try:
            gate.wait(20)
            rung.append(ticked(present))
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(clocks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert asked(ledger) == [f"s{number:02}" for number in range(20)]
    assert set().union(*rung) <= set(lanes(present))
    assert exact(ledger)["internal"].stored == 20


def test_an_event_with_an_identity_is_stored_once_even_while_the_first_one_is_not_committed(
    ledger: Ledger, hands: Clock
) -> None:
    settings = installed(ledger).site.settings
    about = About(provider(ledger), ObjectRef("server", "s1"), "lab", message_id="server/s1:once")
    results: list[int] = []

    def raised() -> None:
        with ledger.transaction() as session:
            tally = Count()
            results.append(len(raise_once(session, settings, START, tally, "vm_start", [about, about])))
            tally.write(session)

    with ledger.transaction() as session:
        tally = Count()
        first = raise_once(session, settings, START, tally, "vm_start", [about])
        tally.write(session)
        other = threading.Thread(target=raised)
        other.start()
    other.join()
    assert (len(first), results) == (1, [0])
    assert (count(ledger, Event), count(ledger, Place)) == (1, 1)
    assert exact(ledger)["internal"].received == 1


def test_the_door_rings_for_the_switchboard(
    ledger: Ledger, hands: Clock, rung: Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = installed(ledger, site(policies=OWNED))
    known(ledger, provider(ledger), "s1")
    monkeypatch.setattr(task, "current", lambda: present)
    task.run_tick()
    [(steps, _)] = rung.chains
    assert steps[0] == "switchboard.run"
    hands.forward(timedelta(minutes=1).total_seconds())
    task.run_tick()
    assert len(rung.chains) == 1
