"""How nova shows servers, flavors and hosts, microversion by microversion."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from examples.cloud.compute_groups import zone_of
from examples.cloud.notices import micros, whole
from examples.cloud.records import Flavor, Hypervisor, Server
from examples.cloud.wire import Request

if TYPE_CHECKING:
    from examples.cloud.world import World


def links(request: Request, kind: str, key: str) -> list[dict[str, str]]:
    """The links that nova gives to an object."""
    return [
        {"rel": "self", "href": f"{request.root}/v2.1/{kind}/{key}"},
        {"rel": "bookmark", "href": f"{request.root}/{kind}/{key}"},
    ]


def server_view(world: World, request: Request, server: Server, *, single: bool = False) -> dict[str, Any]:
    """A server with all details that the microversion has."""
    view = {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": dict(server.metadata),
        "hostId": world.digest(f"{server.project_id}{server.host}")[:56] if server.host else "",
        "image": {"id": server.image.id, "links": links(request, "images", server.image.id)[1:]},
        "flavor": _server_flavor(request, server.flavor),
        "created": whole(server.created_at),
        "updated": whole(server.updated_at),
        "addresses": _addresses(world, server),
        "accessIPv4": "",
        "accessIPv6": "",
        "links": links(request, "servers", server.id),
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": zone_of(world, server.host) if server.host else "",
        "config_drive": "",
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": micros(server.launched_at) if server.launched_at else None,
        "OS-SRV-USG:terminated_at": None,
        "security_groups": [{"name": "default"}],
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "os-extended-volumes:volumes_attached": _attached(request, server),
    }
    if server.status in ("ACTIVE", "BUILD"):
        view["progress"] = 0
    if request.token.is_admin:
        view |= {
            "OS-EXT-SRV-ATTR:host": server.host,
            "OS-EXT-SRV-ATTR:instance_name": f"instance-{server.number:08x}",
            "OS-EXT-SRV-ATTR:hypervisor_hostname": server.host,
        }
    return view | _newer(world, request, server, single)


def _newer(world: World, request: Request, server: Server, single: bool) -> dict[str, Any]:
    """What later microversions added to a server."""
    version, admin = request.version, request.token.is_admin
    more: dict[str, Any] = {}
    if version >= (2, 3) and admin:
        more |= {
            "OS-EXT-SRV-ATTR:reservation_id": server.reservation_id,
            "OS-EXT-SRV-ATTR:launch_index": 0,
            "OS-EXT-SRV-ATTR:kernel_id": "",
            "OS-EXT-SRV-ATTR:ramdisk_id": "",
            "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
            "OS-EXT-SRV-ATTR:user_data": None,
        }
    if version >= (2, 3) and (admin or version >= (2, 90)):
        more["OS-EXT-SRV-ATTR:hostname"] = server.name
    if version >= (2, 9):
        more["locked"] = server.locked
    if version >= (2, 16) and admin:
        host = world.hypervisors.get(server.host or "")
        more["host_status"] = "" if host is None else "UP" if host.up else "DOWN"
    if version >= (2, 19):
        more["description"] = server.name
    if version >= (2, 26):
        more["tags"] = list(server.tags)
    if version >= (2, 63):
        more["trusted_image_certificates"] = None
    if version >= (2, 71) and single:
        more["server_groups"] = [g.id for g in world.servers.groups.values() if server.id in g.members]
    if version >= (2, 73):
        more["locked_reason"] = None
    if version >= (2, 96):
        more["pinned_availability_zone"] = None
    return more


def _server_flavor(request: Request, flavor: Flavor) -> dict[str, Any]:
    if request.version < (2, 47):
        return {"id": flavor.id, "links": links(request, "flavors", flavor.id)[1:]}
    return {
        "vcpus": flavor.vcpus,
        "ram": flavor.memory_mb,
        "disk": flavor.disk_gb,
        "ephemeral": 0,
        "swap": 0,
        "original_name": flavor.name,
        "extra_specs": dict(flavor.extra_specs),
    }


def _addresses(world: World, server: Server) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for port_id in server.ports:
        port = world.networks.ports[port_id]
        address = {
            "version": 4,
            "addr": port.address,
            "OS-EXT-IPS:type": "fixed",
            "OS-EXT-IPS-MAC:mac_addr": port.mac,
        }
        found.setdefault(world.networks.networks[port.network_id].name, []).append(address)
    return found


def _attached(request: Request, server: Server) -> list[dict[str, Any]]:
    more = {"delete_on_termination": False} if request.version >= (2, 3) else {}
    return [{"id": volume_id, **more} for volume_id in server.volumes]


def flavor_view(request: Request, flavor: Flavor) -> dict[str, Any]:
    """A flavor with all details that the microversion has."""
    view: dict[str, Any] = {
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.memory_mb,
        "disk": flavor.disk_gb,
        "swap": 0 if request.version >= (2, 75) else "",
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": False,
        "vcpus": flavor.vcpus,
        "os-flavor-access:is_public": True,
        "rxtx_factor": 1.0,
        "links": links(request, "flavors", flavor.id),
    }
    if request.version >= (2, 55):
        view["description"] = None
    if request.version >= (2, 61):
        view["extra_specs"] = dict(flavor.extra_specs)
    return view


def hypervisor_view(world: World, request: Request, host: Hypervisor) -> dict[str, Any]:
    """A host; from 2.53 on with uuids, from 2.88 on without its figures."""
    uuids = request.version >= (2, 53)
    service = {
        "id": host.service_id if uuids else host.number,
        "host": host.name,
        "disabled_reason": None if host.enabled else "switched off",
    }
    view: dict[str, Any] = {
        "id": host.id if uuids else host.number,
        "hypervisor_hostname": host.name,
        "state": "up" if host.up else "down",
        "status": "enabled" if host.enabled else "disabled",
        "hypervisor_type": "QEMU",
        "hypervisor_version": 8_000_002,
        "host_ip": host.address,
        "service": service,
    }
    if request.version >= (2, 88):
        return view | {"uptime": None}
    return view | host_figures(world, [host]) | {"cpu_info": _cpu_info(request)}


def _cpu_info(request: Request) -> Any:
    info = {
        "arch": "x86_64",
        "model": "EPYC",
        "vendor": "AMD",
        "features": [],
        "topology": {"sockets": 2, "cores": 8},
    }
    return info if request.version >= (2, 28) else json.dumps(info)


def host_figures(world: World, hosts: list[Hypervisor]) -> dict[str, int]:
    """What hosts have and what of it is in use."""
    servers = [server for host in hosts for server in world.servers.on(host.name)]
    vcpus, memory, disk = (
        sum(h.vcpus for h in hosts),
        sum(h.memory_mb for h in hosts),
        sum(h.disk_gb for h in hosts),
    )
    memory_used = 512 * len(hosts) + sum(s.flavor.memory_mb for s in servers)
    disk_used = sum(s.flavor.disk_gb for s in servers)
    return {
        "vcpus": vcpus,
        "memory_mb": memory,
        "local_gb": disk,
        "vcpus_used": sum(s.flavor.vcpus for s in servers),
        "memory_mb_used": memory_used,
        "local_gb_used": disk_used,
        "free_ram_mb": memory - memory_used,
        "free_disk_gb": disk - disk_used,
        "current_workload": 0,
        "running_vms": len(servers),
        "disk_available_least": 0,
    }
