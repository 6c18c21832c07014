"""What Catchment keeps of an OpenStack object: the fields of ``docs/inventory.md``, and nothing unbounded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tasks.model.clock import parse_utc, rfc3339

#: Characters of a text, entries of a list, keys of a mapping that are kept.
TEXT_LIMIT, LIST_LIMIT, KEYS_LIMIT = 1024, 256, 128

Attributes = dict[str, Any]

#: libvirt's numbers, as nova reports them.
POWER = {1: "on", 3: "paused", 4: "off", 6: "off", 7: "suspended"}


def text(value: object) -> str | None:
    """A text that every database takes: bounded, without NUL and lone surrogates; None for anything else."""
    if not isinstance(value, str) or value == "":
        return None
    return value[:TEXT_LIMIT].replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def moment(value: object) -> str | None:
    """A date and time as RFC 3339 in UTC, whichever way the service writes it (spec capture 4.2)."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        return rfc3339(parse_utc(value))
    except (ValueError, OverflowError):
        return None


def number(value: object) -> int | float | None:
    """A finite number, also one that is written as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value) if len(value) < 32 else None
        except ValueError:
            return None
        value = int(value) if value is not None and value.is_integer() else value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def flag(value: object) -> bool | None:
    """A truth value, also one that is written as text."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def texts(value: object) -> list[str]:
    """The texts of a list."""
    if not isinstance(value, list | tuple):
        return []
    return [found for item in value[:LIST_LIMIT] if (found := text(item)) is not None]


def words(value: object) -> dict[str, str]:
    """A mapping of text to text: metadata, properties, extra specs."""
    if not isinstance(value, Mapping):
        return {}
    kept = list(value.items())[:KEYS_LIMIT]
    return {name: text(item if isinstance(item, str) else str(item)) or "" for key, item in kept if (name := text(key))}


def rows(value: object) -> list[Mapping[str, Any]]:
    """The mappings of a list."""
    if not isinstance(value, list | tuple):
        return []
    return [item for item in value[:LIST_LIMIT] if isinstance(item, Mapping)]


def picked(value: object, key: str) -> list[str]:
    """One text field of each mapping in a list."""
    return [found for row in rows(value) if (found := text(row.get(key))) is not None]


def server(found: Any) -> Attributes:
    """A server; ``flavor_id`` is filled in by the reader where nova sends the flavor without it."""
    flavor, image = found.flavor, found.image
    places = found.addresses if isinstance(found.addresses, Mapping) else {}
    embedded = getattr(flavor, "original_name", None)
    fault = found.fault if isinstance(found.fault, Mapping) else {}
    return {
        "status": text(found.status),
        "power_state": POWER.get(found.power_state, "unknown") if isinstance(found.power_state, int) else "unknown",
        "vm_state": text(found.vm_state),
        "task_state": text(found.task_state),
        "flavor_id": None if embedded else text(getattr(flavor, "id", None)),
        "flavor_name": text(embedded),
        "vcpus": number(getattr(flavor, "vcpus", None)) if embedded else None,
        "memory_mb": number(getattr(flavor, "ram", None)) if embedded else None,
        "disk_gb": number(getattr(flavor, "disk", None)) if embedded else None,
        "host": text(found.compute_host),
        "aggregates": [],
        "hypervisor_hostname": text(found.hypervisor_hostname),
        "instance_name": text(found.instance_name),
        "availability_zone": text(found.availability_zone),
        "image_id": text(getattr(image, "id", None)),
        "created_at": moment(found.created_at),
        "updated_at": moment(found.updated_at),
        "launched_at": moment(found.launched_at),
        "addresses": [address for place in places.values() for address in picked(place, "addr")][:LIST_LIMIT],
        "networks": texts(list(places)),
        "metadata": words(found.metadata),
        "tags": texts(found.tags),
        "key_name": text(found.key_name),
        "user_id": text(found.user_id),
        "locked": flag(found.is_locked),
        "volume_ids": picked(_plain(found.attached_volumes), "id"),
        "security_groups": picked(found.security_groups, "name"),
        "description": text(found.description),
        "fault": text(fault.get("message")),
    }


def _plain(value: object) -> list[Mapping[str, Any]]:
    """openstacksdk's own objects in a list, as mappings."""
    if not isinstance(value, list | tuple):
        return []
    return [{"id": getattr(item, "id", None)} if not isinstance(item, Mapping) else item for item in value]


def project(found: Any) -> Attributes:
    """A project."""
    return {
        "enabled": flag(found.is_enabled),
        "domain_id": text(found.domain_id),
        "parent_id": text(found.parent_id),
        "description": text(found.description),
        "tags": texts(found.tags),
    }


def flavor(found: Any) -> Attributes:
    """A flavor."""
    return {
        "vcpus": number(found.vcpus),
        "memory_mb": number(found.ram),
        "disk_gb": number(found.disk),
        "ephemeral_gb": number(found.ephemeral),
        "swap_mb": number(found.swap),
        "public": flag(found.is_public),
        "disabled": flag(found.is_disabled),
        "extra_specs": words(found.extra_specs),
    }


def image(found: Any) -> Attributes:
    """An image."""
    return {
        "status": text(found.status),
        "visibility": text(found.visibility),
        "size_bytes": number(found.size),
        "disk_format": text(found.disk_format),
        "container_format": text(found.container_format),
        "min_disk_gb": number(found.min_disk),
        "min_memory_mb": number(found.min_ram),
        "protected": flag(found.is_protected),
        "hidden": flag(found.is_hidden),
        "os_type": text(found.os_type),
        "os_distro": text(found.os_distro),
        "os_version": text(found.os_version),
        "created_at": moment(found.created_at),
        "updated_at": moment(found.updated_at),
        "tags": texts(found.tags),
        "properties": words(found.properties),
    }


def volume(found: Any) -> Attributes:
    """A volume."""
    about_image = found.volume_image_metadata
    places = rows(found.attachments)
    return {
        "status": text(found.status),
        "size_gb": number(found.size),
        "volume_type": text(found.volume_type),
        "bootable": flag(found.is_bootable),
        "encrypted": flag(found.is_encrypted),
        "multiattach": flag(found.is_multiattach),
        "availability_zone": text(found.availability_zone),
        "host": text(found.host),
        "server_ids": picked(places, "server_id"),
        "devices": picked(places, "device"),
        "snapshot_id": text(found.snapshot_id),
        "source_volume_id": text(found.source_volume_id),
        "image_id": text(about_image.get("image_id")) if isinstance(about_image, Mapping) else None,
        "metadata": words(found.metadata),
        "user_id": text(found.user_id),
        "created_at": moment(found.created_at),
        "updated_at": moment(found.updated_at),
        "description": text(found.description),
    }


def snapshot(found: Any) -> Attributes:
    """A snapshot of a volume."""
    return {
        "status": text(found.status),
        "size_gb": number(found.size),
        "volume_id": text(found.volume_id),
        "metadata": words(found.metadata),
        "created_at": moment(found.created_at),
        "updated_at": moment(found.updated_at),
        "description": text(found.description),
    }
