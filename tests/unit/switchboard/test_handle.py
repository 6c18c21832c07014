"""The stage: from an event to its plan, its raised events and what is told of the way."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.model.event import ObjectRef
from tasks.model.outcome import Finding, ObjectFacts, Outcome
from tasks.providers.table import kinds
from tasks.switchboard import recipe
from tasks.switchboard.builtin import BUILTINS
from tasks.switchboard.consequences import CONSEQUENCES, REFRESHABLE
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.handle import switchboard_handler
from tasks.switchboard.load import load_domains
from tasks.switchboard.read import shipped_domain
from tests.unit.switchboard.small_datastores import (
    EVENT_FIELDS,
    FakeView,
    domain,
    event,
    files_of,
    klass,
    shipped_with,
)

SERVER = ObjectRef("server", "s-1")


def _told(outcome: Outcome, kind: str) -> list[tuple[str, str]]:
    return [(f.name.rsplit("/", 1)[1], f.verdict) for f in outcome.findings if f.kind == kind]


def _detail(outcome: Outcome, verdict: str) -> dict[str, Any]:
    found: list[Finding] = [f for f in outcome.findings if f.verdict == verdict]
    assert len(found) == 1
    return found[0].detail


def test_a_server_event_refreshes_its_server_and_raises_its_policy_event() -> None:
    outcome = switchboard_handler(event("compute.instance.power_off.end"), FakeView(shipped_with()))
    assert outcome.plan is not None
    assert (outcome.plan.targets, outcome.plan.enforce) == ([SERVER], False)
    assert [(r.event_type, r.target) for r in outcome.raises] == [("vm_poweroff", SERVER)]
    assert _told(outcome, "method") == [("refresh", "done"), ("event_action_policy", "raised")]
    assert _told(outcome, "instance")[:2] == [("Event", "found"), ("compute.instance.power_off.end", "found")]


@pytest.mark.parametrize(
    ("event_type", "policy_event"),
    [
        ("compute.instance.suspend.end", "vm_suspend"),
        ("compute.instance.live_migration.post.dest.end", "vm_migrate"),
        ("compute.instance.delete.end", "vm_destroy"),
    ],
)
def test_names_of_current_nova_raise_their_policy_events(event_type: str, policy_event: str) -> None:
    outcome = switchboard_handler(event(event_type), FakeView(shipped_with()))
    assert [r.event_type for r in outcome.raises] == [policy_event]


def test_G03_a_policy_event_asks_the_policies() -> None:
    raised = event("vm_start", namespace="MiqEvent", source="POLICY")
    outcome = switchboard_handler(raised, FakeView(shipped_with()))
    assert outcome.plan is not None
    assert (outcome.plan.enforce, outcome.plan.targets, outcome.raises) == (True, [], [])
    assert (["POLICY", ".missing"][1], "missing") in _told(outcome, "instance")


def test_G04_an_unknown_type_still_refreshes_the_object_that_it_names() -> None:
    outcome = switchboard_handler(event("compute.instance.brand_new.end"), FakeView(shipped_with()))
    assert outcome.plan is not None
    assert outcome.plan.targets == [SERVER]
    assert _detail(outcome, "missing")["missing"] == "compute.instance.brand_new.end"


@pytest.mark.parametrize("event_type", ["compute.instance.exists", "identity.authenticate"])
def test_a_type_that_changes_nothing_sets_nothing_in_motion(event_type: str) -> None:
    outcome = switchboard_handler(event(event_type), FakeView(shipped_with()))
    assert outcome.plan is not None
    assert (outcome.plan.targets, outcome.raises) == ([], [])


def test_G05_a_source_without_a_class_is_told_and_is_no_error() -> None:
    outcome = switchboard_handler(event("x", source="ELSEWHERE"), FakeView(shipped_with()))
    assert [f.verdict for f in outcome.findings] == ["found", "absent"]


@pytest.mark.parametrize(
    ("event_type", "kind", "parents", "targets"),
    [
        ("compute.instance.volume.attach", "server", {"volume": "v-1"}, ["server/s-1", "volume/v-1"]),
        ("compute.instance.update", "server", {"volume": "v-1"}, ["server/s-1"]),
        ("volume.attach.end", "volume", {"server": "x-1"}, ["volume/s-1", "server/x-1"]),
        ("snapshot.create.end", "snapshot", {"volume": "v-1"}, ["snapshot/s-1", "volume/v-1"]),
        ("backup.create.end", "backup", {"volume": "v-1"}, ["backup/s-1", "volume/v-1"]),
        ("subnet.create.end", "subnet", {"network": "n-1"}, ["subnet/s-1", "network/n-1"]),
        (
            "security_group_rule.create.end",
            "security_group_rule",
            {"security_group": "g-1"},
            ["security_group/g-1"],
        ),
        ("identity.project.updated", "project", {}, ["project/s-1"]),
        ("keypair.create.end", "keypair", {}, ["keypair/s-1"]),
        ("aggregate.addhost.end", "aggregate", {"host": "h-1"}, ["aggregate/s-1", "host/h-1"]),
        ("orchestration.stack.update.end", "stack", {"stack": "p-1"}, ["stack/s-1", "stack/p-1"]),
        ("servergroup.addmember", "server_group", {"server": "v-1"}, ["server_group/s-1"]),
        ("security_group_rule.delete.end", "security_group_rule", {}, ["*/security_group"]),
        ("baremetal.node.update.end", "node", {"server": "v-1"}, ["node/s-1"]),
        ("chassis.update.end", "chassis", {}, []),
    ],
)
def test_refresh_names_the_object_and_the_parents_that_it_changes(
    event_type: str, kind: str, parents: dict[str, str], targets: list[str]
) -> None:
    outcome = switchboard_handler(event(event_type, kind, parents=parents, tenant_id="t-1"), FakeView(shipped_with()))
    assert outcome.plan is not None
    assert [str(t) for t in outcome.plan.targets] == targets


@pytest.mark.parametrize(
    ("event_type", "kind", "targets"),
    [
        ("keypair.delete.end", "keypair", ["*/keypair"]),
        ("backup.create.end", "backup", ["*/backup"]),
        ("servergroup.create", "server_group", ["*/server_group"]),
        ("security_group_rule.create.end", "security_group_rule", ["*/security_group"]),
        ("port.create.end", "port", ["*/port"]),
        # Nothing has happened yet, or the kind is one whose events always name their object.
        ("port.create.start", "port", []),
        ("compute.instance.update", "server", []),
    ],
)
def test_event_without_an_id_has_all_of_its_kind_read_and_never_an_empty_id(
    event_type: str, kind: str, targets: list[str]
) -> None:
    phase = event_type.rpartition(".")[2]
    given = event(event_type, kind, None, phase=phase if phase in ("start", "end") else None)
    outcome = switchboard_handler(given, FakeView(shipped_with()))
    assert outcome.plan is not None
    assert [str(t) for t in outcome.plan.targets] == targets


def test_an_event_without_an_object_is_told_as_skipped() -> None:
    outcome = switchboard_handler(event("compute.instance.pause.end", None, None), FakeView(shipped_with()))
    reasons = [f.detail["reason"] for f in outcome.findings if f.kind == "method"]
    assert reasons == ["the event names no object", "the event names no src_vm"]
    assert [f.verdict for f in outcome.findings if f.kind == "method"] == ["skipped", "skipped"]


@pytest.mark.parametrize(
    ("target", "more", "expected"),
    [
        ("src_vm", {}, ["server/s-1"]),
        ("SRC_VM", {}, ["server/s-1"]),
        ("first_chained_src_vm", {}, ["server/s-1"]),
        ("src_vm", {"kind": "volume", "host": "h-1"}, ["host/h-1"]),
        ("src_vm", {"kind": "volume"}, []),
        ("src_vm_or_dest_host", {}, ["server/s-1"]),
        ("tenant", {"tenant_id": "t-1"}, ["project/t-1"]),
        ("availability_zone", {"parents": {"availability_zone": "z"}}, ["availability_zone/z"]),
        ("ems", {}, ["*/*"]),
        ("", {}, []),
    ],
)
def test_event_action_refresh_reads_the_object_in_a_role(
    target: str, more: dict[str, Any], expected: list[str]
) -> None:
    store = shipped_with({"it": {"rel1": f"/System/event_handlers/event_action_refresh?target={target}"}})
    outcome = switchboard_handler(event("it", **more), FakeView(store))
    assert outcome.plan is not None
    assert [str(t) for t in outcome.plan.targets] == expected


def test_G23_a_target_that_does_not_exist_ends_the_delivery_and_what_was_done_stands() -> None:
    store = shipped_with(
        {
            "it": {
                "rel1": "/System/event_handlers/refresh",
                "rel2": "/System/event_handlers/event_action_refresh?target=moon",
            }
        }
    )
    outcome = switchboard_handler(event("it"), FakeView(store))
    assert outcome.plan is not None
    assert outcome.plan.targets == [SERVER]
    last = outcome.findings[-1]
    assert (last.kind, last.verdict, last.detail["error"]) == ("delivery", "error", "AbortInstantiation")
    assert "moon" in last.detail["text"]


def test_G22_param_names_whose_policies_are_asked() -> None:
    handler = "/System/event_handlers/event_action_policy?target=src_vm&policy_event=vm_clone&param=host"
    store = shipped_with({"it": {"rel1": handler}})
    with_host = switchboard_handler(event("it", host="h-1"), FakeView(store))
    assert [r.inputs for r in with_host.raises] == [{"policy_source": ["host", "h-1"]}]
    assert switchboard_handler(event("it"), FakeView(store)).raises == []


def test_G27_an_event_of_no_provider_raises_nothing() -> None:
    outcome = switchboard_handler(event("compute.instance.pause.end", provider="internal"), FakeView(shipped_with()))
    assert outcome.raises == []


def test_an_inline_method_is_told_as_skipped_and_the_rest_runs() -> None:
    store = shipped_with({"it": {"meth1": "script", "rel1": "/System/event_handlers/refresh"}}, methods=["script"])
    outcome = switchboard_handler(event("it"), FakeView(store))
    assert _told(outcome, "method") == [("refresh", "done"), ("script", "skipped")]
    assert _detail(outcome, "skipped")["location"] == "inline"


def test_an_override_of_a_handler_counts_for_shipped_instances_too() -> None:
    held = klass("System", "event_handlers", [("meth1", "method")], {}, ["refresh"])
    loaded, _ = load_domains(files_of(domain("Site", held)), "automate")
    outcome = switchboard_handler(
        event("volume.create.end", "volume"), FakeView(Datastore(loaded, last=shipped_domain()))
    )
    assert outcome.plan is not None
    assert outcome.plan.targets == []
    assert [f.name for f in outcome.findings if f.kind == "method"] == ["/Site/System/event_handlers/refresh"]


def test_a_guard_decides_by_what_the_event_says() -> None:
    guard = "'${/#event_stream.tenant_id}' == 'gold' && '${/#vm.name}' != 'lab'"
    store = shipped_with({"it": {"guard": guard, "rel1": "/System/event_handlers/refresh"}})
    known = ObjectFacts(SERVER, "known", "web", "gold", None, {"flavor": "big"})
    view = FakeView(store, {SERVER: known})
    gold, other = (switchboard_handler(event("it", tenant_id=t), view) for t in ("gold", "' == '' || 'x"))
    assert gold.plan is not None
    assert other.plan is not None
    assert (gold.plan.targets, other.plan.targets) == ([SERVER], [])
    assert "does not hold" in _detail(other, "refused")["reason"]
    assert len(store.recipes) == 0


def test_root_attributes_tell_of_the_event_and_its_objects() -> None:
    objects = ("vm_id", "vm.flavor", "vm.unknown", "host_id")
    names = (
        "object_name",
        "vmdb_object_type",
        "event_id",
        *objects,
        "event_stream.payload.State.name",
        "miq_event_id",
    )
    text = "+".join(f"${{/#{name}}}" for name in names)
    handler = f"/System/event_handlers/event_action_policy?target=src_vm&param=&policy_event={text}"
    store = shipped_with({"it": {"rel1": handler}})
    view = FakeView(store, {SERVER: ObjectFacts(SERVER, "known", "web", None, None, {"flavor": "big"})})
    outcome = switchboard_handler(event("it", host="h-1", payload={"state": {"NAME": "on"}}), view)
    assert [r.event_type for r in outcome.raises] == ["Event event_stream 7 s-1 big  h-1 on"]


def test_a_type_that_depends_on_nothing_else_is_resolved_once() -> None:
    store = shipped_with()
    view = FakeView(store)
    first = switchboard_handler(event("compute.instance.pause.end"), view)
    assert list(store.recipes) == [("EmsEvent", "OPENSTACK", "compute.instance.pause.end")]
    second = switchboard_handler(event("compute.instance.pause.end", ref="s-2"), view)
    assert [str(r.target) for r in (*first.raises, *second.raises)] == ["server/s-1", "server/s-2"]
    assert [f.as_dict()["name"] for f in first.findings] == [f.as_dict()["name"] for f in second.findings]
    assert view.asked == []


def test_remembered_types_are_bounded_and_the_latest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "MAX_RECIPES", 3)
    store = shipped_with()
    view = FakeView(store)
    for name in ("a", "b", "c", "a", "d"):
        switchboard_handler(event(name), view)
    switchboard_handler(event("x" * 300), view)
    assert [key[2] for key in store.recipes] == ["c", "a", "d"]


def test_what_is_told_is_bounded_and_calls_are_all_carried_out() -> None:
    children: dict[str, dict[str, Any]] = {f"k{n:03}": {} for n in range(150)}
    held = klass("System/Event/EmsEvent", "OpenStack", EVENT_FIELDS, {"it": {"rel1": "/NS/K/*"}})
    child = klass("NS", "K", [("go", "method", {"default_value": "/System/event_handlers.refresh"})], children)
    loaded, _ = load_domains(files_of(domain("Site", held, child)), "automate")
    outcome = switchboard_handler(event("it"), FakeView(Datastore(loaded, last=shipped_domain())))
    assert sum(f.kind == "method" for f in outcome.findings) == 150
    assert len(outcome.findings) <= 150 + recipe.MAX_TOLD + 1
    assert outcome.findings[-1].verdict == "cut"


def test_every_builtin_has_its_consequence() -> None:
    assert set(CONSEQUENCES) == set(BUILTINS)


def test_the_kinds_that_are_refreshed_are_those_that_a_reader_reads() -> None:
    readers = {kind.converter.source: kind.inventory for kind in kinds().values() if kind.inventory is not None}
    assert readers.keys() >= {"OPENSTACK"}
    assert {source: set(reader.kinds) for source, reader in readers.items()} == {
        source: set(REFRESHABLE[source]) for source in readers
    }


def test_the_shipped_domain_leads_nowhere_unknown() -> None:
    store = shipped_with()
    for _, held, instance in store.instances():
        for field, value in held.steps(instance):
            if field.aetype == "relationship" and value.value and "${" not in value.value:
                path = value.value.partition("?")[0].strip("/").split("/")
                assert not store.find(path[:-1], path[-1]).missing
