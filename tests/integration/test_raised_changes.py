"""What inventory has become is told to the rules: an internal event with the change, caused by what had it read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL
from tasks.ledger.effects import Effect
from tasks.ledger.events import Event
from tasks.ledger.incidents import Incident
from tasks.ledger.session import Ledger
from tasks.model.event import ObjectRef
from tasks.model.outcome import Outcome, Raise
from tasks.providers.table import kinds
from tasks.refresh import refresher
from tasks.refresh.refresher import refresh
from tests.ground import Clock, all_the_way, caught, exact, installed, notice, outcome_of, provider, site, take
from tests.refresh_ground import SERVER, FakeCloud, wish

NETWORK = ObjectRef("network", "n1")
POLICY = """
policies:
- name: greet
  target: server
  on: [vm_create]
  when: {field: server.status, is: ACTIVE}
  then: [{log: {message: "${target.name} is new"}}]
"""


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    table = {"openstack": replace(kinds()["openstack"], inventory=fake.reader())}
    monkeypatch.setattr(refresher, "kinds", lambda: table)
    return fake


def raised(ledger: Ledger) -> list[tuple[str, str, int | None]]:
    with ledger.reading() as session:
        rows = session.execute(
            select(Event.event_type, Event.resource_kind, Event.resource_id, Event.parent_id)
            .where(Event.raised, Event.group == "inventory")
            .order_by(Event.id)
        )
        return [(row.event_type, f"{row.resource_kind}/{row.resource_id}", row.parent_id) for row in rows]


def read(present: Installation, lab: int, cloud: FakeCloud, ref: ObjectRef, hands: Clock, **facts: Any) -> set[int]:
    """Have an object read that is now as ``facts`` say; returns the lanes that were rung for."""
    rung: set[int] = set()
    cloud.objects[ref] = facts
    wish(present, lab, ref)
    hands.forward(5)
    refresh(present, ring=rung.update)
    return rung


def test_created_moved_and_gone_are_told_each_once(ledger: Ledger, cloud: FakeCloud, hands: Clock) -> None:
    present, lab = installed(ledger, refresh={"settle_seconds": 0}), provider(ledger)
    assert read(present, lab, cloud, SERVER, hands, status="ACTIVE", host="node1")
    assert read(present, lab, cloud, NETWORK, hands, mtu=1500)
    assert not read(present, lab, cloud, SERVER, hands, status="SHUTOFF", host="node1")
    assert read(present, lab, cloud, SERVER, hands, status="SHUTOFF", host="node2")
    assert not read(present, lab, cloud, SERVER, hands, status="SHUTOFF", host="node2")
    del cloud.objects[SERVER]
    wish(present, lab, SERVER)
    hands.forward(5)
    refresh(present)
    assert raised(ledger) == [
        ("vm_create", "server/s1", None),
        ("object_created", "network/n1", None),
        ("object_moved", "server/s1", None),
        ("object_removed", "server/s1", None),
    ]
    all_the_way(present)
    assert exact(ledger)["internal"].finished == 4


def test_policy_on_vm_create_is_judged_on_what_was_read(ledger: Ledger, cloud: FakeCloud, hands: Clock) -> None:
    present = installed(ledger, site(policies=POLICY, refresh={"settle_seconds": 0}))
    lab = provider(ledger)
    cloud.objects[SERVER] = {"status": "ACTIVE"}
    caught(present, lab, notice("compute.instance.create.end", message_id="born"))
    all_the_way(present)
    hands.forward(5)
    refresh(present)
    all_the_way(present)
    with ledger.reading() as session:
        [effect] = session.scalars(select(Effect))
        cause = session.get_one(Event, effect.event_id)
        born = session.get_one(Event, cause.parent_id)
    assert effect.params["message"] == "name of s1 is new"
    # The line of causes leads back to the notification.
    assert (cause.event_type, born.message_id, cause.depth) == ("vm_create", "born", 1)


def test_what_a_new_provider_has_is_no_news(ledger: Ledger, cloud: FakeCloud, hands: Clock) -> None:
    present, lab = installed(ledger, refresh={"settle_seconds": 0}), provider(ledger, ready=False)
    cloud.objects[SERVER] = {"status": "ACTIVE"}
    wish(present, lab, FULL)
    hands.forward(5)
    assert refresh(present)
    assert raised(ledger) == []
    cloud.objects[ObjectRef("server", "s2")] = {"status": "ACTIVE"}
    wish(present, lab, FULL)
    hands.forward(5)
    refresh(present)
    assert raised(ledger) == [("vm_create", "server/s2", None)]


def test_a_site_can_do_without(ledger: Ledger, cloud: FakeCloud, hands: Clock) -> None:
    present, lab = installed(ledger, refresh={"settle_seconds": 0, "events": False}), provider(ledger)
    assert not read(present, lab, cloud, SERVER, hands, status="ACTIVE")
    assert raised(ledger) == []


def test_a_line_of_causes_that_is_too_long_raises_nothing_more(ledger: Ledger, cloud: FakeCloud, hands: Clock) -> None:
    present, lab = installed(ledger, conveyor={"depth": 1}, refresh={"settle_seconds": 0}), provider(ledger)
    caught(present, lab, notice(message_id="cause"))
    with ledger.transaction() as session:
        cause = session.scalars(select(Event)).one()
        cause.depth = 1
    cloud.objects[SERVER] = {"status": "ACTIVE"}
    wish(present, lab, SERVER, event_id=cause.id)
    hands.forward(5)
    refresh(present)
    assert raised(ledger) == []


def test_G21_name_that_nobody_defined_sets_nothing_in_motion_but_alerts(ledger: Ledger, hands: Clock) -> None:
    alerts = "alerts:\n- {name: odd, severity: warning, target: server, on: [vm_strat]}\n"
    policies = "policies:\n- {name: p, target: server, on: [vm_strat], then: [{log: {message: x}}]}\n"
    present, lab = installed(ledger, site(alerts=alerts, policies=policies)), provider(ledger)
    caught(present, lab, notice(message_id="cause"))
    wrong = outcome_of(lambda event: Outcome(raises=[Raise("vm_strat", SERVER)]))
    take(present, "convert")
    take(present, "switchboard", wrong)
    all_the_way(present)
    with ledger.reading() as session:
        assert [i.alert for i in session.scalars(select(Incident))] == ["odd"]
        assert session.scalars(select(Effect)).all() == []
