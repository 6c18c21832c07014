"""The kinds of OpenStack's objects that inventory knows: how each one is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tasks.providers.openstack import asking, attributes, more_attributes, network_attributes, node_attributes

_ID = re.compile(r"[\w .:@~+-]{1,255}", re.ASCII)


def is_id(key: str) -> bool:
    """Whether a text can be an object's id.

    Ids come with events, and events are not to be trusted: nothing in an id may lead to another address.
    """
    return bool(_ID.fullmatch(key)) and bool(key.strip("."))


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind is read: by which service, one object, all objects, and what is kept of it.

    ``one`` gets the id as it stands in an address. ``all`` gets True for every project and False for the
    user's own alone. ``proof`` is a field that every object of the kind has: openstacksdk makes an empty
    object of an answer that is none. ``key`` finds the id by which events name an object.
    """

    service: str
    one: Callable[[Any, str], Any]
    all: Callable[[Any, bool], Iterator[Any]]
    keep: Callable[[Any], attributes.Attributes]
    owner: str = "project_id"
    proof: str = "status"
    key: Callable[[Any], Any] = lambda found: found.id


KINDS: dict[str, Kind] = {
    "project": Kind(
        "identity",
        lambda s, key: s.get_project(key),
        lambda s, every: s.projects() if every else iter(()),
        attributes.project,
        "id",
        proof="is_enabled",
    ),
    "user": Kind(
        "identity",
        lambda s, key: s.get_user(key),
        lambda s, every: s.users() if every else iter(()),
        more_attributes.user,
        "",
        proof="is_enabled",
    ),
    "keypair": Kind(
        "compute",
        asking.keypair,
        asking.keypairs,
        more_attributes.keypair,
        "",
        proof="fingerprint",
        key=lambda found: f"{found.user_id}:{found.name}",
    ),
    "flavor": Kind(
        "compute",
        lambda s, key: s.get_flavor(key),
        lambda s, every: s.flavors(limit=asking.PAGE, **({"is_public": "None"} if every else {})),
        attributes.flavor,
        "",
        proof="name",
    ),
    "image": Kind(
        "image",
        lambda s, key: s.get_image(key),
        lambda s, _: s.images(limit=asking.PAGE),
        attributes.image,
        "owner_id",
    ),
    "network": Kind(
        "network",
        lambda s, key: s.get_network(key),
        lambda s, _: s.networks(limit=asking.PAGE),
        network_attributes.network,
    ),
    "subnet": Kind(
        "network",
        lambda s, key: s.get_subnet(key),
        lambda s, _: s.subnets(limit=asking.PAGE),
        network_attributes.subnet,
        proof="cidr",
    ),
    "router": Kind(
        "network",
        lambda s, key: s.get_router(key),
        lambda s, _: s.routers(limit=asking.PAGE),
        network_attributes.router,
    ),
    "security_group": Kind(
        "network",
        lambda s, key: s.get_security_group(key),
        lambda s, _: s.security_groups(limit=asking.PAGE),
        network_attributes.security_group,
        proof="security_group_rules",
    ),
    "port": Kind(
        "network", lambda s, key: s.get_port(key), lambda s, _: s.ports(limit=asking.PAGE), network_attributes.port
    ),
    "floatingip": Kind(
        "network",
        lambda s, key: s.get_ip(key),
        lambda s, _: s.ips(limit=asking.PAGE),
        network_attributes.floating_ip,
        proof="floating_ip_address",
    ),
    "volume": Kind(
        "block_storage",
        lambda s, key: s.get_volume(key),
        lambda s, every: s.volumes(all_projects=every, limit=asking.PAGE),
        attributes.volume,
    ),
    "snapshot": Kind(
        "block_storage",
        lambda s, key: s.get_snapshot(key),
        lambda s, every: s.snapshots(all_projects=every, limit=asking.PAGE),
        attributes.snapshot,
    ),
    "backup": Kind(
        "block_storage",
        lambda s, key: s.get_backup(key),
        lambda s, every: s.backups(all_projects=every, limit=asking.PAGE),
        more_attributes.backup,
    ),
    "availability_zone": Kind(
        "compute", asking.zone, asking.zones, more_attributes.availability_zone, "", "state", lambda found: found.name
    ),
    "aggregate": Kind(
        "compute",
        lambda s, key: s.get_aggregate(key),
        lambda s, every: s.aggregates() if every else iter(()),
        more_attributes.aggregate,
        "",
        proof="hosts",
        key=lambda found: str(found.id),
    ),
    "host": Kind(
        "compute",
        asking.host,
        lambda s, every: asking.hosts(s) if every else iter(()),
        more_attributes.host,
        "",
        key=asking.host_name,
    ),
    "node": Kind(
        "baremetal",
        lambda s, key: s.get_node(key),
        lambda s, every: s.nodes(details=True, limit=asking.PAGE) if every else iter(()),
        node_attributes.node,
        "owner",
        proof="provision_state",
    ),
    "server_group": Kind(
        "compute",
        lambda s, key: s.get_server_group(key),
        asking.server_groups,
        more_attributes.server_group,
        proof="member_ids",
    ),
    "server": Kind(
        "compute",
        lambda s, key: s.get_server(key),
        lambda s, every: s.servers(all_projects=every, limit=asking.PAGE),
        attributes.server,
    ),
    "stack": Kind("orchestration", asking.stack, asking.stacks, more_attributes.stack, "owner_project_id"),
}
