"""ManageIQ's names for fields, and the inventory attributes that they mean (spec policy-alerts 3.1).

The model's name only chooses the table: as in ManageIQ, the value is always taken from the object at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Column(NamedTuple):
    """A path of ours, and the type that decides what a missing value counts as (3.4)."""

    path: str
    type: str


_SERVER: Mapping[str, Column] = {
    "name": Column("target.name", "text"),
    "power_state": Column("target.power_state", "text"),
    "raw_power_state": Column("target.status", "text"),
    "ems_ref": Column("target.id", "text"),
    "uid_ems": Column("target.id", "text"),
    "description": Column("target.description", "text"),
    "created_on": Column("target.created_at", "datetime"),
    "boot_time": Column("target.launched_at", "datetime"),
    "ems_created_on": Column("target.created_at", "datetime"),
    "ipaddresses": Column("target.addresses", "set"),
    "host_name": Column("target.host", "text"),
    "host-name": Column("target.host", "text"),
    "mem_cpu": Column("target.memory_mb", "number"),
    "ram_size": Column("target.memory_mb", "number"),
    "num_cpu": Column("target.vcpus", "number"),
    "cpu_total_cores": Column("target.vcpus", "number"),
    "hardware-memory_mb": Column("target.memory_mb", "number"),
    "hardware-cpu_total_cores": Column("target.vcpus", "number"),
    "availability_zone-name": Column("target.availability_zone", "text"),
    "flavor-name": Column("target.flavor_name", "text"),
    "flavor-ems_ref": Column("target.flavor_id", "text"),
    "cloud_tenant-ems_ref": Column("target.tenant_id", "text"),
    "ext_management_system-name": Column("event.provider", "text"),
}
_HOST: Mapping[str, Column] = {
    "name": Column("target.name", "text"),
    "hostname": Column("target.name", "text"),
    "ipaddress": Column("target.address", "text"),
    "vmm_product": Column("target.hypervisor_type", "text"),
    "ram_size": Column("target.memory_mb", "number"),
    "hardware-memory_mb": Column("target.memory_mb", "number"),
    "hardware-cpu_total_cores": Column("target.vcpus", "number"),
    "ext_management_system-name": Column("event.provider", "text"),
}
_VOLUME: Mapping[str, Column] = {
    "name": Column("target.name", "text"),
    "description": Column("target.description", "text"),
    "status": Column("target.status", "text"),
    "volume_type": Column("target.volume_type", "text"),
    "ems_ref": Column("target.id", "text"),
    "bootable": Column("target.bootable", "boolean"),
    "cloud_tenant-ems_ref": Column("target.tenant_id", "text"),
    "ext_management_system-name": Column("event.provider", "text"),
}

_PROVIDER: Mapping[str, Column] = {"name": Column("event.provider", "text")}

#: Model name (the last part of a class name) to column to meaning.
COLUMNS: Mapping[str, Mapping[str, Column]] = MappingProxyType(
    {"Vm": _SERVER, "VmOrTemplate": _SERVER, "Host": _HOST, "CloudVolume": _VOLUME, "ExtManagementSystem": _PROVIDER}
)


class Members(NamedTuple):
    """An association with many members: the list that they are in, and what its columns are in one of them.

    A column of no keys is the member itself.
    """

    path: str
    columns: Mapping[str, tuple[str, ...]]


_SERVER_MEMBERS: Mapping[str, Members] = {
    "security_groups": Members("target.security_groups", {"name": ()}),
    "cloud_networks": Members("target.networks", {"name": ()}),
    "cloud_volumes": Members("target.volume_ids", {"ems_ref": ()}),
    "hardware.networks": Members("target.addresses", {"ipaddress": ()}),
}

#: Associations whose members FIND looks through and counts count: model to association to members.
MEMBERS: Mapping[str, Mapping[str, Members]] = MappingProxyType(
    {
        "Vm": _SERVER_MEMBERS,
        "VmOrTemplate": _SERVER_MEMBERS,
        "CloudVolume": {"vms": Members("target.server_ids", {"ems_ref": ()})},
    }
)

#: Columns of this name prefix are custom attributes, which are the object's metadata.
CUSTOM = "virtual_custom_attribute_"
