"""Names the objects that an event's object belongs to or hangs on: kind to id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.providers.openstack.payloads import Opened, data_of, keypair_id
from tasks.providers.openstack.values import first, mapping, only_or_first, text

#: Keys that name another object, and its kind. Earlier keys win over later ones of the same kind.
_KEYS: dict[str, str] = {
    "network_id": "network",
    "floating_network_id": "network",
    "subnet_id": "subnet",
    "subnetpool_id": "subnetpool",
    "port_id": "port",
    "router_id": "router",
    "floatingip_id": "floatingip",
    "security_group_id": "security_group",
    "trunk_id": "trunk",
    "qos_policy_id": "policy",
    "firewall_policy_id": "firewall_policy",
    "vpnservice_id": "vpnservice",
    "loadbalancer_id": "loadbalancer",
    "listener_id": "listener",
    "pool_id": "pool",
    "volume_id": "volume",
    "snapshot_id": "snapshot",
    "group_id": "volume_group",
    "group_snapshot_id": "volume_group_snapshot",
    "server_id": "server",
    "instance_id": "server",
    "instance_uuid": "server",
    "image_uuid": "image",
    "image_id": "image",
    "instance_flavor_id": "flavor",
    "key_name": "keypair",
    "availability_zone": "availability_zone",
    "stack_id": "stack",
    "zone_id": "zone",
    "cluster_id": "cluster",
    "node_uuid": "node",
    "chassis_uuid": "chassis",
    "domain_id": "domain",
}
_RANK = {key: rank for rank, key in enumerate(_KEYS)}.__getitem__
#: Kinds of which an object of the same kind may be the parent, and the keys that name it.
_SAME_KIND: dict[str, tuple[str, ...]] = {
    "stack": ("parent_id", "owner_id"),
    "backup": ("parent_id",),
    "project": ("parent_id",),
}
_ASSIGNED = ("role", "project", "user", "group", "domain")


def parents_of(opened: Opened) -> dict[str, str]:
    """The parents of an event's object; of a bulk request what all its objects have in common."""
    found = _parents(opened.kind, opened.subject, opened.payload)
    for other in opened.subjects[1:]:
        theirs = _parents(opened.kind, other, opened.payload)
        found = {kind: ref for kind, ref in found.items() if theirs.get(kind) == ref}
    return found


def _parents(kind: str | None, subject: Mapping[str, Any], payload: Mapping[str, Any]) -> dict[str, str]:
    if kind == "role_assignment":
        return {name: ref for name in _ASSIGNED if (ref := text(payload.get(name)))}
    found: dict[str, str] = {}
    for key in sorted(_KEYS.keys() & subject.keys(), key=_RANK):
        parent = _KEYS[key]
        if parent != kind and parent not in found and (ref := text(subject[key])):
            found[parent] = (keypair_id(subject, ref) or ref) if parent == "keypair" else ref
    for source in (_SPECIAL.get(kind or ""), _same_kind):
        if source is not None:
            found.update((k, v) for k, v in source(kind, subject).items() if k not in found)
    return found


def _same_kind(kind: str | None, subject: Mapping[str, Any]) -> dict[str, str]:
    ref = first(subject, _SAME_KIND.get(kind or "", ()))
    return {kind: ref} if kind and ref else {}


def _server(_: str | None, server: Mapping[str, Any]) -> dict[str, str]:
    image = text(mapping(server.get("image_meta")).get("base_image_ref"))
    url = text(server.get("image_ref_url"))
    if image is None and url is not None and "/" in url:
        image = text(url.rpartition("/")[2])
    address = data_of(only_or_first(server.get("ip_addresses")))
    disk = data_of(only_or_first(server.get("block_devices")))
    flavor = data_of(mapping(server.get("flavor")))
    refs = {
        "image": image,
        "flavor": text(flavor.get("flavorid")),
        "port": text(address.get("port_uuid")),
        "volume": text(disk.get("volume_id")),
    }
    return {kind: ref for kind, ref in refs.items() if ref}


def _port(_: str | None, port: Mapping[str, Any]) -> dict[str, str]:
    owner, device = text(port.get("device_owner")) or "", text(port.get("device_id"))
    refs = {
        "server": device if owner.startswith("compute:") else None,
        "router": device
        if owner.startswith("network:router") or owner == "network:ha_router_replicated_interface"
        else None,
        "subnet": text(only_or_first(port.get("fixed_ips")).get("subnet_id")),
        "security_group": _first_text(port.get("security_groups")),
    }
    return {kind: ref for kind, ref in refs.items() if ref}


def _router(_: str | None, router: Mapping[str, Any]) -> dict[str, str]:
    network = text(mapping(router.get("external_gateway_info")).get("network_id"))
    return {"network": network} if network else {}


def _volume(_: str | None, volume: Mapping[str, Any]) -> dict[str, str]:
    attachment = only_or_first(volume.get("volume_attachment"))
    refs = {
        "server": first(attachment, ("server_id", "instance_uuid")),
        "volume_type": text(volume.get("volume_type")),
    }
    return {kind: ref for kind, ref in refs.items() if ref}


def _image(_: str | None, image: Mapping[str, Any]) -> dict[str, str]:
    server = text(mapping(image.get("properties")).get("instance_uuid"))
    return {"server": server} if server else {}


def _keypair(_: str | None, keypair: Mapping[str, Any]) -> dict[str, str]:
    user = text(keypair.get("user_id"))
    return {"user": user} if user else {}


def _server_group(_: str | None, group: Mapping[str, Any]) -> dict[str, str]:
    members = group.get("instance_uuids")
    server = _first_text(members) if isinstance(members, list) and len(members) == 1 else None
    return {"server": server} if server else {}


def _aggregate(_: str | None, aggregate: Mapping[str, Any]) -> dict[str, str]:
    host = text(aggregate.get("host_name"))
    return {"host": host} if host else {}


def _service(_: str | None, service: Mapping[str, Any]) -> dict[str, str]:
    host = text(service.get("host"))
    return {"host": host} if host else {}


def _first_text(value: object) -> str | None:
    return text(value[0]) if isinstance(value, list) and value else None


_SPECIAL = {
    "server": _server,
    "port": _port,
    "router": _router,
    "volume": _volume,
    "image": _image,
    "keypair": _keypair,
    "server_group": _server_group,
    "service": _service,
    "aggregate": _aggregate,
}
