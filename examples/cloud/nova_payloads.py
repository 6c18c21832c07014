"""What nova says about a server, in both payload kinds (spec capture 2.3)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from examples.cloud.notices import micros, offset, whole
from examples.cloud.records import Actor, Flavor, Server

if TYPE_CHECKING:
    from examples.cloud.world import World

POWER_WORDS = {0: "pending", 1: "running", 3: "paused", 4: "shutdown", 7: "suspended"}


def free_form(world: World, server: Server) -> dict[str, Any]:
    """The unversioned payload: a flat dict where empty values are often empty text."""
    flavor, image = server.flavor, server.image
    return {
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "instance_id": server.id,
        "display_name": server.name,
        "reservation_id": server.reservation_id,
        "hostname": server.name,
        "instance_type": flavor.name,
        "instance_type_id": flavor.number,
        "instance_flavor_id": flavor.id,
        "architecture": None,
        "memory_mb": flavor.memory_mb,
        "disk_gb": flavor.disk_gb,
        "vcpus": flavor.vcpus,
        "root_gb": flavor.disk_gb,
        "ephemeral_gb": 0,
        "host": server.host,
        "node": server.host,
        "availability_zone": "nova",
        "cell_name": "",
        "created_at": offset(server.created_at, " "),
        "terminated_at": _or_empty(server.deleted_at),
        "deleted_at": _or_empty(server.deleted_at),
        "launched_at": _or_empty(server.launched_at),
        "image_ref_url": f"http://image.example/images/{image.id}",
        "os_type": None,
        "kernel_id": "",
        "ramdisk_id": "",
        "state": server.vm_state,
        "state_description": server.task_state or "",
        "progress": "",
        "access_ip_v4": None,
        "access_ip_v6": None,
        "fixed_ips": [_fixed_ip(world, port_id) for port_id in server.ports],
        "image_meta": {
            "disk_format": "qcow2",
            "container_format": "bare",
            "min_ram": str(image.min_ram),
            "min_disk": str(flavor.disk_gb),
            "base_image_ref": image.id,
            **image.properties,
        },
        "metadata": dict(server.metadata),
    }


def _fixed_ip(world: World, port_id: str) -> dict[str, Any]:
    port = world.networks.ports[port_id]
    return {
        "address": port.address,
        "type": "fixed",
        "version": 4,
        "meta": {},
        "floating_ips": [],
        "label": world.networks.networks[port.network_id].name,
        "vif_mac": port.mac,
    }


def _or_empty(moment: datetime | None) -> str:
    return micros(moment) if moment else ""


def _or_none(moment: datetime | None) -> str | None:
    return whole(moment) if moment else None


def nova_object(name: str, version: str, data: dict[str, Any]) -> dict[str, Any]:
    """A versioned object as nova serialises it."""
    return {
        "nova_object.name": name,
        "nova_object.namespace": "nova",
        "nova_object.version": version,
        "nova_object.data": data,
    }


def flavor_object(flavor: Flavor) -> dict[str, Any]:
    """A flavor inside another versioned object."""
    data = {
        "flavorid": flavor.id,
        "memory_mb": flavor.memory_mb,
        "vcpus": flavor.vcpus,
        "root_gb": flavor.disk_gb,
        "ephemeral_gb": 0,
        "name": flavor.name,
        "swap": 0,
        "rxtx_factor": 1.0,
        "vcpu_weight": 0,
        "disabled": False,
        "is_public": True,
        "extra_specs": dict(flavor.extra_specs),
        "projects": None,
        "description": None,
    }
    return nova_object("FlavorPayload", "1.4", data)


def versioned_data(world: World, server: Server, actor: Actor) -> dict[str, Any]:
    """The data part of a versioned payload about a server, without what single kinds of event add."""
    return {
        "request_id": actor.request_id,
        "uuid": server.id,
        "user_id": server.user_id,
        "tenant_id": server.project_id,
        "reservation_id": server.reservation_id,
        "display_name": server.name,
        "display_description": server.name,
        "host_name": server.name,
        "host": server.host,
        "node": server.host,
        "os_type": None,
        "architecture": None,
        "availability_zone": "nova",
        "flavor": flavor_object(server.flavor),
        "image_uuid": server.image.id,
        "key_name": server.key_name,
        "kernel_id": "",
        "ramdisk_id": "",
        "created_at": whole(server.created_at),
        "launched_at": _or_none(server.launched_at),
        "terminated_at": _or_none(server.deleted_at),
        "deleted_at": _or_none(server.deleted_at),
        "updated_at": whole(server.updated_at),
        "state": server.vm_state,
        "power_state": POWER_WORDS[server.power_state],
        "task_state": server.task_state,
        "progress": 0,
        "ip_addresses": [_ip_object(world, port_id) for port_id in server.ports],
        "block_devices": [_device_object(world, volume_id) for volume_id in server.volumes],
        "metadata": dict(server.metadata),
        "locked": server.locked,
        "auto_disk_config": "MANUAL",
        "action_initiator_user": actor.user.id,
        "action_initiator_project": actor.project.id,
        "locked_reason": None,
    }


def _ip_object(world: World, port_id: str) -> dict[str, Any]:
    port = world.networks.ports[port_id]
    data = {
        "label": world.networks.networks[port.network_id].name,
        "mac": port.mac,
        "meta": {},
        "port_uuid": port.id,
        "version": 4,
        "address": port.address,
        "device_name": f"tap{port.id[:11]}",
    }
    return nova_object("IpPayload", "1.0", data)


def _device_object(world: World, volume_id: str) -> dict[str, Any]:
    volume = world.volumes.volumes[volume_id]
    device = volume.attachments[0].device if volume.attachments else None
    data = {
        "device_name": device,
        "boot_index": None,
        "delete_on_termination": False,
        "volume_id": volume_id,
        "tag": None,
    }
    return nova_object("BlockDevicePayload", "1.0", data)


def state_update(server: Server, old_state: str, old_task: str | None) -> dict[str, Any]:
    """What an ``instance.update`` adds to the data part of its versioned payload."""
    states = {
        "old_state": old_state,
        "state": server.vm_state,
        "old_task_state": old_task,
        "new_task_state": server.task_state,
    }
    period = {
        "audit_period_beginning": whole(server.created_at),
        "audit_period_ending": whole(server.updated_at),
    }
    return {
        "state_update": nova_object("InstanceStateUpdatePayload", "1.0", states),
        "audit_period": nova_object("AuditPeriodPayload", "1.0", period),
        "old_display_name": None,
        "tags": list(server.tags),
    }
