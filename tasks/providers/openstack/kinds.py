"""The kinds of OpenStack's objects that inventory knows: how each one is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from openstack.utils import supports_microversion

from tasks.model.errors import Gone
from tasks.providers.openstack import attributes, network_attributes

#: Objects on a page of a list; nova and cinder give 1000 at the most.
PAGE = 500
#: A microversion in which nova names a host by uuid and still tells its figures (2.53 to 2.87).
HOST_MICROVERSION = "2.53"
_ID = re.compile(r"[\w .:@~+-]{1,255}", re.ASCII)


def is_id(key: str) -> bool:
    """Whether a text can be an object's id.

    Ids come with events, and events are not to be trusted: nothing in an id may lead to another address.
    """
    return bool(_ID.fullmatch(key)) and bool(key.strip("."))


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind is read: by which service, one object, all objects, and what is kept of it.

    ``all`` gets True for every project and False for the user's own alone. ``proof`` is a field that every
    object of the kind has: openstacksdk makes an empty object of an answer that is none.
    """

    service: str
    one: Callable[[Any, str], Any]
    all: Callable[[Any, bool], Iterator[Any]]
    keep: Callable[[Any], attributes.Attributes]
    owner: str = "project_id"
    proof: str = "status"


def _hosts(compute: Any, **query: Any) -> Iterator[Any]:
    version = HOST_MICROVERSION if supports_microversion(compute, HOST_MICROVERSION) else None
    found: Iterator[Any] = compute.hypervisors(details=True, microversion=version, **query)
    return found


def _host(compute: Any, name: str) -> Any:
    """A host by its name: nova's own search answers 404 where nothing is like it."""
    for found in _hosts(compute, hypervisor_hostname_pattern=name):
        if name in (host_name(found), found.name):
            return found
    raise Gone(f"nova's list of hosts has no {name}")


def host_name(found: Any) -> Any:
    """The name by which events know a host: that of its nova-compute service."""
    service = found.service_details
    return (service.get("host") if isinstance(service, dict) else None) or found.name


KINDS: dict[str, Kind] = {
    "project": Kind(
        "identity",
        lambda s, key: s.get_project(key),
        lambda s, every: s.projects() if every else iter(()),
        attributes.project,
        "id",
        proof="is_enabled",
    ),
    "flavor": Kind(
        "compute",
        lambda s, key: s.get_flavor(key),
        lambda s, every: s.flavors(limit=PAGE, **({"is_public": "None"} if every else {})),
        attributes.flavor,
        "",
        proof="name",
    ),
    "image": Kind(
        "image",
        lambda s, key: s.get_image(key),
        lambda s, _: s.images(limit=PAGE),
        attributes.image,
        "owner_id",
    ),
    "network": Kind(
        "network",
        lambda s, key: s.get_network(key),
        lambda s, _: s.networks(limit=PAGE),
        network_attributes.network,
    ),
    "subnet": Kind(
        "network",
        lambda s, key: s.get_subnet(key),
        lambda s, _: s.subnets(limit=PAGE),
        network_attributes.subnet,
        proof="cidr",
    ),
    "router": Kind(
        "network",
        lambda s, key: s.get_router(key),
        lambda s, _: s.routers(limit=PAGE),
        network_attributes.router,
    ),
    "security_group": Kind(
        "network",
        lambda s, key: s.get_security_group(key),
        lambda s, _: s.security_groups(limit=PAGE),
        network_attributes.security_group,
        proof="security_group_rules",
    ),
    "port": Kind("network", lambda s, key: s.get_port(key), lambda s, _: s.ports(limit=PAGE), network_attributes.port),
    "floatingip": Kind(
        "network",
        lambda s, key: s.get_ip(key),
        lambda s, _: s.ips(limit=PAGE),
        network_attributes.floating_ip,
        proof="floating_ip_address",
    ),
    "volume": Kind(
        "block_storage",
        lambda s, key: s.get_volume(key),
        lambda s, every: s.volumes(all_projects=every, limit=PAGE),
        attributes.volume,
    ),
    "snapshot": Kind(
        "block_storage",
        lambda s, key: s.get_snapshot(key),
        lambda s, every: s.snapshots(all_projects=every, limit=PAGE),
        attributes.snapshot,
    ),
    "host": Kind("compute", _host, lambda s, every: _hosts(s) if every else iter(()), attributes.host, ""),
    "server": Kind(
        "compute",
        lambda s, key: s.get_server(key),
        lambda s, every: s.servers(all_projects=every, limit=PAGE),
        attributes.server,
    ),
}
