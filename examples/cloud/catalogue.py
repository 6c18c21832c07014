"""The services that keystone names, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from examples.cloud.world import World

REGION = "RegionOne"
INTERFACES = ("public", "internal", "admin")


@dataclass(frozen=True, slots=True)
class Entry:
    """One service; ``{project}`` in ``path`` is the token's project."""

    type: str
    name: str
    path: str


ENTRIES = (
    Entry("identity", "keystone", "/identity/v3/"),
    Entry("compute", "nova", "/compute/v2.1"),
    Entry("network", "neutron", "/network"),
    Entry("image", "glance", "/image"),
    Entry("volumev3", "cinderv3", "/volume/v3/{project}"),
    Entry("orchestration", "heat", "/orchestration/v1/{project}"),
    Entry("baremetal", "ironic", "/baremetal"),
    Entry("metering", "ceilometer", "/metering"),
    Entry("event", "panko", "/event"),
)


def catalogue(world: World, base: str, project_id: str) -> list[dict[str, Any]]:
    """The catalogue inside a token."""
    here = [
        {
            "id": service_id(world, entry),
            "type": entry.type,
            "name": entry.name,
            "endpoints": [_endpoint(world, entry, interface, base, project_id) for interface in INTERFACES],
        }
        for entry in ENTRIES
        if entry.type not in world.absent
    ]
    return here + [_elsewhere(world, kind, url) for kind, url in world.elsewhere.items()]


def _elsewhere(world: World, kind: str, url: str) -> dict[str, Any]:
    entry = Entry(kind, kind, "")
    endpoints = [_endpoint(world, entry, interface, url, "") for interface in INTERFACES]
    return {"id": service_id(world, entry), "type": kind, "name": kind, "endpoints": endpoints}


def service_id(world: World, entry: Entry) -> str:
    """The id of a service."""
    return world.digest(f"service {entry.type}")[:32]


def endpoint_id(world: World, entry: Entry, interface: str) -> str:
    """The id of an endpoint."""
    return world.digest(f"endpoint {entry.type} {interface}")[:32]


def _endpoint(world: World, entry: Entry, interface: str, base: str, project_id: str) -> dict[str, Any]:
    return {
        "id": endpoint_id(world, entry, interface),
        "interface": interface,
        "region_id": REGION,
        "region": REGION,
        "url": base + entry.path.format(project=project_id),
    }
