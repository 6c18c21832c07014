"""What Ironic says of its nodes, as the simulated one publishes it."""

from __future__ import annotations

import json

import pytest

from examples.cloud.world import World
from tasks.model.event import Normalised
from tasks.providers.openstack.converter import OpenStackConverter

CONVERTER = OpenStackConverter()


@pytest.fixture
def world() -> World:
    return World(seed=3)


def told(world: World) -> list[Normalised]:
    """The events of ironic's messages, in order."""
    bodies = [json.dumps(notice.body()) for notice in world.notices if notice.exchange == "ironic"]
    return [CONVERTER.convert(message) for body in bodies for message in CONVERTER.unwrap(body)]


def test_an_event_of_a_node_names_the_node_its_server_and_its_owner(world: World) -> None:
    node, server = world.nodes.get("metal-1"), world.servers.named("web-1").id
    node.owner = world.project("research").id
    world.nodes.provision(node.id, "deploy", server)
    start, end = told(world)
    phases = ("start", "end")
    assert [e.event_type for e in (start, end)] == [f"baremetal.node.provision_set.{phase}" for phase in phases]
    for event in (start, end):
        assert (event.resource_kind, event.resource_id, event.parents) == ("node", node.id, {"server": server})
        assert event.tenant_id == node.owner
    assert (start.phase, end.phase) == ("start", "end")
    assert start.details == {
        "power_state": "power off",
        "provision_state": "deploying",
        "previous_provision_state": "available",
        "event": "deploy",
    }
    assert (end.group, end.level) == ("configuration", "critical")


def test_an_event_tells_where_the_power_went_and_why_it_did_not(world: World) -> None:
    world.nodes.power("metal-1", "rebooting")
    world.nodes.press_button("metal-1")
    world.nodes.fail_power("metal-1", "power on", "BMC is silent")
    _, reset, button, _, failed = told(world)
    assert (reset.details["to_power"], reset.details["power_state"]) == ("rebooting", "power on")
    assert (button.details["from_power"], button.details["power_state"]) == ("power on", "power off")
    assert (failed.phase, failed.details["last_error"]) == ("error", "BMC is silent")
    assert {event.group for event in (reset, button, failed)} == {"power"}


def test_ironic_speaks_on_the_topic_that_is_listened_to(world: World) -> None:
    from tasks.providers.openstack.bus_options import EXCHANGES

    world.nodes.create("metal-9")
    [notice, _] = [n for n in world.notices if n.exchange == "ironic"]
    assert notice.routing_key.replace(".info", ".*") in EXCHANGES["ironic"]


def test_what_a_driver_needs_is_not_kept() -> None:
    data = {"uuid": "n-1", "driver_info": {"ipmi_password": "hush"}, "instance_info": {"configdrive": "aHVzaA=="}}
    body = {"event_type": "baremetal.node.update.end", "message_id": "m", "payload": {"ironic_object.data": data}}
    [message] = CONVERTER.unwrap(body)
    assert "hush" not in json.dumps(message.content)
    assert "aHVzaA==" not in json.dumps(message.content)
