"""A provider that refuses, does not answer or is well again is told to the rules, once for each change."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from tasks.catch.poll import note_contact, note_failure
from tasks.conveyor import contact, installation
from tasks.conveyor.installation import Installation
from tasks.conveyor.sweep import find
from tasks.conveyor.task import run_sweep
from tasks.ledger import contact as ledger_contact
from tasks.ledger.effects import Effect
from tasks.ledger.events import Event
from tasks.ledger.health import marks
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import InventoryObject, RefreshTarget
from tasks.ledger.providers import Mark, Provider
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.errors import Permanent, ProviderDown, SignedOut, Transient
from tests.ground import Clock, Rung, all_the_way, caught, count, exact, installed, notice, provider, site, standing

RULES = """
policies:
- name: refused
  target: provider
  on: [ems_auth_invalid]
  when: {field: provider.failure, includes: password}
  then: [{log: {message: "${target.name}: ${target.health}, ${target.failure}"}}]
"""
ALERTS = """
alerts:
- {name: away, target: provider, on: [ems_auth_invalid, ems_auth_unreachable], resolved_by: [ems_auth_valid]}
"""


def told(present: Installation) -> set[int]:
    return contact.tell(present.ledger, present.site.settings, clock.now())


def raised(ledger: Ledger) -> list[str]:
    with ledger.reading() as session:
        return list(session.scalars(select(Event.event_type).where(Event.raised).order_by(Event.id)))


def well(present: Installation, cloud: int, hands: Clock) -> set[int]:
    hands.forward(20)
    note_contact(present, cloud)
    return told(present)


def fails(present: Installation, cloud: int, hands: Clock, error: Any) -> set[int]:
    hands.forward(20)
    note_failure(present, cloud, error)
    return told(present)


def test_that_a_new_provider_is_well_is_no_news(ledger: Ledger, hands: Clock) -> None:
    present, cloud = installed(ledger), provider(ledger)
    assert told(present) == set()
    assert well(present, cloud, hands) == set()
    assert well(present, cloud, hands) == set()
    assert raised(ledger) == []


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (SignedOut("no such password"), "ems_auth_invalid"),
        (ProviderDown("nobody answers"), "ems_auth_unreachable"),
        (Transient("too many requests"), "ems_auth_error"),
        (Permanent("no monitor"), "ems_auth_error"),
    ],
)
def test_each_change_is_told_once_by_its_sort_and_so_is_that_all_is_well_again(
    ledger: Ledger, hands: Clock, error: Any, event: str
) -> None:
    present, cloud = installed(ledger), provider(ledger)
    well(present, cloud, hands)
    assert len(fails(present, cloud, hands, error)) == 1
    assert fails(present, cloud, hands, error) == set()
    assert raised(ledger) == [event]
    assert len(well(present, cloud, hands)) == 1
    assert well(present, cloud, hands) == set()
    fails(present, cloud, hands, error)
    assert raised(ledger) == [event, "ems_auth_valid", event]
    with ledger.reading() as session:
        about = session.execute(select(Event.resource_kind, Event.resource_id, Event.provider_id).distinct()).all()
    assert about == [("provider", "lab", cloud)]
    exact(ledger)


def test_one_failure_after_another_is_told_when_it_is_of_another_sort(ledger: Ledger, hands: Clock) -> None:
    present, cloud = installed(ledger), provider(ledger)
    fails(present, cloud, hands, ProviderDown("away"))
    fails(present, cloud, hands, ProviderDown("still away"))
    fails(present, cloud, hands, SignedOut("password"))
    assert raised(ledger) == ["ems_auth_unreachable", "ems_auth_invalid"]


def test_policies_and_alerts_are_about_the_provider_and_read_what_is_wrong_with_it(
    ledger: Ledger, hands: Clock
) -> None:
    present = installed(ledger, site(policies=RULES, alerts=ALERTS))
    cloud = provider(ledger)
    fails(present, cloud, hands, SignedOut("the password is refused"))
    all_the_way(present)
    with ledger.reading() as session:
        [effect] = session.scalars(select(Effect))
        assert effect.params == {"message": "lab: invalid, SignedOut: the password is refused"}
        assert (effect.target_kind, effect.target_id) == ("provider", "lab")
        incident = session.scalars(select(Incident)).one()
        assert (incident.kind, incident.ref, incident.state) == ("provider", "lab", "open")
    well(present, cloud, hands)
    all_the_way(present)
    with ledger.reading() as session:
        assert session.scalars(select(Incident.state)).all() == ["closed"]
    assert count(ledger, InventoryObject) == count(ledger, RefreshTarget) == 0
    exact(ledger)


def test_a_compliance_check_of_a_provider_makes_no_stub_of_it(ledger: Ledger, hands: Clock) -> None:
    checking = "- {name: check, target: provider, on: [ems_auth_valid], then: [check_compliance]}\n"
    ready = "- {name: r, mode: compliance, target: provider, when: {field: provider.ready, is: true}}\n"
    present = installed(ledger, site(policies="policies:\n" + checking + ready))
    cloud = provider(ledger)
    fails(present, cloud, hands, ProviderDown("away"))
    well(present, cloud, hands)
    all_the_way(present)
    assert raised(ledger)[-1] == "extmanagementsystem_compliance_passed"
    assert count(ledger, InventoryObject) == count(ledger, RefreshTarget) == 0


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_news_of_a_provider_whose_inventory_was_never_read_wait_for_nothing(
    ledger: Ledger, hands: Clock, fuse: str
) -> None:
    present = installed(ledger, site(alerts=ALERTS, conveyor={"fuse": fuse}))
    cloud = provider(ledger, ready=False)
    caught(present, cloud, notice(message_id="waits"))
    fails(present, cloud, hands, SignedOut("password"))
    hands.forward(10)
    with ledger.reading() as session:
        assert "switchboard" in find(session, present.site.settings, hands.now).lanes
    all_the_way(present)
    assert count(ledger, Incident, Incident.alert == "away") == 1
    where = standing(ledger)
    assert where.pop("waits") == "switchboard"
    assert set(where.values()) == {"finished"}


@pytest.mark.parametrize("sweeps", [2, 4])
def test_sweeps_that_find_a_change_at_once_raise_one_event(ledger: Ledger, hands: Clock, sweeps: int) -> None:
    present = installed(ledger)
    clouds = [provider(ledger, name) for name in ("a", "b", "c")]
    for cloud in clouds:
        well(present, cloud, hands)
        note_failure(present, cloud, SignedOut("no"))
    hands.forward(1)
    for cloud in clouds:
        note_failure(present, cloud, SignedOut("no"))
    gate, faults = threading.Barrier(sweeps), list[BaseException]()

    def run() -> None:
        try:
            gate.wait(20)
            told(present)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(sweeps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert raised(ledger) == ["ems_auth_invalid"] * 3


def test_a_change_is_taken_once_even_while_the_first_who_takes_it_has_not_committed(
    ledger: Ledger, hands: Clock
) -> None:
    present, cloud = installed(ledger), provider(ledger)
    well(present, cloud, hands)
    change = ledger_contact.News(cloud, "lab", "invalid", hands.now)
    taken: list[bool] = []

    def take() -> None:
        with ledger.transaction() as session:
            taken.append(ledger_contact.take(session, change))

    with ledger.transaction() as session:
        assert ledger_contact.take(session, change)
        other = threading.Thread(target=take)
        other.start()
    other.join()
    assert taken == [False]


def test_a_sweep_that_saw_an_older_state_does_not_overwrite_a_newer_one(ledger: Ledger, hands: Clock) -> None:
    present, cloud = installed(ledger), provider(ledger)
    fails(present, cloud, hands, SignedOut("no"))
    old = ledger_contact.News(cloud, "lab", "unreachable", hands.now)
    well(present, cloud, hands)
    with ledger.transaction() as session:
        assert not ledger_contact.take(session, old)
    assert told(present) == set()


def test_the_notes_on_providers_are_no_marks_of_what_recurs(ledger: Ledger, hands: Clock) -> None:
    present, cloud = installed(ledger), provider(ledger)
    well(present, cloud, hands)
    assert count(ledger, Mark, Mark.name == "health lab") == 1
    with ledger.reading() as session:
        assert marks(session) == []


def test_the_sweep_tells_and_rings(ledger: Ledger, hands: Clock, rung: Rung, monkeypatch: pytest.MonkeyPatch) -> None:
    present, cloud = installed(ledger), provider(ledger)
    monkeypatch.setattr(installation, "_installation", present)
    now: datetime = hands.now
    with ledger.transaction() as session:
        session.execute(update(Provider).where(Provider.id == cloud).values(failed_at=now, failure="SignedOut: no"))
    run_sweep()
    assert [steps[0] for steps, _ in rung.chains] == ["switchboard.run"]
    assert raised(ledger) == ["ems_auth_invalid"]
