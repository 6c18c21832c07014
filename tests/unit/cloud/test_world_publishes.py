"""The simulated world: what changes, and what its services publish about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from examples.cloud.life import FEWEST_SERVERS, MOST_SERVERS, MOST_VOLUMES, Life
from examples.cloud.notices import Notice
from examples.cloud.refusals import BadRequest, Conflict, Missing
from examples.cloud.telemetry import TEXT_LIMIT, event_of
from examples.cloud.world import World
from tasks.providers.openstack.aliases import canonical


def types_of(notices: list[Notice], topic: str) -> list[str]:
    return [n.event_type for n in notices if n.topic == topic and n.exchange == "nova"]


def heard(world: World) -> list[Notice]:
    notices: list[Notice] = []
    world.listeners.append(notices.append)
    return notices


def test_same_seed_gives_the_same_ids_and_the_same_life() -> None:
    first, second = World(seed=3), World(seed=3)
    assert list(first.servers.servers) == list(second.servers.servers)
    assert World(seed=4).servers.named("web-1").id != first.servers.named("web-1").id
    lives = [Life(world, 9) for world in (first, second)]
    assert [lives[0].step() for _ in range(60)] == [lives[1].step() for _ in range(60)]


def test_life_keeps_the_world_small() -> None:
    world = World()
    life = Life(world)
    done = [life.step() for _ in range(400)]
    assert FEWEST_SERVERS <= len(world.servers.servers) <= MOST_SERVERS
    assert len(world.volumes.volumes) <= MOST_VOLUMES
    for word in ("created", "deleted", "stopped", "started", "resized", "confirmed", "rebooted", "attached"):
        assert any(text.startswith(word) for text in done), word


def test_stop_publishes_start_update_and_end_in_both_forms() -> None:
    world = World()
    server = world.servers.named("web-1")
    notices = heard(world)
    world.servers.act(server.id, "stop")
    assert (server.status, server.power_state) == ("SHUTOFF", 4)
    assert types_of(notices, "notifications") == [
        "compute.instance.update",
        "compute.instance.power_off.start",
        "compute.instance.update",
        "compute.instance.power_off.end",
    ]
    assert types_of(notices, "versioned_notifications") == [
        "instance.update",
        "instance.power_off.start",
        "instance.update",
        "instance.power_off.end",
    ]
    end = notices[-1].message()["payload"]
    assert end["nova_object.data"]["uuid"] == server.id
    assert end["nova_object.data"]["state"] == "stopped"


def test_resize_waits_to_be_confirmed_and_names_its_events_as_nova_does() -> None:
    world = World()
    server = world.servers.named("web-1")
    notices = heard(world)
    world.servers.resize(server.id, "large")
    assert server.status == "VERIFY_RESIZE"
    world.servers.confirm_resize(server.id)
    assert (server.status, server.flavor.name) == ("ACTIVE", "large")
    free, versioned = types_of(notices, "notifications"), types_of(notices, "versioned_notifications")
    assert "compute.instance.finish_resize.end" in free
    assert "compute.instance.resize.confirm.end" in free
    assert {"instance.resize_finish.end", "instance.resize_confirm.end"} <= set(versioned)


def test_delete_takes_the_ports_along_and_leaves_the_volumes() -> None:
    world = World()
    server = world.servers.named("db-1")
    volume = world.volumes.get(server.volumes[0])
    ports = list(server.ports)
    notices = heard(world)
    world.servers.delete(server.id)
    assert volume.status == "available"
    assert not any(port in world.networks.ports for port in ports)
    told = [n.event_type for n in notices]
    assert told.index("compute.instance.delete.start") < told.index("port.delete.end")
    assert told.index("port.delete.end") < told.index("compute.instance.delete.end")
    with pytest.raises(Missing):
        world.servers.get(server.id)


@pytest.mark.parametrize(("form", "free", "versioned"), [("unversioned", 4, 0), ("versioned", 0, 4), ("both", 4, 4)])
def test_nova_format_chooses_the_payload_kinds(form: str, free: int, versioned: int) -> None:
    world = World(nova_format=form)  # type: ignore[arg-type]  # parametrized over the literal's values
    notices = heard(world)
    world.servers.act(world.servers.named("web-1").id, "reboot")
    assert len(types_of(notices, "notifications")) == free
    assert len(types_of(notices, "versioned_notifications")) == versioned


def test_body_is_the_envelope_that_oslo_sends() -> None:
    world = World(clock=lambda: datetime(2030, 1, 2, 3, 4, 5, 678, UTC))
    notices = heard(world)
    network = world.networks.create("lab")
    body = notices[1].body()
    assert set(body) == {"oslo.version", "oslo.message"}
    message = json.loads(body["oslo.message"])
    assert message["event_type"] == "network.create.end"
    assert message["timestamp"] == "2030-01-02 03:04:05.000678"
    assert message["payload"]["network"]["id"] == network.id
    assert message["_context_user_name"] == "demo"
    assert notices[1].routing_key == "notifications.info"


def test_states_that_do_not_allow_it_are_refused() -> None:
    world = World()
    server = world.servers.named("web-1")
    with pytest.raises(Conflict, match="Cannot 'start'"):
        world.servers.act(server.id, "start")
    with pytest.raises(BadRequest, match="has not been resized"):
        world.servers.confirm_resize(server.id)
    with pytest.raises(BadRequest, match="must be available"):
        world.volumes.delete(next(iter(world.volumes.volumes)))
    with pytest.raises(Conflict, match="ports are still in use"):
        world.networks.delete(world.networks.find("private").id)


def test_telemetry_cuts_text_drops_nulls_and_ignores_other_topics_and_priorities() -> None:
    world = World()
    server = world.servers.create("n" * 300)
    notice = next(n for n in reversed(world.notices) if n.event_type == "compute.instance.create.end")
    event = event_of(notice)
    assert event is not None
    assert event.value("display_name") == "n" * TEXT_LIMIT
    assert event.value("resource_id") == server.id
    assert event.value("host") == server.host
    assert event.value("deleted_at") is None
    versioned = next(n for n in world.notices if n.topic == "versioned_notifications")
    assert event_of(versioned) is None
    actor = world.actor()
    quiet = world.publish(actor, "nova", "compute.instance.exists", "compute.compute1", {}, priority="DEBUG")
    assert event_of(quiet) is None
    loud = world.publish(actor, "nova", "compute.instance.create.error", "compute.compute1", {}, priority="ERROR")
    assert event_of(loud) is not None


def test_volume_event_names_the_server_it_is_attached_to() -> None:
    world = World()
    volume = world.volumes.create("spare")
    server = world.servers.named("web-2")
    world.volumes.attach(volume.id, server.id)
    attached = [e for e in world.events.select([]) if e.event_type == "volume.attach.end"][-1]
    assert attached.value("instance_id") == server.id
    assert attached.value("size") == "1"
    assert attached.traits["size"][0] == "integer"


def test_projects_come_and_go_with_audit_events() -> None:
    world = World()
    notices = heard(world)
    project = world.create_project("lab")
    world.delete_project(project.id)
    assert [n.event_type for n in notices] == ["identity.project.created", "identity.project.deleted"]
    message = notices[0].message()
    assert message["payload"]["resource_info"] == project.id
    assert not any(key.startswith("_context_") for key in message)


def test_shelving_makes_an_image_and_frees_the_host_until_it_is_undone() -> None:
    world = World()
    server = world.servers.named("web-1")
    notices = heard(world)
    world.moves.shelve(server.id)
    assert (server.status, server.host, server.power_state) == ("SHELVED_OFFLOADED", None, 4)
    image = world.images[str(server.shelved_image)]
    assert (image.name, image.properties["instance_uuid"]) == ("web-1-shelved", server.id)
    world.moves.unshelve(server.id)
    assert server.status == "ACTIVE"
    assert server.host in world.hypervisors
    assert image.id not in world.images
    free = [name.removeprefix("compute.instance.") for name in types_of(notices, "notifications")]
    assert [name for name in free if name != "update"] == [
        *("shelve.start", "shelve.end", "shelve_offload.start", "shelve_offload.end"),
        *("unshelve.start", "unshelve.end"),
    ]
    told = [n.event_type for n in notices if n.exchange == "glance"]
    assert told == ["image.create", "image.upload", "image.activate", "image.delete"]


def test_moves_name_their_events_as_nova_does_in_both_forms() -> None:
    world = World()
    notices = heard(world)
    moving, left = world.servers.named("web-1"), world.servers.named("web-2")
    world.moves.live_migrate(moving.id)
    world.hypervisors[str(left.host)].up = False
    world.moves.evacuate(left.id)
    image = world.moves.snapshot(left.id, "night")
    free, versioned = types_of(notices, "notifications"), types_of(notices, "versioned_notifications")
    for name, twin in (
        ("live_migration.pre.start", "live_migration_pre.start"),
        ("live_migration._post.end", "live_migration_post.end"),
        ("live_migration.post.dest.end", "live_migration_post_dest.end"),
        ("evacuate", "evacuate"),
        ("rebuild.scheduled", "rebuild_scheduled"),
        ("rebuild.end", "rebuild.end"),
        ("snapshot.end", "snapshot.end"),
    ):
        assert f"compute.instance.{name}" in free
        assert f"instance.{twin}" in versioned
        assert canonical(f"instance.{twin}") == f"compute.instance.{name}"
    data = next(n for n in reversed(notices) if n.event_type == "instance.snapshot.end").payload["nova_object.data"]
    assert data["snapshot_image_id"] == image.id


def test_moves_that_nova_would_refuse_are_refused() -> None:
    world = World()
    server = world.servers.named("web-1")
    with pytest.raises(BadRequest, match="still in use"):
        world.moves.evacuate(server.id)
    with pytest.raises(BadRequest, match="to current host"):
        world.moves.migrate(server.id, server.host)
    with pytest.raises(BadRequest, match="could not be found"):
        world.moves.live_migrate(server.id, "nowhere")
    with pytest.raises(Conflict, match="vm_state active"):
        world.moves.unshelve(server.id)
    server.task_state = "powering-off"
    with pytest.raises(Conflict, match="task_state powering-off"):
        world.moves.shelve(server.id)
    server.task_state = None
    for host in world.hypervisors.values():
        host.up = host.name == server.host
    with pytest.raises(BadRequest, match="No valid host"):
        world.moves.migrate(server.id)
    world.moves.shelve(server.id)
    del world.images[str(server.shelved_image)]
    with pytest.raises(Conflict, match="was not found"):
        world.moves.unshelve(server.id)
