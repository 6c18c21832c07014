"""What the engine's API shows of each object, in the shapes of its JSON.

As the engine writes it: truth values and small numbers are texts, sizes and moments (milliseconds since 1970)
are numbers, an empty list is an object without the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from examples.ovirt.audit import AuditEvent
from examples.ovirt.records import (
    Cluster,
    DataCenter,
    Disk,
    Host,
    Network,
    StorageDomain,
    Tag,
    Template,
    Vm,
)

if TYPE_CHECKING:
    from examples.ovirt.world import World

API = "/ovirt-engine/api"
View = dict[str, Any]
#: The collection that an event's link leads into.
_COLLECTIONS = {
    "vm": "vms",
    "host": "hosts",
    "cluster": "clusters",
    "data_center": "datacenters",
    "storage_domain": "storagedomains",
    "template": "templates",
    "user": "users",
}
VM_ACTIONS = ("start", "stop", "shutdown", "suspend", "reboot", "reset", "migrate")


def link(collection: str, key: str) -> View:
    """A reference to an object."""
    return {"href": f"{API}/{collection}/{key}", "id": key}


def listed(name: str, views: Sequence[View]) -> View:
    """A list as the engine writes it: an empty one has no key."""
    return {name: list(views)} if views else {}


def flag(value: bool) -> str:
    """A truth value."""
    return "true" if value else "false"


def moment(value: datetime | None) -> int | None:
    """A moment in milliseconds."""
    return None if value is None else int(value.timestamp() * 1000)


def event(found: AuditEvent) -> View:
    """An event."""
    shown: View = link("events", str(found.id)) | {
        "code": str(found.code),
        "correlation_id": found.correlation_id,
        "custom_id": str(found.custom_id),
        "description": found.description,
        "flood_rate": str(found.flood_rate),
        "index": str(found.id),
        "origin": found.origin,
        "severity": found.severity,
        "time": moment(found.time),
    }
    if not found.correlation_id:
        del shown["correlation_id"]
    return shown | {name: link(_COLLECTIONS[name], key) for name, key in found.links.items() if name in _COLLECTIONS}


def vm(world: World, found: Vm) -> View:
    """A VM, with links to what belongs to it."""
    base = f"{API}/vms/{found.id}"
    subs = {"nics": "nics", "diskattachments": "diskattachments", "snapshots": "snapshots", "tags": "tags"}
    shown: View = link("vms", found.id) | {
        "name": found.name,
        "description": found.description,
        "comment": found.comment,
        "status": found.status,
        "memory": found.memory,
        "cpu": {
            "architecture": "x86_64",
            "topology": {"cores": str(found.cores), "sockets": str(found.sockets), "threads": "1"},
        },
        "type": "server",
        "os": {"type": found.os},
        "stateless": "false",
        "delete_protected": flag(found.delete_protected),
        "high_availability": {"enabled": flag(found.highly_available), "priority": "1"},
        "placement_policy": {"affinity": "migratable"},
        "run_once": "false",
        "origin": "ovirt",
        "creation_time": moment(found.created_at),
        "cluster": link("clusters", found.cluster),
        "template": link("templates", found.template),
        "original_template": link("templates", found.template),
        "actions": {"link": [{"href": f"{base}/{action}", "rel": action} for action in VM_ACTIONS]},
        "link": [{"href": f"{base}/{path}", "rel": rel} for rel, path in subs.items()],
    }
    properties = [{"name": name, "value": value} for name, value in found.custom_properties.items()]
    more = {
        "host": link("hosts", found.host) if found.host else None,
        "start_time": moment(found.started_at),
        "stop_time": moment(found.stopped_at) if found.status == "down" else None,
        "fqdn": f"{found.name}.example.org" if found.host else None,
        "custom_properties": {"custom_property": properties} if properties else None,
    }
    return shown | {name: value for name, value in more.items() if value is not None}


def template(world: World, found: Template) -> View:
    """A template."""
    shown: View = link("templates", found.id) | {
        "name": found.name,
        "status": found.status,
        "memory": found.memory,
        "cpu": {"architecture": "x86_64", "topology": {"cores": str(found.cores), "sockets": "1", "threads": "1"}},
        "os": {"type": "other"},
        "type": "server",
        "creation_time": moment(found.created_at),
        "version": {"version_name": "base version", "version_number": "1"},
    }
    return shown | ({"cluster": link("clusters", found.cluster)} if found.cluster else {})


def host(world: World, found: Host) -> View:
    """A host."""
    mine = [vm for vm in world.vms.vms.values() if vm.host == found.id]
    return link("hosts", found.id) | {
        "name": found.name,
        "comment": "",
        "address": found.address,
        "status": found.status,
        "type": "ovirt_node",
        "memory": found.memory,
        "max_scheduling_memory": max(found.memory - sum(vm.memory for vm in mine), 0),
        "cpu": {
            "name": "Intel(R) Xeon(R) Gold 6230",
            "speed": 2100.0,
            "topology": {"cores": str(found.cores), "sockets": "1", "threads": "2"},
        },
        "os": {"type": "oVirt Node", "version": {"full_version": "8.7 - 1.el8", "major": "8"}},
        "version": {"full_version": "vdsm-4.50.3.4-1.el8", "major": "4", "minor": "50"},
        "external_status": "ok",
        "update_available": "false",
        "summary": {"active": str(len(mine)), "migrating": "0", "total": str(len(mine))},
        "cluster": link("clusters", found.cluster),
        "spm": {"priority": "5", "status": "none"},
    }


def cluster(world: World, found: Cluster) -> View:
    """A cluster."""
    return link("clusters", found.id) | {
        "name": found.name,
        "description": found.description,
        "comment": "",
        "cpu": {"architecture": "x86_64", "type": found.cpu_type},
        "version": {"major": "4", "minor": "7"},
        "virt_service": "true",
        "gluster_service": "false",
        "data_center": link("datacenters", found.data_center),
    }


def data_center(world: World, found: DataCenter) -> View:
    """A data center."""
    return link("datacenters", found.id) | {
        "name": found.name,
        "description": found.description,
        "comment": "",
        "status": found.status,
        "local": "false",
        "storage_format": "v5",
        "quota_mode": "disabled",
        "version": {"major": "4", "minor": "7"},
    }


def storage_domain(world: World, found: StorageDomain) -> View:
    """A storage domain. Its status is shown here only while it is attached nowhere."""
    shown: View = link("storagedomains", found.id) | {
        "name": found.name,
        "description": "",
        "comment": "",
        "type": found.type,
        "master": flag(found.name == "data1"),
        "available": found.available,
        "used": found.used,
        "committed": found.used,
        "external_status": "ok",
        "storage_format": "v5",
        "storage": {"address": "192.0.2.90", "path": f"/exports/{found.name}", "type": "nfs", "nfs_version": "auto"},
    }
    if found.data_center:
        return shown | {"data_centers": {"data_center": [link("datacenters", found.data_center)]}}
    return shown | {"status": found.status}


def attached_domain(world: World, found: StorageDomain) -> View:
    """A storage domain as its data center shows it: with its status there."""
    shown = storage_domain(world, found)
    shown.pop("data_centers", None)
    shown["href"] = f"{API}/datacenters/{found.data_center}/storagedomains/{found.id}"
    return shown | {"status": found.status, "data_center": link("datacenters", found.data_center or "")}


def disk(world: World, found: Disk) -> View:
    """A disk."""
    return link("disks", found.id) | {
        "name": found.name,
        "alias": found.name,
        "description": "",
        "status": found.status,
        "format": "cow",
        "sparse": "true",
        "provisioned_size": found.size,
        "actual_size": found.size // 4,
        "total_size": found.size // 4,
        "storage_type": "image",
        "content_type": "data",
        "shareable": flag(found.shareable),
        "wipe_after_delete": "false",
        "storage_domains": {"storage_domain": [link("storagedomains", found.storage_domain)]},
    }


def network(world: World, found: Network) -> View:
    """A logical network."""
    shown: View = link("networks", found.id) | {
        "name": found.name,
        "description": "",
        "comment": "",
        "mtu": str(found.mtu),
        "stp": "false",
        "usages": {"usage": ["vm"]},
        "data_center": link("datacenters", found.data_center),
    }
    return shown | ({"vlan": {"id": str(found.vlan)}} if found.vlan is not None else {})


def tag(world: World, found: Tag) -> View:
    """A tag."""
    return link("tags", found.id) | {"name": found.name, "description": found.name}
