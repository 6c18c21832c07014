"""What Catchment keeps of Ironic's nodes: the fields of ``docs/inventory.md``, and never how to reach a node's BMC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.providers.openstack.attributes import KEYS_LIMIT, Attributes, flag, moment, number, text, texts, words

#: Ironic's words for the power of a node.
POWER = {"power on": "on", "power off": "off"}


def node(found: Any) -> Attributes:
    """A bare-metal node. Nothing is kept of ``driver_info``, ``instance_info`` and ``extra``: they hold secrets."""
    properties = found.properties if isinstance(found.properties, Mapping) else {}
    power = text(found.power_state)
    return {
        "provision_state": text(found.provision_state),
        "target_provision_state": text(found.target_provision_state),
        "power_state": POWER.get(power or "", "unknown"),
        "target_power_state": text(found.target_power_state),
        "maintenance": flag(found.is_maintenance),
        "maintenance_reason": text(found.maintenance_reason),
        "fault": text(found.fault),
        "health": text(found.health),
        "last_error": text(found.last_error),
        "server_id": text(found.instance_id),
        "allocation_id": text(found.allocation_id),
        "resource_class": text(found.resource_class),
        "traits": sorted(texts(found.traits)),
        "capabilities": capabilities(properties.get("capabilities")),
        "properties": words({key: value for key, value in properties.items() if key != "capabilities"}),
        "vcpus": number(properties.get("cpus")),
        "memory_mb": number(properties.get("memory_mb")),
        "disk_gb": number(properties.get("local_gb")),
        "cpu_architecture": text(properties.get("cpu_arch")),
        "owner": text(found.owner),
        "lessee": text(found.lessee),
        "driver": text(found.driver),
        "conductor": text(found.conductor),
        "conductor_group": text(found.conductor_group),
        "chassis_id": text(found.chassis_id),
        "protected": flag(found.is_protected),
        "retired": flag(found.is_retired),
        "console_enabled": flag(found.is_console_enabled),
        "created_at": moment(found.created_at),
        "updated_at": moment(found.updated_at),
        "description": text(found.description),
    }


def capabilities(value: object) -> dict[str, str]:
    """What Ironic writes as ``boot_mode:uefi,raid:1``, as a mapping."""
    pairs = (text(value) or "").split(",")[:KEYS_LIMIT]
    return {name.strip(): word.strip() for name, colon, word in (pair.partition(":") for pair in pairs) if colon}
