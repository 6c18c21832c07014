"""Every operation against the simulated engine, once and a second time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from examples.ovirt.running import Engine
from examples.ovirt.world import World
from tasks.model import clock
from tasks.model.errors import Permanent, Transient
from tasks.providers.ovirt import server_snapshots
from tasks.providers.ovirt.operations import OvirtOperator
from tests.engine_ground import Hand


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(World(seed=13)) as running:
        yield running


@pytest.fixture
def hand(engine: Engine) -> Hand:
    return Hand(engine)


def codes(engine: Engine) -> list[int]:
    return [event.code for event in engine.world.audit.events]


def posts(engine: Engine) -> int:
    return sum(n for path, n in engine.requests.items() if path.startswith("POST /ovirt-engine/api"))


@pytest.mark.parametrize(
    ("before", "word", "status", "code"),
    [
        ("down", "start_server", "up", 32),
        ("suspended", "start_server", "up", 32),
        ("up", "stop_server", "down", 33),
        ("paused", "stop_server", "down", 61),
        ("up", "suspend_server", "suspended", 503),
        ("suspended", "resume_server", "up", 32),
        ("paused", "unpause_server", "up", 32),
    ],
)
def test_state_changes_once_and_a_second_try_is_success(
    engine: Engine, hand: Hand, before: str, word: str, status: str, code: int
) -> None:
    vm = hand.vm()
    vm.status = before
    asked_for = {"start_server": "start", "stop_server": "stop", "suspend_server": "suspend"}
    doing = asked_for.get(word, word.removesuffix("_server"))
    assert hand.act(word) == f"the engine was asked to {doing} server/{vm.id}"
    assert vm.status == status
    assert codes(engine)[-1] == code or code in codes(engine)[-2:]
    asked = posts(engine)
    assert hand.act(word, attempt=2).endswith(" already")
    assert (vm.status, posts(engine)) == (status, asked)


def test_what_is_asked_for_stands_in_the_events_of_the_engine(engine: Engine, hand: Hand) -> None:
    hand.act("stop_server")
    [event] = [event for event in engine.world.audit.events if event.code == 33][-1:]
    assert event.correlation_id.startswith("catchment-")
    assert len(event.correlation_id) <= 50


@pytest.mark.parametrize(("kind", "deed"), [("soft", "reboot"), ("hard", "reset")])
def test_reboot_is_done_once_an_effect_and_again_for_another(engine: Engine, hand: Hand, kind: str, deed: str) -> None:
    deeds = hand.vm().deeds
    assert hand.act("reboot_server", type=kind).startswith(f"the engine was asked to reboot ({kind})")
    assert hand.act("reboot_server", attempt=2, type=kind).startswith("an earlier try did reboot")
    assert deeds.count(deed) == 1
    hand.act("reboot_server", attempt=2, key="another", type=kind)
    assert deeds.count(deed) == 2


def test_reboot_by_somebody_else_is_not_taken_for_ours(engine: Engine, hand: Hand) -> None:
    engine.world.vms.act(hand.vm().id, "reboot")
    hand.act("reboot_server", attempt=2, type="soft")
    assert hand.vm().deeds.count("reboot") == 2


def test_reboot_that_the_engine_failed_to_do_is_done_again(engine: Engine, hand: Hand) -> None:
    hand.act("reboot_server")
    known = engine.world.audit.events
    event = known.pop()
    engine.world.emit(158, "Failed to reboot VM", engine.world.actor(correlation_id=event.correlation_id),
                      severity="error", vm=hand.vm().id)  # fmt: skip
    hand.act("reboot_server", attempt=2)
    assert hand.vm().deeds.count("reboot") == 2


def test_event_of_another_vm_under_our_id_does_not_stand_for_ours(engine: Engine, hand: Hand) -> None:
    hand.act("reboot_server", on="web-2")
    hand.act("reboot_server", attempt=2)
    assert hand.vm().deeds.count("reboot") == 1


def test_migration_moves_the_running_vm_once(engine: Engine, hand: Hand) -> None:
    vm, source = hand.vm(), hand.vm().host
    hand.act("migrate_server", live=True)
    place = vm.host
    assert (vm.status, place != source) == ("up", True)
    assert codes(engine)[-2:] == [62, 63]
    assert "earlier try" in hand.act("migrate_server", attempt=2, live=True)
    assert vm.host == place
    other = next(h for h in engine.world.hosts.values() if h.id != place and h.cluster == vm.cluster)
    hand.act("migrate_server", live=True, host=other.name)
    assert vm.host == other.id
    for named in (other.name, other.id):
        assert hand.act("migrate_server", host=named) == f"server/{vm.id} was on {named} already"


def test_migration_of_a_stopped_vm_or_to_nowhere_is_permanent(engine: Engine, hand: Hand) -> None:
    with pytest.raises(Permanent, match="moves running VMs only"):
        hand.act("migrate_server", live=False)
    for host in ("host9", "host*", 'x" or name="host2', "host1 page 2"):
        with pytest.raises(Permanent, match="has no host"):
            hand.act("migrate_server", host=host)
    assert "migrate" not in hand.vm().deeds


def test_snapshot_is_made_once_an_effect(engine: Engine, hand: Hand) -> None:
    vm = hand.vm()
    said = hand.act("snapshot_server")
    made = vm.snapshots[-1]
    assert made.id in said
    assert made.description.startswith("web-1 (catchment ")
    assert made.memory is False
    assert hand.act("snapshot_server", attempt=2).endswith("was there already")
    assert len(vm.snapshots) == 2
    hand.act("snapshot_server", key="another", name="nightly")
    assert [snapshot.description[:8] for snapshot in vm.snapshots].count("nightly ") == 1
    assert {45, 68} <= set(codes(engine))


def aged(engine: Engine, hand: Hand, *days: int) -> list[str]:
    """Snapshots of the VM that Catchment made so many days ago; their ids."""
    made = []
    for age in days:
        hand.act("snapshot_server", key=f"key {age}")
        snapshot = hand.vm().snapshots[-1]
        snapshot.created_at = clock.now() - timedelta(days=age)
        made.append(snapshot.id)
    return made


def left(hand: Hand) -> set[str]:
    return {snapshot.id for snapshot in hand.vm().snapshots}


def test_snapshots_are_deleted_by_age(engine: Engine, hand: Hand) -> None:
    young, old, older = aged(engine, hand, 1, 31, 90)
    active = hand.vm().snapshots[0]
    by_hand = engine.world.vms.snapshot(hand.vm().id, "by hand")
    by_hand.created_at = active.created_at = clock.now() - timedelta(days=100)
    wish = {"older_than": timedelta(days=30), "made_by": "catchment"}
    said = hand.act("delete_snapshots", **wish)
    assert said == f"deleted 2 snapshots of server/{hand.vm().id} older than 30 days"
    assert left(hand) == {young, by_hand.id, active.id}
    assert hand.act("delete_snapshots", attempt=2, **wish).startswith("deleted 0 snapshots")
    hand.act("delete_snapshots", **wish | {"made_by": "anyone"})
    assert left(hand) == {young, active.id}
    assert not {old, older} & left(hand)


def test_snapshots_go_newest_first_and_only_so_many_at_once(
    engine: Engine, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_snapshots, "MOST_DELETED", 2)
    ids = aged(engine, hand, 50, 40, 60)
    said = hand.act("delete_snapshots", older_than=timedelta(days=30))
    assert said.endswith("1 more are left for another time")
    assert [key in left(hand) for key in ids] == [False, False, True]


def test_engine_that_merges_one_snapshot_at_a_time_is_asked_again_later(engine: Engine, hand: Hand) -> None:
    ids = aged(engine, hand, 40, 50)
    delete = engine.world.vms.delete_snapshot

    def slowly(vm_id: str, snapshot_id: str, actor: object = None) -> None:
        delete(vm_id, snapshot_id, actor)  # type: ignore[arg-type]  # the engine's own actor
        for snapshot in hand.vm().snapshots[1:]:
            snapshot.status = "locked"

    engine.world.vms.delete_snapshot = slowly  # type: ignore[method-assign]  # the engine is at work
    with pytest.raises(Transient, match=r"deleted 1 snapshots of .* busy \(a snapshot is locked\)") as raised:
        hand.act("delete_snapshots", older_than=timedelta(days=30))
    assert raised.value.after == server_snapshots.PAUSE
    for snapshot in hand.vm().snapshots:
        snapshot.status = "ok"
    hand.act("delete_snapshots", attempt=2, older_than=timedelta(days=30))
    assert not set(ids) & left(hand)


def test_snapshot_that_somebody_else_deletes_meanwhile_is_deleted(engine: Engine, hand: Hand) -> None:
    [key] = aged(engine, hand, 40)
    delete = engine.world.vms.delete_snapshot

    def quicker(vm_id: str, snapshot_id: str, actor: object = None) -> None:
        delete(vm_id, snapshot_id)
        delete(vm_id, snapshot_id, actor)  # type: ignore[arg-type]  # the engine's own actor

    engine.world.vms.delete_snapshot = quicker  # type: ignore[method-assign]  # somebody is quicker
    assert hand.act("delete_snapshots", older_than=timedelta(days=30)).startswith("deleted 1 snapshot of")
    assert key not in left(hand)


def test_deletion_that_takes_too_long_goes_on_at_the_next_try(
    engine: Engine, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = aged(engine, hand, 40, 50)
    monkeypatch.setattr(server_snapshots, "LONGEST", -1.0)
    with pytest.raises(Transient, match="the others at the next try"):
        hand.act("delete_snapshots", older_than=timedelta(days=30))
    assert set(ids) <= left(hand)


def names(engine: Engine, hand: Hand) -> list[str]:
    return [engine.world.tags[key].name for key in hand.vm().tags]


@pytest.mark.parametrize("tag", ["production", "to-keep"])
def test_tags_are_made_added_and_removed_and_again(engine: Engine, hand: Hand, tag: str) -> None:
    vm = hand.vm()
    for attempt in (1, 2):
        hand.act("add_server_tag", attempt=attempt, tag=tag)
        assert names(engine, hand) == [tag]
    assert hand.act("add_server_tag", tag=tag) == f"server/{vm.id} had the tag '{tag}' already"
    hand.act("remove_server_tag", tag=tag)
    assert names(engine, hand) == []
    assert tag in {known.name for known in engine.world.tags.values()}
    assert hand.act("remove_server_tag", attempt=2, tag=tag).endswith("already")


def test_tag_whose_name_the_engine_does_not_take_is_permanent(engine: Engine, hand: Hand) -> None:
    with pytest.raises(Permanent, match="may hold letters"):
        hand.act("add_server_tag", tag="50% für immer")
    assert names(engine, hand) == []


def test_tag_that_somebody_else_makes_or_removes_meanwhile_is_well(engine: Engine, hand: Hand) -> None:
    make, take = engine.world.vms.add_tag, engine.world.vms.untag

    def quicker_make(name: str, actor: object = None) -> object:
        make(name)
        return make(name, actor)  # type: ignore[arg-type]  # the engine's own actor

    def quicker_take(vm_id: str, tag_id: str, actor: object = None) -> None:
        take(vm_id, tag_id)
        take(vm_id, tag_id, actor)  # type: ignore[arg-type]  # the engine's own actor

    engine.world.vms.add_tag = quicker_make  # type: ignore[method-assign, assignment]  # somebody is quicker
    engine.world.vms.untag = quicker_take  # type: ignore[method-assign]  # somebody is quicker
    hand.act("add_server_tag", tag="new")
    assert names(engine, hand) == ["new"]
    hand.act("remove_server_tag", tag="new")
    assert names(engine, hand) == []


def test_every_operation_is_tested_here() -> None:
    source = Path(__file__).read_text()
    assert [word for word in OvirtOperator.operations if f'"{word}"' not in source] == []


def test_every_operation_is_documented_and_no_other_is() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/ovirt-actions.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = {word.strip(" `") for row in rows for word in row.split(",")}
    assert named == set(OvirtOperator.operations)
