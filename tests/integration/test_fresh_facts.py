"""A policy that asks for fresh facts has its target read before it judges, and says how old they were."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tasks.conveyor.installation import Installation
from tasks.ledger.effects import Effect
from tasks.ledger.events import Event
from tasks.ledger.inventory import InventoryObject, RefreshTarget
from tasks.ledger.operations import Operation
from tasks.ledger.session import Ledger
from tasks.ledger.why import why
from tests.ground import START, Clock, all_the_way, caught, installed, notice, provider, site
from tests.integration.test_operations import STARTED, STOPS, Stand

BIG = """
policies:
- name: big
  target: server
  on: [vm_poweroff]
  fresh: 30s
  when: {">": {field: server.vcpus, value: 4}}
  then: [{log: {message: big}}]
"""


def known(ledger: Ledger, lab: int, vcpus: int, read_at: Any) -> None:
    """Inventory has the server, as it was read at some time."""
    with ledger.transaction() as session:
        row = session.scalars(select(InventoryObject).where(InventoryObject.ref == "s1")).one_or_none()
        if row is None:
            row = InventoryObject(provider_id=lab, kind="server", ref="s1", state="known", seen_at=START)
            session.add(row)
        row.attributes, row.read_at = {"vcpus": vcpus}, read_at


def findings(ledger: Ledger) -> list[dict[str, Any]]:
    with ledger.reading() as session:
        found = why(session, session.scalars(select(Event.id).where(Event.parent_id.is_(None))).one())
    assert found is not None
    return [f for child in found.children for d in child.decisions if d.stage == "policy" for f in d.findings]


def asked(ledger: Ledger) -> list[str]:
    with ledger.reading() as session:
        return list(session.scalars(select(Effect.action)))


@pytest.fixture(params=["never", "always"])
def stand(request: pytest.FixtureRequest, ledger: Ledger, hands: Clock) -> tuple[Installation, int]:
    return installed(ledger, site(policies=BIG, conveyor={"fuse": request.param})), provider(ledger)


def test_old_facts_are_read_again_before_the_policy_judges(
    stand: tuple[Installation, int], ledger: Ledger, hands: Clock
) -> None:
    present, lab = stand
    known(ledger, lab, 2, hands.now - timedelta(minutes=5))
    caught(present, lab, notice())
    all_the_way(present)
    assert asked(ledger) == []
    with ledger.reading() as session:
        assert session.scalars(select(RefreshTarget.ref)).all() == ["s1"]
    hands.forward(2)
    known(ledger, lab, 8, hands.now)
    all_the_way(present)
    assert asked(ledger) == ["log"]
    waits, judged = findings(ledger)
    assert waits["verdict"] == "waits for fresh facts"
    assert (judged["name"], judged["verdict"], judged["detail"]["facts"]) == ("big", "matched", "0s old")


def test_fresh_facts_are_judged_at_once(stand: tuple[Installation, int], ledger: Ledger, hands: Clock) -> None:
    present, lab = stand
    known(ledger, lab, 2, hands.now - timedelta(seconds=20))
    caught(present, lab, notice())
    all_the_way(present)
    [judged] = findings(ledger)
    assert (judged["verdict"], judged["detail"]["facts"]) == ("not matched", "20s old")


def test_a_read_that_does_not_come_is_waited_for_a_minute(
    stand: tuple[Installation, int], ledger: Ledger, hands: Clock
) -> None:
    present, lab = stand
    known(ledger, lab, 8, hands.now - timedelta(minutes=5))
    caught(present, lab, notice())
    for _ in range(3):
        all_the_way(present)
        assert asked(ledger) == []
        hands.forward(25)
    all_the_way(present)
    assert asked(ledger) == ["log"]
    assert "did not come within 1m" in findings(ledger)[-1]["detail"]["facts"]


def test_nobody_can_decide_on_an_operation_whose_facts_do_not_come(ledger: Ledger, hands: Clock) -> None:
    fresh = "{name: guards, target: server, on: [request_vm_poweroff], fresh: 30s, then: [{log: {message: x}}]}"
    stand = Stand(ledger, STOPS, fresh)
    stand.go(notice(STARTED))
    hands.forward(61)
    stand.go()
    with ledger.reading() as session:
        operation = session.scalars(select(Operation)).one()
    assert (operation.state, stand.halt.halted) == ("undecided", [])
    assert "fresh facts" in str(operation.reason)
