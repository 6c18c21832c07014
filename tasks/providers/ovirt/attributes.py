"""What Catchment keeps of an oVirt object: the fields of ``docs/inventory.md``, and nothing unbounded.

The engine's JSON writes truth values and small numbers as texts, moments as milliseconds since 1970, and leaves out
what is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tasks.model.clock import rfc3339
from tasks.providers.openstack.attributes import LIST_LIMIT, Attributes, flag, number, rows, text, words

Found = Mapping[str, Any]

GIB, MIB = 1 << 30, 1 << 20
#: The engine's statuses of a VM by the power that they mean; all others are ``unknown``.
_POWER = {
    "on": ("up", "powering_up", "reboot_in_progress", "migrating", "powering_down", "saving_state"),
    "off": ("down", "wait_for_launch", "image_locked"),
    "paused": ("paused",),
    "suspended": ("suspended", "restoring_state"),
}
POWER = {status: power for power, statuses in _POWER.items() for status in statuses}
#: Statuses of a VM that the engine is at work on.
PASSING = frozenset(
    {"wait_for_launch", "reboot_in_progress", "saving_state", "restoring_state", "powering_down", "migrating"}
    | {"image_locked"}
)


def part(found: Found, *path: str) -> Any:
    """What lies at a path of keys; None where it leads nowhere."""
    value: Any = found
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def items(found: Found, *path: str) -> list[Found] | None:
    """The objects of an embedded list: None where it is not embedded, an empty list where it is empty."""
    outer = part(found, *path[:-1])
    return rows(outer.get(path[-1])) if isinstance(outer, Mapping) else None


def key_of(found: Found, *path: str) -> str | None:
    """The id of an object that is referred to."""
    return text(part(found, *path, "id"))


def keys_of(found: Found, *path: str) -> list[str] | None:
    """The ids of the objects of an embedded list."""
    listed = items(found, *path)
    return None if listed is None else [key for row in listed if (key := text(row.get("id"))) is not None]


def at(value: object) -> datetime | None:
    """A moment in milliseconds since 1970; None for what is none."""
    milliseconds = number(value)
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def moment(value: object) -> str | None:
    """A moment as RFC 3339 in UTC."""
    found = at(value)
    return None if found is None else rfc3339(found)


def whole(value: object) -> int | None:
    """A whole number, also one that is written as text."""
    found = number(value)
    return found if isinstance(found, int) else None


def sized(value: object, unit: int) -> int | float | None:
    """Bytes in a larger unit, to two places."""
    found = number(value)
    if found is None:
        return None
    size = round(found / unit, 2)
    return int(size) if size.is_integer() else size


def vcpus(found: Found) -> int | None:
    """Sockets times cores times threads."""
    count = 1
    for name in ("sockets", "cores", "threads"):
        factor = whole(part(found, "cpu", "topology", name))
        if factor is None and name != "threads":
            return None
        count *= 1 if factor is None else factor
    return count if 0 < count < 2**31 else None


def version(found: Found) -> str | None:
    """A version as ``major.minor``."""
    major, minor = whole(part(found, "version", "major")), whole(part(found, "version", "minor"))
    return None if major is None or minor is None else f"{major}.{minor}"


def server(found: Found) -> Attributes:
    """A VM. What is asked for with ``follow`` is None from an engine that does not embed it."""
    status = text(found.get("status"))
    nics = items(found, "nics", "nic")
    return {
        "status": status,
        "status_detail": text(found.get("status_detail")),
        "power_state": POWER.get(status or "", "unknown"),
        "task_state": status if status in PASSING else None,
        "vcpus": vcpus(found),
        "memory_mb": sized(found.get("memory"), MIB),
        "host": key_of(found, "host"),
        "cluster_id": key_of(found, "cluster"),
        "data_center_id": key_of(found, "cluster", "data_center"),
        "template_id": key_of(found, "template"),
        "created_at": moment(found.get("creation_time")),
        "launched_at": moment(found.get("start_time")),
        "stopped_at": moment(found.get("stop_time")),
        "addresses": None if nics is None else _addresses(nics),
        "mac_addresses": None if nics is None else _macs(nics),
        "network_ids": None if nics is None else _networks(nics),
        "disk_ids": keys_of(found, "disk_attachments", "disk_attachment"),
        "tags": _names(found, "tags", "tag"),
        "custom_properties": properties(found),
        "fqdn": text(found.get("fqdn")),
        "os_type": text(part(found, "os", "type")),
        "type": text(found.get("type")),
        "highly_available": flag(part(found, "high_availability", "enabled")),
        "delete_protected": flag(found.get("delete_protected")),
        "stateless": flag(found.get("stateless")),
        "description": text(found.get("description")),
        "comment": text(found.get("comment")),
    }


def _addresses(nics: list[Found]) -> list[str]:
    """All addresses that the guest reports."""
    return [
        address
        for nic in nics
        for device in items(nic, "reported_devices", "reported_device") or ()
        for ip in items(device, "ips", "ip") or ()
        if (address := text(ip.get("address"))) is not None
    ][:LIST_LIMIT]


def _macs(nics: list[Found]) -> list[str]:
    return [mac for nic in nics if (mac := text(part(nic, "mac", "address"))) is not None]


def _networks(nics: list[Found]) -> list[str]:
    """The networks of the nics, each once."""
    found = (key_of(nic, "vnic_profile", "network") or key_of(nic, "network") for nic in nics)
    return list(dict.fromkeys(key for key in found if key is not None))


def _names(found: Found, *path: str) -> list[str] | None:
    listed = items(found, *path)
    return None if listed is None else [name for row in listed if (name := text(row.get("name"))) is not None]


def properties(found: Found) -> dict[str, str]:
    """The custom properties of a VM."""
    listed = items(found, "custom_properties", "custom_property") or []
    return words({row.get("name"): row.get("value") or "" for row in listed if isinstance(row.get("name"), str)})


def template(found: Found) -> Attributes:
    """A template."""
    return {
        "status": text(found.get("status")),
        "vcpus": vcpus(found),
        "memory_mb": sized(found.get("memory"), MIB),
        "cluster_id": key_of(found, "cluster"),
        "os_type": text(part(found, "os", "type")),
        "type": text(found.get("type")),
        "version_name": text(part(found, "version", "version_name")),
        "version_number": whole(part(found, "version", "version_number")),
        "base_template_id": key_of(found, "version", "base_template"),
        "delete_protected": flag(found.get("delete_protected")),
        "created_at": moment(found.get("creation_time")),
        "description": text(found.get("description")),
        "comment": text(found.get("comment")),
    }


def host(found: Found) -> Attributes:
    """A host. ``state`` is ``up`` only where it can run VMs."""
    status = text(found.get("status"))
    return {
        "status": status,
        "status_detail": text(found.get("status_detail")),
        "state": None if status is None else "up" if status == "up" else "down",
        "external_status": text(found.get("external_status")),
        "address": text(found.get("address")),
        "cluster_id": key_of(found, "cluster"),
        "hypervisor_type": text(found.get("type")),
        "version": text(part(found, "version", "full_version")),
        "os_version": text(part(found, "os", "version", "full_version")),
        "cpu_name": text(part(found, "cpu", "name")),
        "vcpus": vcpus(found),
        "memory_mb": sized(found.get("memory"), MIB),
        "schedulable_memory_mb": sized(found.get("max_scheduling_memory"), MIB),
        "running_servers": whole(part(found, "summary", "active")),
        "servers": whole(part(found, "summary", "total")),
        "update_available": flag(found.get("update_available")),
        "comment": text(found.get("comment")),
    }


def cluster(found: Found) -> Attributes:
    """A cluster."""
    return {
        "data_center_id": key_of(found, "data_center"),
        "cpu_architecture": text(part(found, "cpu", "architecture")),
        "cpu_type": text(part(found, "cpu", "type")),
        "version": version(found),
        "description": text(found.get("description")),
        "comment": text(found.get("comment")),
    }


def data_center(found: Found) -> Attributes:
    """A data center."""
    return {
        "status": text(found.get("status")),
        "local": flag(found.get("local")),
        "version": version(found),
        "storage_format": text(found.get("storage_format")),
        "quota_mode": text(found.get("quota_mode")),
        "description": text(found.get("description")),
        "comment": text(found.get("comment")),
    }


def storage_domain(found: Found) -> Attributes:
    """A storage domain; its status is filled in by the reader where a data center has it."""
    available, used = number(found.get("available")), number(found.get("used"))
    return {
        "status": text(found.get("status")),
        "external_status": text(found.get("external_status")),
        "type": text(found.get("type")),
        "storage_type": text(part(found, "storage", "type")),
        "address": text(part(found, "storage", "address")),
        "path": text(part(found, "storage", "path")),
        "master": flag(found.get("master")),
        "size_gb": None if available is None or used is None else sized(available + used, GIB),
        "available_gb": sized(available, GIB),
        "used_gb": sized(used, GIB),
        "committed_gb": sized(found.get("committed"), GIB),
        "data_center_ids": keys_of(found, "data_centers", "data_center") or [],
        "description": text(found.get("description")),
        "comment": text(found.get("comment")),
    }


def disk(found: Found) -> Attributes:
    """A disk."""
    return {
        "status": text(found.get("status")),
        "size_gb": sized(found.get("provisioned_size"), GIB),
        "used_gb": sized(found.get("actual_size"), GIB),
        "format": text(found.get("format")),
        "storage_type": text(found.get("storage_type")),
        "content_type": text(found.get("content_type")),
        "sparse": flag(found.get("sparse")),
        "shareable": flag(found.get("shareable")),
        "storage_domain_ids": keys_of(found, "storage_domains", "storage_domain") or [],
        "description": text(found.get("description")),
    }


def network(found: Found) -> Attributes:
    """A logical network."""
    usages = part(found, "usages", "usage")
    return {
        "data_center_id": key_of(found, "data_center"),
        "vlan_id": whole(part(found, "vlan", "id")),
        "mtu": whole(found.get("mtu")),
        "usages": [word for usage in usages[:LIST_LIMIT] if (word := text(usage))] if isinstance(usages, list) else [],
        "description": text(found.get("description")),
        "comment": text(found.get("comment")),
    }
