"""The field's own clients work with the simulated cloud, with nothing special on their side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from keystoneauth1 import exceptions
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from openstack import exceptions as sdk_errors
from openstack.connection import Connection

from examples.cloud.identity_api import credential_id
from examples.cloud.running import Cloud
from examples.cloud.world import World

# openstacksdk warns of its own use of what it is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(World(seed=17)) as running:
        yield running


@pytest.fixture
def client(cloud: Cloud) -> Iterator[Any]:
    found = Connection(
        auth_url=cloud.auth_url,
        username="demo",
        password="secret",
        project_name="demo",
        user_domain_name="Default",
        project_domain_name="Default",
        region_name="RegionOne",
    )
    yield found
    found.close()


def names(found: Any) -> set[str]:
    return {item.name for item in found}


def test_openstacksdk_lists_everything(cloud: Cloud, client: Any) -> None:
    world = cloud.world
    assert names(client.compute.servers(all_projects=True, limit=1)) == {"web-1", "web-2", "db-1", "alice-1"}
    assert names(client.compute.flavors()) == {"tiny", "small", "medium", "large"}
    assert names(client.compute.hypervisors(details=True)) == {"compute1", "compute2", "compute3"}
    assert len(list(client.compute.services())) == 5
    assert {zone.name for zone in client.compute.availability_zones()} == {"nova"}
    assert list(client.compute.aggregates()) == list(client.compute.keypairs()) == []
    assert list(client.compute.server_groups()) == []
    assert names(client.network.networks(limit=1)) == {"public", "private"}
    assert {port.id for port in client.network.ports(limit=2)} == set(world.networks.ports)
    assert len(list(client.network.subnets())) == 2
    assert names(client.network.routers()) == {"edge"}
    assert len(list(client.network.ips())) == 1
    assert len(list(client.network.security_groups())) == len(world.projects)
    assert len(list(client.network.security_group_rules())) == len(world.networks.rules)
    assert names(client.image.images(limit=1)) == {"debian-12", "cirros", "rocky-9"}
    assert names(client.block_storage.volumes(all_projects=True)) == {"db-data"}
    assert names(client.block_storage.types()) == {"standard", "fast"}
    assert names(client.identity.projects()) == {"demo", "research", "service"}
    assert names(client.identity.users()) == {"demo", "alice", "nova"}
    assert names(client.identity.domains()) == {"Default"}


def test_openstacksdk_makes_changes_and_deletes(cloud: Cloud, client: Any) -> None:
    flavor, image = client.compute.find_flavor("small"), client.image.find_image("debian-12")
    network = client.network.find_network("private")
    made = client.compute.create_server(
        name="mine", flavor_id=flavor.id, image_id=image.id, networks=[{"uuid": network.id}]
    )
    server = client.compute.wait_for_server(made)
    assert (server.status, server.flavor.original_name) == ("ACTIVE", "small")
    volume = client.block_storage.create_volume(name="data", size=3)
    client.compute.create_volume_attachment(server, volume_id=volume.id)
    assert client.block_storage.get_volume(volume.id).attachments[0]["server_id"] == server.id
    client.compute.stop_server(server)
    assert client.compute.get_server(server.id).power_state == 4
    client.compute.start_server(server)
    client.compute.resize_server(server, client.compute.find_flavor("large").id)
    client.compute.confirm_server_resize(server)
    client.compute.suspend_server(server)
    client.compute.resume_server(server)
    client.compute.reboot_server(server, "SOFT")
    client.compute.delete_server(server)
    client.block_storage.delete_volume(volume)
    lab = client.network.create_network(name="lab")
    port = client.network.create_port(network_id=lab.id)
    client.network.delete_port(port)
    client.network.delete_network(lab)
    told = {notice.event_type for notice in cloud.world.notices}
    assert {
        "compute.instance.resize.confirm.end",
        "compute.instance.reboot.end",
        "network.delete.end",
    } <= told
    assert client.compute.find_server("mine", ignore_missing=True) is None


def test_openstacksdk_moves_snapshots_and_labels_servers(cloud: Cloud, client: Any) -> None:
    compute, server = client.compute, cloud.world.servers.named("web-1")
    image = compute.create_server_image(server.id, "night", metadata={"kept": "yes"})
    assert client.image.get_image(image.id).instance_uuid == server.id
    assert names(client.image.images(name="night", created_at="gt:2001-01-01T00:00:00Z")) == {"night"}
    assert names(client.image.images(created_at="lt:2001-01-01T00:00:00Z")) == set()
    client.image.delete_image(image.id, ignore_missing=False)
    compute.add_tag_to_server(server.id, "a b")
    assert list(compute.get_server(server.id).fetch_tags(compute).tags) == ["a b"]
    compute.remove_tag_from_server(server.id, "a b")
    with pytest.raises(sdk_errors.NotFoundException):
        compute.remove_tag_from_server(server.id, "a b")
    compute.set_server_metadata(server.id, tier="db")
    assert compute.get_server_metadata(server.id).metadata == server.metadata == {"tier": "db"}
    compute.shelve_server(server.id)
    compute.unshelve_server(server.id)
    compute.live_migrate_server(server.id)
    compute.migrate_server(server.id)
    assert compute.get_server(server.id).status == "VERIFY_RESIZE"
    with pytest.raises(sdk_errors.ConflictException):
        compute.pause_server(server.id)
    with pytest.raises(sdk_errors.BadRequestException):
        compute.evacuate_server(server.id)
    deeds = [deed.action for deed in compute.server_actions(server.id)]
    assert deeds == ["migrate", "live-migration", "unshelve", "shelve", "createImage"]
    cloud.world.images[next(iter(cloud.world.images))].protected = True
    with pytest.raises(sdk_errors.ForbiddenException, match="is protected"):
        client.image.delete_image(next(iter(cloud.world.images)))


def test_keystoneauth_signs_in_by_every_method(cloud: Cloud) -> None:
    project: dict[str, Any] = {"project_name": "demo", "project_domain_name": "Default"}
    user: dict[str, Any] = {"username": "demo", "user_domain_name": "Default"}
    by_password = Session(v3.Password(cloud.auth_url, password="secret", **user, **project))
    by_token = Session(v3.Token(cloud.auth_url, by_password.get_token() or "", **project))
    key = credential_id(cloud.world)
    by_credential = Session(
        v3.ApplicationCredential(cloud.auth_url, application_credential_id=key, application_credential_secret="secret")
    )
    for session in (by_password, by_token, by_credential):
        assert session.get_project_id() == cloud.world.project("demo").id
        for service, path in (
            ("metering", "/v2/events"),
            ("event", "/v2/events"),
            ("network", "/v2.0/networks"),
        ):
            assert session.get(path, endpoint_filter={"service_type": service}).json()
    with pytest.raises(exceptions.Unauthorized):
        Session(v3.Password(cloud.auth_url, password="guess", **user, **project)).get_token()
