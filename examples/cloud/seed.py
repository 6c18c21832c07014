"""What the cloud has on its first day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples.cloud.records import Flavor, Hypervisor, Image, Project, User

if TYPE_CHECKING:
    from examples.cloud.world import World

#: Sign in with this password.
PASSWORD = "secret"
#: Everybody's roles: ``demo`` administers the cloud, ``alice`` owns one project and sees no other.
_FLAVORS = (("tiny", 1, 512, 1), ("small", 1, 2048, 10), ("medium", 2, 4096, 20), ("large", 4, 8192, 40))
_IMAGES = (
    ("debian-12", "debian", 3_221_225_472),
    ("cirros", "cirros", 21_233_664),
    ("rocky-9", "rocky", 1_073_741_824),
)
_HOSTS = ("compute1", "compute2", "compute3")


def sow(world: World) -> None:
    """Fill a new world: people, sizes, images, hosts, networks, and a first few servers."""
    _people(world)
    _sizes(world)
    for number, name in enumerate(_HOSTS, 1):
        host = Hypervisor(world.uuid(), number, name, world.uuid(), f"192.0.2.{20 + number}")
        world.hypervisors[name] = host
    world.networks.sow(world.actor())
    world.volumes.sow()
    demo = world.actor()
    for name, flavor in (("web-1", "small"), ("web-2", "small"), ("db-1", "medium")):
        world.servers.create(name, actor=demo, flavor=flavor, metadata={"tier": name.split("-")[0]})
    data = world.volumes.create("db-data", size=20, actor=demo)
    world.volumes.attach(data.id, world.servers.named("db-1").id, actor=demo)
    world.servers.create("alice-1", actor=world.actor("alice", "research"), flavor="tiny")
    world.nodes.sow()


def _people(world: World) -> None:
    for name in ("demo", "research", "service"):
        project = Project(world.hex_id(), name, f"Project {name}")
        world.projects[project.id] = project
    ids = {project.name: project.id for project in world.projects.values()}
    everything = ("reader", "member", "admin")
    for user in (
        User(world.hex_id(), "demo", PASSWORD, {ids["demo"]: everything, ids["research"]: everything}),
        User(world.hex_id(), "alice", PASSWORD, {ids["research"]: ("reader", "member")}),
        User(world.hex_id(), "nova", PASSWORD, {ids["service"]: ("service",)}),
    ):
        world.users[user.id] = user


def _sizes(world: World) -> None:
    for number, (name, vcpus, memory, disk) in enumerate(_FLAVORS, 1):
        flavor = Flavor(world.uuid(), number, name, vcpus, memory, disk)
        world.flavors[flavor.id] = flavor
    owner = world.project("service").id
    for name, distribution, size in _IMAGES:
        now = world.now()
        image = Image(world.uuid(), name, owner, size, now, now, properties={"os_distro": distribution})
        image.checksum, image.hash_value = world.digest(image.id)[:32], world.digest(image.id)
        world.images[image.id] = image
