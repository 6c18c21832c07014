"""What the engine manages on its first day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples.ovirt.records import (
    GIB,
    Cluster,
    DataCenter,
    Host,
    Network,
    StorageDomain,
    Tag,
    Template,
    User,
)

if TYPE_CHECKING:
    from examples.ovirt.world import World

#: Sign in with this password.
PASSWORD = "secret"
#: The template that every engine has.
BLANK = "00000000-0000-0000-0000-000000000000"


def sow(world: World) -> None:
    """Fill a new world: users, a data center with two clusters, hosts, storage, networks, and a few VMs."""
    # ``admin`` may do everything, ``viewer`` may look.
    for name, writes in (("admin@internal", True), ("viewer@internal", False)):
        user = User(world.uuid(), name, PASSWORD, writes)
        world.users[user.id] = user
    center = DataCenter(world.uuid(), "Default", description="The default data center")
    world.data_centers[center.id] = center
    for name in ("Default", "Lab"):
        cluster = Cluster(world.uuid(), name, center.id)
        world.clusters[cluster.id] = cluster
    main, lab = world.clusters.values()
    for number, cluster in enumerate((main, main, main, lab), 1):
        host = Host(world.uuid(), f"host{number}", cluster.id, f"192.0.2.{40 + number}")
        world.hosts[host.id] = host
    for name, free in (("data1", 500 * GIB), ("data2", 900 * GIB)):
        domain = StorageDomain(world.uuid(), name, center.id, free)
        world.storage_domains[domain.id] = domain
    lone = StorageDomain(world.uuid(), "export", None, status="unattached", type="export")
    world.storage_domains[lone.id] = lone
    for name, vlan in (("ovirtmgmt", None), ("guests", 120)):
        network = Network(world.uuid(), name, center.id, vlan)
        world.networks[network.id] = network
    now = world.now()
    world.templates[BLANK] = Template(BLANK, "Blank", None, now)
    debian = Template(world.uuid(), "debian-12", main.id, now, 2 * GIB, 2)
    world.templates[debian.id] = debian
    for name in ("root", "production"):
        tag = Tag(world.uuid(), name)
        world.tags[tag.id] = tag
    for name in ("web-1", "web-2", "db-1"):
        vm = world.vms.create(name, template="debian-12")
        world.vms.act(vm.id, "start")
    world.vms.create("spare-1", cluster="Lab")
