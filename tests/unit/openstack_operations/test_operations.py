"""Every operation through openstacksdk against the simulated cloud, once and a second time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from examples.cloud.running import Cloud
from examples.cloud.world import World
from tasks.model import clock
from tasks.model.errors import Permanent, Transient
from tasks.providers.openstack import server_snapshots
from tasks.providers.openstack.operations import OpenStackOperator
from tests.operator_ground import Hand

# openstacksdk warns of its own use of what it is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(World(seed=13)) as running:
        yield running


@pytest.fixture
def hand(cloud: Cloud, tmp_path: Path) -> Iterator[Hand]:
    found = Hand(cloud, tmp_path)
    yield found
    found.operator.close()


def told(cloud: Cloud) -> list[str]:
    return [notice.event_type for notice in cloud.world.notices if notice.topic == "notifications"]


def posts(cloud: Cloud) -> int:
    return sum(n for path, n in cloud.requests.items() if path.startswith("POST /compute"))


@pytest.mark.parametrize(
    ("before", "word", "status", "event"),
    [
        ("stop", "start_server", "ACTIVE", "power_on.end"),
        (None, "stop_server", "SHUTOFF", "power_off.end"),
        (None, "suspend_server", "SUSPENDED", "suspend.end"),
        ("suspend", "resume_server", "ACTIVE", "resume.end"),
        (None, "pause_server", "PAUSED", "pause.end"),
        ("pause", "unpause_server", "ACTIVE", "unpause.end"),
        (None, "shelve_server", "SHELVED_OFFLOADED", "shelve_offload.end"),
        ("shelve", "unshelve_server", "ACTIVE", "unshelve.end"),
    ],
)
def test_state_changes_once_and_a_second_try_is_success(
    cloud: Cloud, hand: Hand, before: str | None, word: str, status: str, event: str
) -> None:
    server = hand.server()
    if before == "shelve":
        cloud.world.moves.shelve(server.id)
    elif before:
        cloud.world.servers.act(server.id, before)
    assert hand.act(word) == f"the cloud was asked to {word.removesuffix('_server')} server/{server.id}"
    assert server.status == status
    assert f"compute.instance.{event}" in told(cloud)
    asked = posts(cloud)
    assert hand.act(word, attempt=2).endswith(" already")
    assert (server.status, posts(cloud)) == (status, asked)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_reboot_is_done_once_an_effect_and_again_for_another(cloud: Cloud, hand: Hand, kind: str) -> None:
    assert hand.act("reboot_server", type=kind).startswith(f"the cloud was asked to reboot ({kind})")
    assert hand.act("reboot_server", attempt=2, type=kind).startswith("an earlier try did reboot")
    assert told(cloud).count("compute.instance.reboot.end") == 1
    hand.since += timedelta(minutes=1)
    hand.act("reboot_server", attempt=2, type=kind)
    assert told(cloud).count("compute.instance.reboot.end") == 2


def test_reboot_by_somebody_else_is_not_taken_for_ours(cloud: Cloud, hand: Hand) -> None:
    server = hand.server("alice-1")
    cloud.world.servers.act(server.id, "reboot", cloud.world.actor("alice", "research"))
    hand.act("reboot_server", on="alice-1", attempt=2, type="soft")
    assert len(server.deeds) == 2


def test_only_a_hard_reboot_starts_a_stopped_server(cloud: Cloud, hand: Hand) -> None:
    cloud.world.servers.act(hand.server().id, "stop")
    with pytest.raises(Permanent, match="Its status is SHUTOFF: nothing was done"):
        hand.act("reboot_server", type="soft")
    hand.act("reboot_server", type="hard")
    assert hand.server().status == "ACTIVE"


def test_live_migration_moves_the_running_server_once(cloud: Cloud, hand: Hand) -> None:
    server, source = hand.server(), hand.server().host
    hand.act("migrate_server", live=True)
    place = server.host
    assert (server.status, place != source) == ("ACTIVE", True)
    assert "compute.instance.live_migration._post.end" in told(cloud)
    assert "earlier try" in hand.act("migrate_server", attempt=2, live=True)
    assert server.host == place
    other = next(name for name in cloud.world.hypervisors if name != place)
    hand.act("migrate_server", live=True, host=other)
    assert server.host == other
    assert hand.act("migrate_server", live=True, host=other) == f"server/{server.id} was on {other} already"


def test_cold_migration_waits_to_be_confirmed_and_is_done_once(cloud: Cloud, hand: Hand) -> None:
    server, source = hand.server(), hand.server().host
    hand.act("migrate_server", live=False)
    assert server.status == "VERIFY_RESIZE"
    assert server.host != source
    assert "earlier try" in hand.act("migrate_server", attempt=2, live=False)
    with pytest.raises(Permanent, match="Its status is VERIFY_RESIZE"):
        hand.act("migrate_server", live=False)
    other = hand.server("web-2")
    place = next(name for name in cloud.world.hypervisors if name != other.host)
    hand.act("migrate_server", on="web-2", live=False, host=place)
    assert other.host == place


def test_evacuated_server_runs_elsewhere_and_is_evacuated_once(cloud: Cloud, hand: Hand) -> None:
    server = hand.server()
    with pytest.raises(Permanent, match=r"Compute service of .* is still in use"):
        hand.act("evacuate_server")
    down = str(server.host)
    cloud.world.hypervisors[down].up = False
    hand.act("evacuate_server")
    assert (server.status, server.host != down) == ("ACTIVE", True)
    assert {"compute.instance.evacuate", "compute.instance.rebuild.end"} <= set(told(cloud))
    assert "earlier try" in hand.act("evacuate_server", attempt=2)
    assert hand.act("evacuate_server", host=server.host).endswith("already")


def test_snapshot_is_made_once_an_effect(cloud: Cloud, hand: Hand) -> None:
    server, before = hand.server(), set(cloud.world.images)
    said = hand.act("snapshot_server")
    [made] = [image for key, image in cloud.world.images.items() if key not in before]
    assert made.id in said
    assert made.name.startswith("web-1-")
    assert made.properties["instance_uuid"] == made.properties["catchment_server"] == server.id
    assert hand.act("snapshot_server", attempt=2).endswith("was there already")
    assert len(cloud.world.images) == len(before) + 1
    hand.act("snapshot_server", key="another", name="nightly")
    assert sorted(image.name[:8] for image in cloud.world.images.values()).count("nightly-") == 1
    assert {"compute.instance.snapshot.start", "compute.instance.snapshot.end", "image.activate"} <= set(told(cloud))


def test_image_that_another_project_named_alike_does_not_stand_for_ours(cloud: Cloud, hand: Hand) -> None:
    hand.act("snapshot_server")
    image = list(cloud.world.images.values())[-1]
    image.owner = cloud.world.project("service").id
    hand.act("snapshot_server", attempt=2)
    assert sum(found.name == image.name for found in cloud.world.images.values()) == 2


def aged(cloud: Cloud, hand: Hand, *days: int) -> list[str]:
    """Snapshots of the server that Catchment made so many days ago; their ids."""
    made = []
    for age in days:
        hand.act("snapshot_server", key=f"key {age}")
        image = list(cloud.world.images.values())[-1]
        image.created_at = clock.now() - timedelta(days=age)
        made.append(image.id)
    return made


def test_snapshots_are_deleted_by_age_and_protected_ones_stay(cloud: Cloud, hand: Hand) -> None:
    young, old, protected, older = aged(cloud, hand, 1, 31, 40, 90)
    cloud.world.images[protected].protected = True
    by_hand = cloud.world.moves.snapshot(hand.server().id, "by hand")
    by_hand.created_at = clock.now() - timedelta(days=100)
    wish = {"older_than": timedelta(days=30), "made_by": "catchment"}
    said = hand.act("delete_snapshots", **wish)
    assert said == f"deleted 2 snapshots of server/{hand.server().id} older than 30 days, 1 protected"
    assert {young, protected, by_hand.id} <= set(cloud.world.images)
    assert not {old, older} & set(cloud.world.images)
    assert hand.act("delete_snapshots", attempt=2, **wish).startswith("deleted 0 snapshots")
    hand.act("delete_snapshots", **wish | {"made_by": "anyone"})
    assert by_hand.id not in cloud.world.images
    assert told(cloud).count("image.delete") == 3


def test_snapshots_go_newest_first_and_only_so_many_at_once(
    cloud: Cloud, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_snapshots, "MOST_DELETED", 2)
    monkeypatch.setattr(server_snapshots, "_PAGE", 1)
    ids = aged(cloud, hand, 50, 40, 60)
    said = hand.act("delete_snapshots", older_than=timedelta(days=30))
    assert said.endswith("1 more are left for another time")
    assert [key in cloud.world.images for key in ids] == [False, False, True]


def test_snapshots_of_other_servers_and_the_image_it_runs_from_stay(cloud: Cloud, hand: Hand) -> None:
    [own] = aged(cloud, hand, 40)
    other = cloud.world.moves.snapshot(hand.server("web-2").id, "other")
    other.created_at = clock.now() - timedelta(days=40)
    hand.server().image = cloud.world.images[own]
    hand.act("delete_snapshots", older_than=timedelta(days=30), made_by="anyone")
    assert {own, other.id} <= set(cloud.world.images)


def test_shelved_server_does_not_lose_the_image_that_it_is(cloud: Cloud, hand: Hand) -> None:
    hand.act("shelve_server")
    kept = cloud.world.images[str(hand.server().shelved_image)]
    kept.created_at = clock.now() - timedelta(days=100)
    with pytest.raises(Permanent, match="is shelved"):
        hand.act("delete_snapshots", older_than=timedelta(days=1), made_by="anyone")
    hand.act("delete_snapshots", older_than=timedelta(days=1), made_by="catchment")
    assert kept.id in cloud.world.images


def test_deletion_that_takes_too_long_goes_on_at_the_next_try(
    cloud: Cloud, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = aged(cloud, hand, 40, 50)
    monkeypatch.setattr(server_snapshots, "LONGEST", -1.0)
    with pytest.raises(Transient, match="the others at the next try"):
        hand.act("delete_snapshots", older_than=timedelta(days=30))
    assert set(ids) <= set(cloud.world.images)


def test_tags_are_added_and_removed_and_again(cloud: Cloud, hand: Hand) -> None:
    server, tag = hand.server(), "to keep: 50% für immer"
    for attempt in (1, 2):
        hand.act("add_server_tag", attempt=attempt, tag=tag)
        assert server.tags == [tag]
    assert hand.act("add_server_tag", tag=tag) == f"server/{server.id} had the tag '{tag}' already"
    hand.act("remove_server_tag", tag=tag)
    assert server.tags == []
    assert hand.act("remove_server_tag", attempt=2, tag=tag).endswith("already")


def test_tag_that_somebody_else_removes_meanwhile_is_removed(cloud: Cloud, hand: Hand) -> None:
    server = hand.server()
    server.tags.append("old")
    path = f"/servers/{server.id}/tags/old"
    cloud.faults.answer(404, path=path)
    with pytest.raises(Permanent):
        hand.act("remove_server_tag", tag="old")
    take = cloud.world.moves.untag

    def quicker(server_id: str, tag: str, actor: object) -> None:
        server.tags.clear()
        take(server_id, tag, actor)  # type: ignore[arg-type]  # the cloud's own actor

    cloud.world.moves.untag = quicker  # type: ignore[method-assign]  # somebody is quicker
    hand.act("remove_server_tag", tag="old")


def test_metadata_is_set_beside_what_is_there(cloud: Cloud, hand: Hand) -> None:
    server = hand.server()
    wanted = {"owner": "ops", "server": "one", "self": "two"}
    hand.act("set_server_metadata", metadata=wanted)
    assert server.metadata == {"tier": "web", **wanted}
    assert hand.act("set_server_metadata", attempt=2, metadata=wanted).endswith("already")


def test_every_operation_is_tested_here_or_below() -> None:
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [word for word in OpenStackOperator.operations if f'"{word}"' not in source] == []
