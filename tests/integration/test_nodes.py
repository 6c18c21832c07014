"""Bare-metal nodes all the way: Ironic's word, the policies for nodes, and what hangs together with a node."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from examples.cloud.world import World
from tasks.conveyor.installation import Installation
from tasks.ledger.effects import Effect
from tasks.ledger.inventory import InventoryObject, RefreshTarget
from tasks.ledger.session import Ledger
from tasks.model.event import Notification, ObjectRef
from tasks.providers.table import kinds
from tasks.refresh import refresher
from tasks.refresh.refresher import refresh
from tests.ground import START, Clock, all_the_way, caught, installed, provider, site
from tests.refresh_ground import FakeCloud, known, wish

POLICIES = """
policies:
- name: metal went down
  target: node
  on: [physical_server_shutdown]
  when: {field: node.maintenance, is: false}
  then: [{log: {message: "${event.resource_id} is off"}}]
  otherwise: [{log: {message: it is being mended}}]
- name: metal came up
  target: node
  on: [physical_server_start]
  then: [{log: {message: "${event.resource_id} is on"}}]
"""


@pytest.fixture(params=["never", "always"])
def stand(request: pytest.FixtureRequest, ledger: Ledger, hands: Clock) -> tuple[Installation, int]:
    return installed(ledger, site(policies=POLICIES, conveyor={"fuse": request.param})), provider(ledger)


def of_ironic(world: World) -> list[Notification]:
    """What ironic has published."""
    return [Notification(json.dumps(n.body()).encode(), "bus") for n in world.notices if n.exchange == "ironic"]


def logged(ledger: Ledger) -> list[str]:
    with ledger.reading() as session:
        return [params["message"] for params in session.scalars(select(Effect.params).order_by(Effect.id))]


@pytest.mark.parametrize("mended", [False, True])
def test_a_policy_for_nodes_judges_the_node_that_was_switched(
    stand: tuple[Installation, int], ledger: Ledger, mended: bool
) -> None:
    present, lab = stand
    world = World(seed=5)
    node = world.nodes.get("metal-1")
    with ledger.transaction() as session:
        facts = {"maintenance": mended, "power_state": "on"}
        session.add(
            InventoryObject(
                provider_id=lab, kind="node", ref=node.id, state="known", seen_at=START, read_at=START, attributes=facts
            )
        )
    world.nodes.power(node.id, "power off")
    caught(present, lab, *of_ironic(world))
    all_the_way(present)
    assert logged(ledger) == ["it is being mended" if mended else f"{node.id} is off"]
    with ledger.reading() as session:
        wanted = session.execute(select(RefreshTarget.kind, RefreshTarget.ref)).all()
    assert [tuple(row) for row in wanted] == [("node", node.id)]


def test_a_node_that_was_switched_by_hand_is_a_start_as_well(stand: tuple[Installation, int], ledger: Ledger) -> None:
    present, lab = stand
    world = World(seed=5)
    world.nodes.press_button("metal-2")
    caught(present, lab, *of_ironic(world))
    all_the_way(present)
    assert logged(ledger) == [f"{world.nodes.get('metal-2').id} is on"]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    fake.kinds = ("node", "server")
    table = {"openstack": replace(kinds()["openstack"], inventory=fake.reader())}
    monkeypatch.setattr(refresher, "kinds", lambda: table)
    return fake


@pytest.fixture
def present(ledger: Ledger, hands: Clock) -> Installation:
    return installed(ledger, refresh={"settle_seconds": 0, "attempts": 3})


NODE, SERVER = ObjectRef("node", "n1"), ObjectRef("server", "s1")


def test_a_node_that_gets_a_server_has_the_server_read_as_well(present: Installation, cloud: FakeCloud) -> None:
    lab = provider(present.ledger)
    cloud.objects = {NODE: {"server_id": None}, SERVER: {"hypervisor_hostname": None}}
    wish(present, lab, NODE, SERVER)
    refresh(present)
    cloud.objects = {NODE: {"server_id": "s1"}, SERVER: {"hypervisor_hostname": "n1"}}
    wish(present, lab, NODE)
    refresh(present)
    found = known(present.ledger, SERVER)
    assert found is not None
    assert found.attributes["hypervisor_hostname"] == "n1"
    assert cloud.reads[SERVER] == 2


def test_names_that_may_be_no_nodes_and_no_servers_are_not_asked_for(present: Installation, cloud: FakeCloud) -> None:
    lab = provider(present.ledger)
    cloud.objects = {NODE: {"server_id": "an-allocation"}, SERVER: {"hypervisor_hostname": "compute1.example"}}
    wish(present, lab, NODE, SERVER)
    for _ in range(3):
        refresh(present)
    assert {ref for ref in cloud.reads if isinstance(ref, ObjectRef) and ref.kind in cloud.kinds} == {NODE, SERVER}
