"""The inventory reader against the simulated cloud: what it reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from examples.cloud.records import Hypervisor
from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from tasks.model.errors import Absent, Gone, Permanent, ProviderDown
from tasks.model.event import ObjectRef
from tasks.providers.contracts import ProviderConfig, Reading
from tasks.providers.openstack import asking
from tasks.providers.openstack.failures import NotAllowed
from tasks.providers.openstack.inventory import OpenStackInventory
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.session import cloud_session

# openstacksdk warns of its own use of what it is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")
NOTHING = "00000000-0000-0000-0000-000000000000"


#: An id of each kind that there is not, where it is no uuid.
NOTHING_OF = {"keypair": f"{NOTHING}:none", "aggregate": "999", "host": "none", "availability_zone": "none"}


def furnish(world: World) -> None:
    """Have at least one object of every kind."""
    volume = next(iter(world.volumes.volumes))
    world.volumes.snapshot(volume, "snap")
    world.backups.create(volume, "nightly")
    world.groupings.create_keypair("ops key")
    world.groupings.create_keypair("ops key", world.actor("alice", "research"))
    world.hypervisors["compute4"] = Hypervisor(world.uuid(), 4, "compute4", world.uuid(), "192.0.2.24", enabled=False)
    rack = world.groupings.create_aggregate("rack-1", metadata={"availability_zone": "east"})
    world.groupings.add_host(rack.id, "compute4")
    group = world.groupings.create_group("apart")
    world.groupings.add_member(group.id, world.servers.named("web-1").id)
    outer = world.stacks.create("shop", servers=2, volumes=1)
    world.stacks.create("shop-inner", parent=outer.id, actor=world.actor("alice", "research"))


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    world = World(seed=13)
    furnish(world)
    with Cloud(world) as running:
        yield running


def sign_up(cloud: Cloud, folder: Path, **who: str) -> OpenStackInventory:
    path = folder / "clouds.yaml"
    path.write_text(clouds_yaml(cloud.url, **who))
    session = cloud_session("demo", path)
    return OpenStackInventory(ProviderConfig("lab", "openstack", None, lambda: session))


@pytest.fixture
def reader(cloud: Cloud, tmp_path: Path) -> Iterator[OpenStackInventory]:
    found = sign_up(cloud, tmp_path)
    yield found
    found.close()


def server_ref(cloud: Cloud, name: str = "web-1") -> ObjectRef:
    return ObjectRef("server", cloud.world.servers.named(name).id)


def test_server_has_its_facts_with_flavor_host_and_volumes(cloud: Cloud, reader: OpenStackInventory) -> None:
    server = cloud.world.servers.named("db-1")
    reading = reader.read(ObjectRef("server", server.id))
    assert (reading.name, reading.tenant_id) == ("db-1", cloud.world.project("demo").id)
    facts = reading.attributes
    assert (facts["status"], facts["power_state"]) == ("ACTIVE", "on")
    assert (facts["flavor_id"], facts["flavor_name"]) == (server.flavor.id, "medium")
    assert (facts["vcpus"], facts["memory_mb"], facts["disk_gb"]) == (2, 4096, 20)
    assert facts["host"] == server.host
    assert facts["volume_ids"] == server.volumes
    assert facts["addresses"] == [cloud.world.networks.ports[server.ports[0]].address]
    assert facts["metadata"] == {"tier": "db"}
    assert facts["created_at"].endswith("Z")
    cloud.world.servers.act(server.id, "stop")
    assert reader.read(ObjectRef("server", server.id)).attributes["power_state"] == "off"


@pytest.mark.parametrize("kind", OpenStackInventory.kinds)
def test_every_kind_is_listed_and_read_alike(cloud: Cloud, reader: OpenStackInventory, kind: str) -> None:
    listed = list(reader.read_all(kind))
    assert listed
    for reading in listed:
        assert isinstance(reading, Reading)
        assert reader.read(reading.ref) == reading
        json.dumps(reading.attributes, allow_nan=False)


@pytest.mark.parametrize("kind", OpenStackInventory.kinds)
def test_every_kind_is_gone_on_404(reader: OpenStackInventory, kind: str) -> None:
    key = NOTHING_OF.get(kind, NOTHING)
    with pytest.raises(Gone, match=f"{kind}/{key}|has no {key}"):
        reader.read(ObjectRef(kind, key))


def test_kinds_and_attributes_are_documented() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/inventory.md").read_text()
    order = page.split("in this order:")[1].split(".")[0].split(",")
    assert tuple(" ".join(kind.split()) for kind in order) == OpenStackInventory.kinds


@pytest.mark.parametrize("kind", OpenStackInventory.kinds)
def test_attributes_of_a_kind_are_documented(cloud: Cloud, reader: OpenStackInventory, kind: str) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/inventory.md").read_text()
    for name in next(reader.read_all(kind)).attributes:
        assert name in page, f"{kind}.{name}"


def test_key_pairs_of_one_name_are_told_apart_by_their_user(cloud: Cloud, reader: OpenStackInventory) -> None:
    users = {cloud.world.user(name).id for name in ("demo", "alice")}
    found = {reading.ref.id: reading.attributes["user_id"] for reading in reader.read_all("keypair")}
    assert found == {f"{user}:ops key": user for user in users}
    with pytest.raises(Permanent, match="USER:NAME"):
        reader.read(ObjectRef("keypair", "ops key"))


def test_stack_has_its_resources_its_parent_and_its_project(cloud: Cloud, reader: OpenStackInventory) -> None:
    stacks = {reading.name: reading for reading in reader.read_all("stack")}
    outer, inner = stacks["shop"], stacks["shop-inner"]
    ids = [key for _, key in cloud.world.stacks.get("shop").resources.values()]
    assert outer.attributes["server_ids"] == sorted(ids[:2])
    assert outer.attributes["resources"] == sorted([f"server/{ids[0]}", f"server/{ids[1]}", f"volume/{ids[2]}"])
    assert (outer.attributes["status"], outer.attributes["parent_id"]) == ("CREATE_COMPLETE", None)
    assert (inner.attributes["parent_id"], inner.tenant_id) == (outer.ref.id, cloud.world.project("research").id)
    before = Counter(cloud.requests)
    reader.read(inner.ref)
    assert sum((cloud.requests - before).values()) == 3  # where it is, itself, its resources


@pytest.mark.parametrize("kind", ["stack", "volume", "node", "server"])
def test_service_that_a_cloud_may_do_without_is_absent_and_no_other(
    cloud: Cloud, reader: OpenStackInventory, kind: str
) -> None:
    cloud.world.absent |= {"orchestration", "volumev3", "baremetal", "compute"}
    with pytest.raises(ProviderDown, match=r"no .* service") as told:
        list(reader.read_all(kind))
    assert isinstance(told.value, Absent) is (kind != "server")


def test_groups_of_servers_come_page_by_page_by_offset(
    cloud: Cloud, reader: OpenStackInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAGE", 2)
    for number in range(4):
        cloud.world.groupings.create_group(f"more-{number}")
    assert {reading.ref.id for reading in reader.read_all("server_group")} == set(cloud.world.servers.groups)
    assert cloud.requests["GET /compute/v2.1/os-server-groups"] == 3


def test_all_of_a_kind_come_page_by_page(
    cloud: Cloud, reader: OpenStackInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAGE", 2)
    for number in range(5):
        cloud.world.servers.create(f"more-{number}", flavor="tiny")
    stream = reader.read_all("server")
    next(stream)
    assert cloud.requests["GET /compute/v2.1/servers/detail"] == 1
    first, rest = server_ref(cloud, "more-4").id, {reading.ref.id for reading in stream}
    assert rest | {first} == set(cloud.world.servers.servers)
    assert cloud.requests["GET /compute/v2.1/servers/detail"] >= 5
    for kind, table in (("port", cloud.world.networks.ports), ("image", cloud.world.images)):
        assert {reading.ref.id for reading in reader.read_all(kind)} == set(table)


def test_reading_one_object_costs_one_call(cloud: Cloud, reader: OpenStackInventory) -> None:
    reader.read(server_ref(cloud))
    before = Counter(cloud.requests)
    for _ in range(3):
        reader.read(server_ref(cloud))
    assert cloud.requests - before == {f"GET /compute/v2.1/servers/{server_ref(cloud).id}": 3}


def test_user_without_the_right_gets_the_own_project(cloud: Cloud, tmp_path: Path) -> None:
    reader = sign_up(cloud, tmp_path, user="alice", project="research")
    assert {reading.name for reading in reader.read_all("server")} == {"alice-1", "shop-inner-0"}
    assert [reading.name for reading in reader.read_all("stack")] == ["shop-inner"]
    assert [reading.name for reading in reader.read_all("keypair")] == ["ops key"]
    assert list(reader.read_all("aggregate")) == list(reader.read_all("user")) == []
    assert [reading.name for reading in reader.read_all("availability_zone")] == ["nova", "east"]
    assert [reading.name for reading in reader.read_all("project")] == ["research"]
    assert list(reader.read_all("host")) == []
    assert list(reader.read_all("node")) == []
    assert len(list(reader.read_all("flavor"))) == 4
    with pytest.raises(NotAllowed, match="reader role"):
        reader.read(ObjectRef("project", cloud.world.project("demo").id))
    assert reader.read(server_ref(cloud, "alice-1")).attributes["host"] is None


@pytest.mark.parametrize("key", ["", "..", ".", "../x", "a/b", "a?b=c", "a#b", "a\nb", "x" * 300, "é"])
def test_ids_that_lead_elsewhere_are_not_asked_for(cloud: Cloud, reader: OpenStackInventory, key: str) -> None:
    with pytest.raises(Permanent, match="no id"):
        reader.read(ObjectRef("server", key))
    assert not cloud.requests


def test_words_that_are_addresses_are_no_objects(cloud: Cloud, reader: OpenStackInventory) -> None:
    with pytest.raises(ProviderDown, match="another object"):
        reader.read(ObjectRef("server", "detail"))


def test_unknown_kind_is_permanent(reader: OpenStackInventory) -> None:
    with pytest.raises(Permanent, match="no kind 'lease'"):
        reader.read(ObjectRef("lease", NOTHING))
    with pytest.raises(Permanent, match="no kind"):
        list(reader.read_all("lease"))


def test_provider_without_a_cloud_is_permanent() -> None:
    with pytest.raises(Permanent, match="no cloud is named"):
        OpenStackInventory(ProviderConfig("lab", "openstack", None)).read(ObjectRef("server", NOTHING))


def test_host_is_read_by_the_name_that_events_use(cloud: Cloud, reader: OpenStackInventory) -> None:
    reading = reader.read(ObjectRef("host", "compute1"))
    assert reading.name == "compute1"
    assert (reading.attributes["vcpus"], reading.attributes["state"]) == (32, "up")
    with pytest.raises(Gone):
        reader.read(ObjectRef("host", "compute"))


def test_flavor_that_was_deleted_leaves_its_figures(cloud: Cloud, reader: OpenStackInventory) -> None:
    server = cloud.world.servers.named("web-1")
    del cloud.world.flavors[server.flavor.id]
    facts = reader.read(server_ref(cloud)).attributes
    assert facts["flavor_id"] is None
    assert (facts["flavor_name"], facts["vcpus"]) == ("small", 1)


def test_four_threads_share_one_reader_and_one_token(cloud: Cloud, reader: OpenStackInventory) -> None:
    refs: list[ObjectRef] = [server_ref(cloud, name) for name in ("web-1", "web-2", "db-1")]
    refs += [ObjectRef("port", key) for key in cloud.world.networks.ports]
    refs += [ObjectRef("image", key) for key in cloud.world.images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(reader.read, refs * 6))
        assert [reading.ref for reading in found] == refs * 6
        assert cloud.requests["POST /identity/v3/auth/tokens"] == 1
        cloud.expire_tokens()
        assert [reading.ref for reading in pool.map(reader.read, refs * 3)] == refs * 3


def test_reader_may_be_used_after_close(cloud: Cloud, reader: OpenStackInventory) -> None:
    reader.read(server_ref(cloud))
    reader.close()
    reader.close()
    assert reader.read(server_ref(cloud)).name == "web-1"


def test_node_has_its_states_its_machine_and_its_server_and_no_way_to_its_bmc(
    cloud: Cloud, reader: OpenStackInventory
) -> None:
    nodes, server = cloud.world.nodes, cloud.world.servers.named("web-1").id
    node = nodes.get("metal-1")
    node.owner, node.lessee = cloud.world.project("demo").id, cloud.world.project("research").id
    nodes.provision(node.id, "deploy", server)
    nodes.power(node.id, "power on")
    nodes.maintain(node.id, "fan 3")
    nodes.fail_power(node.id, "power off", "BMC is silent")
    reading = reader.read(ObjectRef("node", node.id))
    assert (reading.name, reading.tenant_id) == ("metal-1", node.owner)
    facts = reading.attributes
    assert (facts["provision_state"], facts["power_state"], facts["server_id"]) == ("active", "on", server)
    assert (facts["maintenance"], facts["maintenance_reason"]) == (True, "fan 3")
    assert facts["last_error"] == "BMC is silent"
    assert (facts["vcpus"], facts["memory_mb"], facts["disk_gb"]) == (32, 131072, 480)
    assert facts["capabilities"] == {"boot_mode": "uefi", "secure_boot": "true"}
    assert (facts["lessee"], facts["conductor"], facts["traits"]) == (node.lessee, "control1", ["CUSTOM_GOLD"])
    assert "192.0.2.90" not in json.dumps(facts)


def test_nodes_come_page_by_page(cloud: Cloud, reader: OpenStackInventory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAGE", 2)
    for number in range(3):
        cloud.world.nodes.create(f"more-{number}")
    assert {reading.ref.id for reading in reader.read_all("node")} == set(cloud.world.nodes.nodes)
    assert cloud.requests["GET /baremetal/v1/nodes/detail"] >= 3


def test_cloud_without_ironic_is_asked_nothing_for_nodes(cloud: Cloud, reader: OpenStackInventory) -> None:
    cloud.world.absent.add("baremetal")
    list(reader.read_all("server"))
    before = Counter(cloud.requests)
    for _ in range(2):
        with pytest.raises(Absent, match="no baremetal service"):
            list(reader.read_all("node"))
    assert cloud.requests - before == {}


def test_service_that_the_operator_names_as_missing_is_absent_and_is_asked_nothing(
    cloud: Cloud, tmp_path: Path
) -> None:
    path = tmp_path / "clouds.yaml"
    path.write_text(clouds_yaml(cloud.url))
    session = cloud_session("demo", path)
    options = OpenStackOptions.model_validate({"without": ["compute"]})
    reader = OpenStackInventory(ProviderConfig("under", "openstack", options, lambda: session))
    cloud.world.absent.add("compute")
    with pytest.raises(Absent, match="under: the provider is `without` compute"):
        list(reader.read_all("server"))
    assert not cloud.requests
    assert {reading.name for reading in reader.read_all("node")} == {"metal-1", "metal-2"}
