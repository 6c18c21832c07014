"""Readings are kept, alerts that look at them are asked, and what is well again is over."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from tasks.alert import received, task
from tasks.conveyor.installation import Installation
from tasks.conveyor.prune import expire
from tasks.ledger import readings
from tasks.ledger.effects import Effect
from tasks.ledger.events import Event
from tasks.ledger.incidents import Incident
from tasks.ledger.readings import Reading, Thing
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.event import ObjectRef
from tests.ground import Clock, Rung, all_the_way, count, exact, installed, provider, site
from tests.known_ground import known

HOT = """
alerts:
- name: hot
  target: server
  reading: {name: cpu_percent, operator: ">", value: 90, for: 10m}
  delay: 1h
  notify: [{log: {message: "${target.name} is hot"}}]
"""


def told(ledger: Ledger, cloud: int, value: float, *, ref: str = "s1", name: str = "cpu_percent") -> None:
    row = {"provider_id": cloud, "kind": "server", "ref": ref, "name": name, "value": value, "at": clock.now()}
    with ledger.transaction() as session:
        readings.store(session, [{**row, "fresh": True}])


def taken(present: Installation) -> set[int]:
    return received.receive(present.ledger, present.site.settings, present.site.part("alerts"), clock.now())


def asked(ledger: Ledger) -> list[tuple[str, str]]:
    with ledger.reading() as session:
        query = select(Event.raw_event_type, Event.resource_id).where(Event.event_type == "reading_received")
        return [(row[0], str(row[1])) for row in session.execute(query.order_by(Event.id))]


def state(ledger: Ledger) -> list[str]:
    with ledger.reading() as session:
        return list(session.scalars(select(Incident.state).order_by(Incident.id)))


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_alert_fires_after_its_span_and_ends_with_the_first_reading_that_is_well(
    ledger: Ledger, hands: Clock, fuse: str
) -> None:
    present = installed(ledger, site(alerts=HOT, conveyor={"fuse": fuse}))
    cloud = provider(ledger)
    known(ledger, cloud, "s1", tenant_id="red")
    for minute in range(11):
        assert state(ledger) == [], minute
        told(ledger, cloud, 95)
        assert len(taken(present)) == 1
        all_the_way(present)
        hands.forward(60)
    assert state(ledger) == ["open"]
    told(ledger, cloud, 96)
    taken(present)
    all_the_way(present)
    assert (state(ledger), count(ledger, Effect)) == (["open"], 1)
    hands.forward(60)
    told(ledger, cloud, 50)
    taken(present)
    all_the_way(present)
    assert state(ledger) == ["closed"]
    with ledger.reading() as session:
        assert session.scalars(select(Event.tenant_id).distinct()).all() == ["red"]
    exact(ledger)


def test_readings_that_no_alert_looks_at_raise_nothing_and_are_kept(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(alerts=HOT))
    cloud = provider(ledger)
    told(ledger, cloud, 95, name="memory")
    assert taken(present) == set()
    assert (asked(ledger), count(ledger, Reading), count(ledger, Reading, Reading.fresh)) == ([], 1, 0)


def test_a_burst_is_one_event_for_each_object_and_name_and_its_last_reading_is_not_overlooked(
    ledger: Ledger, hands: Clock
) -> None:
    present = installed(ledger, site(alerts=HOT + "- {name: c, target: server, reading: {name: load, value: 1}}\n"))
    cloud = provider(ledger)
    for value in range(5):
        told(ledger, cloud, value)
        told(ledger, cloud, value, ref="s2")
        told(ledger, cloud, value, name="load")
    taken(present)
    assert sorted(asked(ledger)) == [("cpu_percent", "s1"), ("cpu_percent", "s2"), ("load", "s1")]
    hands.forward(10)
    told(ledger, cloud, 99)
    assert taken(present) == set()
    assert count(ledger, Reading, Reading.fresh) == 1
    hands.forward(10)
    taken(present)
    assert sorted(asked(ledger)) == [("cpu_percent", "s1")] * 2 + [("cpu_percent", "s2"), ("load", "s1")]
    assert count(ledger, Reading, Reading.fresh) == 0


def test_one_object_with_very_many_readings_does_not_keep_others_from_being_looked_at(
    ledger: Ledger, hands: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(received, "PAGE", 5)
    present = installed(ledger, site(alerts=HOT))
    cloud = provider(ledger)
    told(ledger, cloud, 95, ref="loud")
    taken(present)
    for value in range(20):
        told(ledger, cloud, value, ref="loud")
    told(ledger, cloud, 95, ref="quiet")
    for _ in range(7):
        taken(present)
    assert asked(ledger) == [("cpu_percent", "loud"), ("cpu_percent", "quiet")]
    # The last one of the loud object is looked at in the next slot.
    assert count(ledger, Reading, Reading.fresh) == 1


@pytest.mark.parametrize("clocks", [2, 4])
def test_clocks_that_take_readings_at_once_raise_one_event(ledger: Ledger, hands: Clock, clocks: int) -> None:
    present = installed(ledger, site(alerts=HOT))
    cloud = provider(ledger)
    for number in range(10):
        told(ledger, cloud, 95, ref=f"s{number}")
    gate, faults = threading.Barrier(clocks), list[BaseException]()

    def run() -> None:
        try:
            gate.wait(20)
            taken(present)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(clocks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(ref for _, ref in asked(ledger)) == [f"s{number}" for number in range(10)]


def test_readings_of_a_span_come_oldest_first_and_of_many_the_newest(ledger: Ledger, hands: Clock) -> None:
    cloud = provider(ledger)
    for value in range(5):
        told(ledger, cloud, value)
        hands.forward(60)
    told(ledger, cloud, 9, ref="s2")
    told(ledger, cloud, 9, name="memory")
    thing = Thing(cloud, ObjectRef("server", "s1"))
    start = hands.now - timedelta(minutes=5)
    with ledger.reading() as session:

        def between(after: int, until: int, limit: int = 1000) -> list[float]:
            moments = (start + timedelta(minutes=after), start + timedelta(minutes=until))
            return [v for _, v in readings.between(session, thing, "cpu_percent", *moments, limit)]

        assert between(-1, 9) == [0, 1, 2, 3, 4]
        assert between(0, 3) == [1, 2, 3]
        assert between(-1, 9, 2) == [3, 4]


def test_readings_are_forgotten_after_a_week(ledger: Ledger, hands: Clock) -> None:
    present, cloud = installed(ledger), provider(ledger)
    told(ledger, cloud, 1)
    hands.forward(7 * 86_400)
    told(ledger, cloud, 2)
    expire(ledger, present.site.settings, hands.now)
    assert count(ledger, Reading) == 2
    expire(ledger, present.site.settings, hands.now + timedelta(seconds=1))
    with ledger.reading() as session:
        assert session.scalars(select(Reading.value)).all() == [2]


def test_the_door_rings_for_the_switchboard(
    ledger: Ledger, hands: Clock, rung: Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = installed(ledger, site(alerts=HOT))
    told(ledger, provider(ledger), 95)
    monkeypatch.setattr(task, "current", lambda: present)
    task.run_receive()
    task.run_receive()
    [(steps, _)] = rung.chains
    assert steps[0] == "switchboard.run"


def test_check_82_an_alert_on_a_reading_looks_at_its_own_incident_alone(ledger: Ledger, hands: Clock) -> None:
    two = (
        "alerts:\n"
        "- {name: hot, target: server, reading: {name: cpu_percent, operator: '>', value: 90}}\n"
        "- {name: warm, target: server, reading: {name: cpu_percent, operator: '>', value: 50}}\n"
    )
    present = installed(ledger, site(alerts=two))
    cloud = provider(ledger)
    known(ledger, cloud, "s1")
    for value in (95, 70):
        told(ledger, cloud, value)
        taken(present)
        all_the_way(present)
        hands.forward(60)
    with ledger.reading() as session:
        found = {i.alert: i.state for i in session.scalars(select(Incident))}
    assert found == {"hot": "closed", "warm": "open"}
