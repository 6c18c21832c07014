"""Where a field path leads, in our spelling and in ManageIQ's, and which paths are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.expressions.columns import COLUMNS, MEMBERS
from tasks.expressions.facts import Facts, walk
from tasks.expressions.mistakes import BadText
from tasks.expressions.paths import EVENT_COLUMNS, MAX_PARTS, read_count, read_path, read_tag
from tasks.model.event import Event, Normalised, ObjectRef
from tasks.model.outcome import ObjectFacts

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PAYLOAD = {
    "state": "active",
    "image": {"tags": ["x", {"name": "deep"}]},
    "os-ext:host": "n1",
    "nova_object.data": {"inner": 7, "flavor": {"nova_object.data": {"vcpus": 2}}},
}


def facts(payload: Mapping[str, Any] | None = None) -> Facts:
    told = Normalised(
        "vm_start",
        "USER_RUN",
        "m1",
        NOW,
        "server",
        "s1",
        {"host": "n1"},
        "p1",
        "ada",
        "n1",
        "end",
        "power",
        "critical",
        "r1",
        "c1",
    )
    event = Event(7, "cloud", "POLICY", "MiqEvent", told, {"payload": PAYLOAD} if payload is None else payload, depth=2)
    attributes = {"status": "ACTIVE", "metadata": {"owner": "ada"}, "volume_ids": ["v1", "v2"]}
    return Facts(event, ObjectFacts(ObjectRef("server", "s1"), "stub", "web", "p1", NOW, attributes), NOW)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("event.id", 7),
        ("event.provider", "cloud"),
        ("event.source", "POLICY"),
        ("event.depth", 2),
        ("event.late", False),
        ("event.event_type", "vm_start"),
        ("event.raw_event_type", "USER_RUN"),
        ("event.message_id", "m1"),
        ("event.occurred_at", NOW),
        ("event.resource_kind", "server"),
        ("event.resource_id", "s1"),
        ("event.tenant_id", "p1"),
        ("event.actor", "ada"),
        ("event.host", "n1"),
        ("event.phase", "end"),
        ("event.group", "power"),
        ("event.level", "critical"),
        ("event.request_id", "r1"),
        ("event.chain_id", "c1"),
        ("event.parents.host", "n1"),
        ("event.parents.volume", None),
        ("event.payload.state", "active"),
        ("event.payload.image.tags.0", "x"),
        ("event.payload.image.tags.1.name", "deep"),
        ("event.payload.image.tags.9", None),
        ("event.payload.image.tags.-1", None),
        ("event.payload.state.0", None),
        ("event.payload.os-ext:host", "n1"),
        ("event.payload.inner", 7),
        ("event.payload.flavor.vcpus", 2),
        ("event.payload.nothing.at.all", None),
        ("server.status", "ACTIVE"),
        ("target.status", "ACTIVE"),
        ("target.name", "web"),
        ("target.id", "s1"),
        ("target.kind", "server"),
        ("server.tenant_id", "p1"),
        ("server.state", "stub"),
        ("server.inventory_state", "stub"),
        ("server.read_at", NOW),
        ("server.metadata.owner", "ada"),
        ("server.name.x", None),
        ("volume.status", None),
        ("Vm-name", "web"),
        ("Vm-raw_power_state", "ACTIVE"),
        ("Vm-virtual_custom_attribute_owner", "ada"),
        ("Vm.ext_management_system-name", "cloud"),
        ("Host-name", "web"),
    ],
)
def test_path_leads_to_its_value(path: str, value: Any) -> None:
    assert read_path(path).get(facts()) == value


def test_every_event_column_can_be_read() -> None:
    for name in EVENT_COLUMNS:
        read_path(f"event.{name}").get(facts())
    assert {"event_type", "tenant_id", "host", "actor", "group", "level", "phase"} <= EVENT_COLUMNS.keys()


def test_every_column_of_manageiq_means_a_path_of_ours() -> None:
    for model, columns in COLUMNS.items():
        for column, meaning in columns.items():
            written = f"{model}.{column}" if "-" in column else f"{model}-{column}"
            path = read_path(written)
            assert path.type == meaning.type
            assert path.get(facts()) == read_path(meaning.path).get(facts())
    for model, names in MEMBERS.items():
        for name in names:
            assert isinstance(read_count(f"{model}.{name}").get(facts()), int)


def test_attribute_named_state_stands_before_the_state_of_inventory() -> None:
    host = ObjectFacts(ObjectRef("host", "n1"), "known", "n1", None, None, {"state": "up"})
    there = Facts(facts().event, host, NOW)
    assert read_path("host.state").get(there) == "up"
    assert read_path("host.inventory_state").get(there) == "known"


def test_object_that_inventory_never_heard_of_has_no_values() -> None:
    unknown = Facts(facts().event, None, NOW)
    assert read_path("target.name").get(unknown) is None
    assert read_count("target.volume_ids").get(unknown) == 0
    assert read_tag("environment").get(unknown) == []


@pytest.mark.parametrize(
    "payload",
    [
        {"form": "oslo", "content": {"event_type": "x", "payload": {"a": 1}}},
        {"event_type": "x", "payload": {"a": 1}},
        {"a": 1},
    ],
)
def test_payload_is_found_in_the_message_in_its_content_and_alone(payload: dict[str, Any]) -> None:
    assert read_path("event.payload.a").get(facts(payload)) == 1


@pytest.mark.parametrize("payload", [{}, {"form": "oslo", "content": None}, {"payload": None}, {"payload": "text"}])
def test_payload_of_another_shape_has_no_values(payload: dict[str, Any]) -> None:
    assert read_path("event.payload.a").get(facts(payload)) is None


def test_payload_is_not_loaded_by_a_condition_that_does_not_look_at_it() -> None:
    class Late(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise AssertionError("loaded")

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("loaded")

        def __len__(self) -> int:
            raise AssertionError("loaded")

    assert read_path("event.tenant_id").get(facts(Late())) == "p1"
    with pytest.raises(AssertionError, match="loaded"):
        read_path("event.payload.a").get(facts(Late()))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "Write a path"),
        (None, "Write a path"),
        (7, "Write a path"),
        ("event", "Its fields are"),
        ("event.tennant_id", "'tenant_id'"),
        ("event.tenant_id.x", "'tenant_id'"),
        ("event.payload", "Write event.payload."),
        ("event.parents", "Write event.parents."),
        ("events.tenant_id", "event.tenant_id"),
        ("evnet.tenant_id", "event.tenant_id"),
        ("targets.name", "target.name"),
        ("server", "server.status"),
        ("server..x", "dots between"),
        ("server.a b", "dots between"),
        ("server.${x}", "dots between"),
        ("9server.x", "server.status"),
        (".".join(["event", "payload", *["a"] * MAX_PARTS]), "dots between"),
        ("event.payload." + "a" * 400, "Keep it below"),
        ("Vm", "Vm-name"),
        ("Vm-", "Vm-name"),
        ("Vmm-name", "Vm"),
        ("Vm-powerstate", "'power_state'"),
        ("Vm.hardware.disks-size", "Vm has the fields"),
    ],
)
def test_path_that_leads_nowhere_is_refused_with_a_way_out(path: object, said: str) -> None:
    with pytest.raises(BadText) as refused:
        read_path(path)
    assert said in refused.value.mend


def test_path_to_another_kind_than_the_target_is_refused() -> None:
    with pytest.raises(BadText, match="which is a server"):
        read_path("host.name", "server")
    assert read_path("server.name", "server").get(facts()) == "web"


@pytest.mark.parametrize("written", ["Vm.snapshots", "Vm", "Nothing.members"])
def test_unknown_association_cannot_be_counted(written: str) -> None:
    with pytest.raises(BadText, match="cannot be counted"):
        read_count(written)


@pytest.mark.parametrize("written", ["user_tag/x", "Vm.managed", "a b", ""])
def test_text_that_names_no_category_is_refused(written: str) -> None:
    with pytest.raises(BadText):
        read_tag(written)


def test_walk_stops_at_what_is_neither_map_nor_list() -> None:
    assert walk({"a": 5}, ("a", "b")) is None
    assert walk({"a": None}, ("a", "b")) is None
    assert walk([1, 2], ("٣",)) is None
