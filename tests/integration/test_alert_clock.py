"""Alerts on a clock: asked about each object of their kind once a period, and over when they do not hold any more."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, update

from tasks.alert import task, tick
from tasks.conveyor.installation import Installation
from tasks.ledger.effects import Effect
from tasks.ledger.events import Decision, Event
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import GONE, STUB, InventoryObject
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model import clock
from tests.ground import Clock, Rung, all_the_way, count, exact, installed, provider, site
from tests.known_ground import known

OLD = """
alerts:
- name: too large
  target: server
  every: 1h
  delay: 2h
  when: {field: server.memory_mb, ">": 4096}
  description: "${target.name} has ${target.memory_mb}"
  notify: [{log: {message: "${event.raw_event_type}: ${target.name}"}}]
- {name: whatever, on: ["*"], notify: [{log: {message: never}}]}
"""


def ticked(present: Installation) -> set[int]:
    return tick.tick(present.ledger, present.site.settings, present.site.part("alerts"), clock.now())


def due(ledger: Ledger) -> list[tuple[str, str]]:
    with ledger.reading() as session:
        query = select(Event.raw_event_type, Event.resource_id).where(Event.event_type == "alert_due")
        return [(row[0], str(row[1])) for row in session.execute(query.order_by(Event.id))]


def incidents(ledger: Ledger) -> list[tuple[str, str, str, int]]:
    with ledger.reading() as session:
        found = session.scalars(select(Incident).order_by(Incident.id))
        return [(i.alert, i.ref, i.state, i.count) for i in found]


def set_memory(ledger: Ledger, ref: str, memory: int) -> None:
    with ledger.transaction() as session:
        values = {"attributes": {"memory_mb": memory}}
        session.execute(update(InventoryObject).where(InventoryObject.ref == ref).values(**values))


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_check_79_the_clock_asks_about_every_known_object_and_what_does_not_hold_any_more_is_over(
    ledger: Ledger, hands: Clock, fuse: str
) -> None:
    present = installed(ledger, site(alerts=OLD, conveyor={"fuse": fuse}))
    cloud = provider(ledger)
    known(ledger, cloud, "s1", memory_mb=8192)
    known(ledger, cloud, "s2", memory_mb=512)
    known(ledger, cloud, "s3", memory_mb=8192, state=GONE)
    known(ledger, cloud, "s4", memory_mb=8192, state=STUB)
    known(ledger, cloud, "v1", memory_mb=8192, kind="volume")
    assert len(ticked(present)) == 1
    all_the_way(present)
    # An object about which there is nothing to say costs no event, and no other alert answers.
    assert due(ledger) == [("too large", "s1")]
    assert incidents(ledger) == [("too large", "s1", "open", 1)]
    with ledger.reading() as session:
        assert session.scalars(select(Incident.summary)).one() == "name of s1 has 8192"
        assert [e.params["message"] for e in session.scalars(select(Effect))] == ["too large: name of s1"]
    hands.forward(60)
    assert ticked(present) == set()
    hands.forward(3600)
    ticked(present)
    all_the_way(present)
    assert incidents(ledger) == [("too large", "s1", "open", 2)]
    assert count(ledger, Effect) == 1
    set_memory(ledger, "s1", 512)
    hands.forward(3600)
    ticked(present)
    all_the_way(present)
    assert incidents(ledger) == [("too large", "s1", "closed", 2)]
    hands.forward(3600)
    assert ticked(present) == set()
    exact(ledger)


def test_why_shows_the_one_alert_with_what_decided_it(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(alerts=OLD))
    known(ledger, provider(ledger), "s1", memory_mb=8192)
    ticked(present)
    set_memory(ledger, "s1", 1)
    all_the_way(present)
    with ledger.reading() as session:
        [findings] = session.scalars(select(Decision.findings).where(Decision.stage == "alert"))
    assert [(f["name"], f["verdict"]) for f in findings] == [("too large", "not fired")]
    assert findings[0]["detail"]["found"] == 1


def test_an_alert_that_cannot_be_judged_is_shown_and_leaves_its_incident_alone(ledger: Ledger, hands: Clock) -> None:
    broken = OLD.replace('">": 4096', '"matches": "x"')
    present = installed(ledger, site(alerts=broken))
    known(ledger, provider(ledger), "s1", memory_mb="y" * 300_000)
    ticked(present)
    all_the_way(present)
    with ledger.reading() as session:
        [findings] = session.scalars(select(Decision.findings).where(Decision.stage == "alert"))
    assert findings[0]["verdict"] == "error"
    assert incidents(ledger) == []


def test_an_alert_that_is_gone_from_the_site_judges_nothing(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(alerts=OLD))
    known(ledger, provider(ledger), "s1", memory_mb=8192)
    ticked(present)
    all_the_way(installed(ledger, site(alerts=OLD.replace("name: too large", "name: renamed"))))
    assert incidents(ledger) == []


def test_a_large_kind_is_asked_about_page_by_page_and_each_alert_has_its_share(
    ledger: Ledger, hands: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick, "A_TICK", 4)
    second = "- {name: second, target: server, every: 1m}\n"
    present = installed(ledger, site(alerts=OLD + second))
    cloud = provider(ledger)
    for number in range(5):
        known(ledger, cloud, f"s{number}", memory_mb=8192)
    pages = []
    for _ in range(4):
        before = len(due(ledger))
        ticked(present)
        all_the_way(present)
        pages.append(sorted(due(ledger)[before:]))
        hands.forward(60)
    assert pages == [
        [("second", "s0"), ("second", "s1"), ("too large", "s0"), ("too large", "s1")],
        [("second", "s2"), ("second", "s3"), ("too large", "s2"), ("too large", "s3")],
        [("second", "s4"), ("too large", "s4")],
        # The hour has not passed; the minute has, and nobody is left out for it.
        [("second", "s0"), ("second", "s1"), ("second", "s2"), ("second", "s3")],
    ]


def test_events_of_one_round_after_the_other_do_not_pile_up_where_nobody_works(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(alerts=OLD))
    known(ledger, provider(ledger), "s1", memory_mb=8192)
    for _ in range(3):
        ticked(present)
        hands.forward(3600)
    assert due(ledger) == [("too large", "s1")]


@pytest.mark.parametrize("clocks", [2, 4])
def test_clocks_that_tick_at_once_ask_about_each_object_once(ledger: Ledger, hands: Clock, clocks: int) -> None:
    present = installed(ledger, site(alerts=OLD))
    cloud = provider(ledger)
    for number in range(20):
        known(ledger, cloud, f"s{number:02}", memory_mb=8192)
    gate, faults = threading.Barrier(clocks), list[BaseException]()

    def run() -> None:
        try:
            gate.wait(20)
            ticked(present)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(clocks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert due(ledger) == [("too large", f"s{number:02}") for number in range(20)]


def test_providers_are_objects_that_the_clock_asks_about(ledger: Ledger, hands: Clock) -> None:
    text = "alerts:\n- {name: sick, target: provider, every: 1h, when: {field: provider.health, is: invalid}}\n"
    present = installed(ledger, site(alerts=text))
    provider(ledger, "well", contact_at=hands.now)
    cloud = provider(ledger, failed_at=hands.now, failure="SignedOut: refused")
    ticked(present)
    all_the_way(present)
    assert incidents(ledger) == [("sick", "lab", "open", 1)]
    with ledger.transaction() as session:
        session.execute(update(Provider).where(Provider.id == cloud).values(contact_at=hands.now, failed_at=None))
    hands.forward(3600)
    ticked(present)
    all_the_way(present)
    assert incidents(ledger) == [("sick", "lab", "closed", 1)]


def test_the_door_rings_for_the_switchboard(
    ledger: Ledger, hands: Clock, rung: Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = installed(ledger, site(alerts=OLD))
    known(ledger, provider(ledger), "s1", memory_mb=8192)
    monkeypatch.setattr(task, "current", lambda: present)
    task.run_tick()
    task.run_tick()
    [(steps, _)] = rung.chains
    assert steps[0] == "switchboard.run"
