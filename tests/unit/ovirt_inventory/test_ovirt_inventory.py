"""The inventory reader against the simulated engine: what it reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from examples.cloud.refusals import BadRequest
from examples.ovirt.records import GIB, Nic
from examples.ovirt.running import Engine
from examples.ovirt.wire import Request
from examples.ovirt.world import World
from tasks.model.errors import Gone, Permanent
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Reading
from tasks.providers.ovirt import kinds
from tasks.providers.ovirt.failures import NotAnEngine
from tasks.providers.ovirt.inventory import OvirtInventory
from tests.engine_ground import NOTHING, lab

TOKEN = "POST /ovirt-engine/sso/oauth/token"
VMS = "GET /ovirt-engine/api/vms"


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(World(seed=13)) as running:
        yield running


@pytest.fixture
def reader(engine: Engine) -> OvirtInventory:
    return OvirtInventory(lab(engine))


def ref(engine: Engine, name: str = "web-1") -> ObjectRef:
    return ObjectRef("server", engine.world.vm(name).id)


def test_server_has_its_facts_with_host_cluster_and_disks(engine: Engine, reader: OvirtInventory) -> None:
    world, vm = engine.world, engine.world.vm("db-1")
    vm.custom_properties["hugepages"] = "2048"
    vm.sockets, vm.comment = 2, "of the shop"
    world.vms.tag(vm.id, "production")
    vm.nics.append(Nic(world.uuid(), "nic2", vm.nics[0].network, "56:6f:1a:00:00:01", ["2001:db8::5"]))
    reading = reader.read(ref(engine, "db-1"))
    assert (reading.name, reading.tenant_id) == ("db-1", None)
    facts = reading.attributes
    cluster = world.clusters[vm.cluster]
    assert (facts["status"], facts["power_state"], facts["task_state"]) == ("up", "on", None)
    assert (facts["vcpus"], facts["memory_mb"]) == (4, 2048)
    assert (facts["host"], facts["cluster_id"], facts["data_center_id"]) == (vm.host, cluster.id, cluster.data_center)
    assert (facts["template_id"], facts["disk_ids"]) == (vm.template, vm.disks)
    assert facts["addresses"] == [*vm.nics[0].addresses, "2001:db8::5"]
    assert facts["network_ids"] == [vm.nics[0].network]
    assert facts["mac_addresses"] == [nic.mac for nic in vm.nics]
    assert (facts["tags"], facts["custom_properties"]) == (["production"], {"hugepages": "2048"})
    assert (facts["comment"], facts["highly_available"], facts["delete_protected"]) == ("of the shop", False, False)
    assert facts["created_at"].endswith("Z")
    world.vms.act(vm.id, "stop")
    facts = reader.read(ref(engine, "db-1")).attributes
    assert (facts["status"], facts["power_state"], facts["host"]) == ("down", "off", None)
    assert facts["stopped_at"] is not None


def test_places_have_their_facts(engine: Engine, reader: OvirtInventory) -> None:
    world = engine.world
    host = world.places.host("host1")
    facts = reader.read(ObjectRef("host", host.id)).attributes
    assert (facts["status"], facts["state"], facts["cluster_id"]) == ("up", "up", host.cluster)
    assert (facts["vcpus"], facts["memory_mb"], facts["running_servers"]) == (32, 131072, 1)
    world.places.maintain("host1")
    facts = reader.read(ObjectRef("host", host.id)).attributes
    assert (facts["status"], facts["state"], facts["running_servers"]) == ("maintenance", "down", 0)
    disk = world.disks[world.vm("web-1").disks[0]]
    facts = reader.read(ObjectRef("disk", disk.id)).attributes
    assert (facts["size_gb"], facts["used_gb"], facts["status"]) == (20, 5, "ok")
    assert facts["storage_domain_ids"] == [disk.storage_domain]
    network = next(net for net in world.networks.values() if net.vlan)
    facts = reader.read(ObjectRef("network", network.id)).attributes
    assert (facts["vlan_id"], facts["data_center_id"], facts["usages"]) == (120, network.data_center, ["vm"])
    cluster = next(iter(world.clusters.values()))
    facts = reader.read(ObjectRef("cluster", cluster.id)).attributes
    assert (facts["version"], facts["data_center_id"]) == ("4.7", cluster.data_center)


def test_status_of_a_storage_domain_comes_from_its_data_center(engine: Engine, reader: OvirtInventory) -> None:
    domains = {domain.name: domain for domain in engine.world.storage_domains.values()}
    domains["data1"].status = "maintenance"
    domains["data1"].available, domains["data1"].used = 30 * GIB, 10 * GIB
    facts = reader.read(ObjectRef("storage_domain", domains["data1"].id)).attributes
    assert (facts["status"], facts["size_gb"], facts["available_gb"]) == ("maintenance", 40, 30)
    assert facts["data_center_ids"] == [domains["data1"].data_center]
    listed = {reading.name: reading.attributes["status"] for reading in reader.read_all("storage_domain")}
    assert listed == {"data1": "maintenance", "data2": "active", "export": "unattached"}
    centers = [path for path in engine.requests if path.endswith("/storagedomains") and "datacenters" in path]
    assert engine.requests[centers[0]] == 2


def test_storage_domain_whose_data_center_is_gone_has_no_status(engine: Engine, reader: OvirtInventory) -> None:
    domain = next(iter(engine.world.storage_domains.values()))
    engine.world.data_centers.clear()
    assert reader.read(ObjectRef("storage_domain", domain.id)).attributes["status"] is None


@pytest.mark.parametrize("kind", OvirtInventory.kinds)
def test_every_kind_is_listed_and_read_alike(engine: Engine, reader: OvirtInventory, kind: str) -> None:
    listed = list(reader.read_all(kind))
    assert listed
    for reading in listed:
        assert isinstance(reading, Reading)
        assert reader.read(reading.ref) == reading
        json.dumps(reading.attributes, allow_nan=False)


@pytest.mark.parametrize("kind", OvirtInventory.kinds)
def test_every_kind_is_gone_on_404(reader: OvirtInventory, kind: str) -> None:
    with pytest.raises(Gone, match=f"{kind}/{NOTHING}"):
        reader.read(ObjectRef(kind, NOTHING))


def _page() -> str:
    page = (Path(__file__).resolve().parents[3] / "docs/inventory.md").read_text()
    return page.split("\n## oVirt\n")[1].split("\n## ")[0]


def test_kinds_are_documented_in_their_order() -> None:
    order = _page().split("in this order:")[1].split(".")[0].split(",")
    assert tuple(" ".join(kind.split()) for kind in order) == OvirtInventory.kinds


@pytest.mark.parametrize("kind", OvirtInventory.kinds)
def test_attributes_of_a_kind_are_documented(reader: OvirtInventory, kind: str) -> None:
    for name in next(reader.read_all(kind)).attributes:
        assert name in _page(), f"{kind}.{name}"


def test_all_of_a_kind_come_page_by_page(
    engine: Engine, reader: OvirtInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "PAGE", 2)
    for number in range(5):
        engine.world.vms.create(f"more-{number}")
    stream = reader.read_all("server")
    first = next(stream)
    assert engine.requests[VMS] == 1
    assert {first.ref.id, *(reading.ref.id for reading in stream)} == set(engine.world.vms.vms)
    assert engine.requests[VMS] == 5
    assert {reading.ref.id for reading in reader.read_all("disk")} == set(engine.world.disks)


def test_object_that_moves_to_a_later_page_is_told_once(
    engine: Engine, reader: OvirtInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "PAGE", 2)
    stream = reader.read_all("server")
    seen = [next(stream).name, next(stream).name]
    engine.world.vms.create("aaa")
    seen += [reading.name for reading in stream]
    assert seen == ["db-1", "spare-1", "web-1", "web-2"]


def test_list_without_an_end_is_given_up(
    engine: Engine, reader: OvirtInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "PAGE", 4)
    for kind in kinds.KINDS.values():
        assert kind.sort in ("name", "alias")
    page = {"vm": [{"id": vm.id, "name": vm.name, "status": "up"} for vm in engine.world.vms.vms.values()]}
    monkeypatch.setattr("tasks.providers.ovirt.engine.Engine.get", lambda *_: page)
    with pytest.raises(NotAnEngine, match="does not end"):
        list(reader.read_all("server"))


def test_empty_list_is_empty(engine: Engine, reader: OvirtInventory) -> None:
    engine.world.vms.vms.clear()
    assert list(reader.read_all("server")) == []


def test_reading_one_object_costs_one_call(engine: Engine, reader: OvirtInventory) -> None:
    reader.read(ref(engine))
    before = Counter(engine.requests)
    for _ in range(3):
        reader.read(ref(engine))
    assert engine.requests - before == {f"{VMS}/{ref(engine).id}": 3}


@pytest.mark.parametrize(
    "key", ["", "..", "../hosts/x", "a/b", "a?b=c", "web-1", "x" * 300, "é", NOTHING + "\n", NOTHING + "/nics"]
)
def test_ids_that_lead_elsewhere_are_not_asked_for(engine: Engine, reader: OvirtInventory, key: str) -> None:
    with pytest.raises(Permanent, match="no id"):
        reader.read(ObjectRef("server", key))
    assert not engine.requests


def test_unknown_kind_is_permanent(reader: OvirtInventory) -> None:
    with pytest.raises(Permanent, match="no kind 'flavor'"):
        reader.read(ObjectRef("flavor", NOTHING))
    with pytest.raises(Permanent, match="no kind"):
        list(reader.read_all("flavor"))


def test_engine_that_does_not_embed_links_is_read_without_them(
    engine: Engine, reader: OvirtInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(request: Request) -> list[str]:
        if request.param("follow"):
            raise BadRequest("[follow is not known here]")
        return []

    monkeypatch.setattr(Request, "follow", refuse)
    for facts in (reader.read(ref(engine)).attributes, next(reader.read_all("server")).attributes):
        assert facts["cluster_id"] == engine.world.vm("web-1").cluster
        for name in ("tags", "disk_ids", "addresses", "network_ids", "data_center_id"):
            assert facts[name] is None
    # The first answer is remembered: one refusal, one read and one list.
    assert engine.requests[VMS] == 1
    assert engine.requests[f"{VMS}/{ref(engine).id}"] == 2


def test_user_who_may_only_look_reads_everything(engine: Engine) -> None:
    viewer = OvirtInventory(lab(engine, username="viewer@internal"))
    for kind in viewer.kinds:
        assert list(viewer.read_all(kind))


def test_four_threads_share_one_reader_and_one_token(engine: Engine, reader: OvirtInventory) -> None:
    refs = [ref(engine, name) for name in ("web-1", "web-2", "db-1")]
    refs += [ObjectRef("disk", key) for key in engine.world.disks]
    refs += [ObjectRef("host", key) for key in engine.world.hosts]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(reader.read, refs * 6))
        assert [reading.ref for reading in found] == refs * 6
        assert engine.requests[TOKEN] == 1
        engine.expire_tokens()
        assert [reading.ref for reading in pool.map(reader.read, refs * 3)] == refs * 3


def test_readers_one_after_another_sign_in_once(engine: Engine) -> None:
    for _ in range(3):
        reader = OvirtInventory(lab(engine))
        reader.read(ref(engine))
        reader.close()
    assert engine.requests[TOKEN] == 1
