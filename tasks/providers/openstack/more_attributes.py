"""What Catchment keeps of hosts and of what groups things: the fields of ``docs/inventory.md``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.providers.openstack.attributes import LIST_LIMIT, Attributes, flag, moment, number, rows, text, texts, words

#: Heat's types of resources that are objects of inventory, and the kind of each.
STACK_RESOURCES = {
    "OS::Nova::Server": "server",
    "OS::Cinder::Volume": "volume",
    "OS::Neutron::Net": "network",
    "OS::Neutron::Subnet": "subnet",
    "OS::Neutron::Port": "port",
    "OS::Neutron::Router": "router",
    "OS::Neutron::FloatingIP": "floatingip",
    "OS::Neutron::SecurityGroup": "security_group",
    "OS::Nova::ServerGroup": "server_group",
    "OS::Heat::Stack": "stack",
}


def host(found: Any) -> Attributes:
    """A compute host. The figures are None where the cloud's nova no longer reports them."""
    service = found.service_details if isinstance(found.service_details, Mapping) else {}
    return {
        "status": text(found.status),
        "state": text(found.state),
        "hypervisor_id": text(str(found.id)),
        "hypervisor_hostname": text(found.name),
        "hypervisor_type": text(found.hypervisor_type),
        "hypervisor_version": number(found.hypervisor_version),
        "address": text(found.host_ip),
        "disabled_reason": text(service.get("disabled_reason")),
        "vcpus": _figure(found, "vcpus"),
        "vcpus_used": _figure(found, "vcpus_used"),
        "memory_mb": _figure(found, "memory_size"),
        "memory_mb_used": _figure(found, "memory_used"),
        "disk_gb": _figure(found, "local_disk_size"),
        "disk_gb_used": _figure(found, "local_disk_used"),
        "running_servers": _figure(found, "running_vms"),
        "aggregates": [],
    }


def _figure(found: Any, name: str) -> int | float | None:
    """A figure of a host that openstacksdk has marked as going away."""
    return number(getattr(found, name, None))


def availability_zone(found: Any) -> Attributes:
    """An availability zone; administrators see its hosts."""
    state = found.state if isinstance(found.state, Mapping) else {}
    hosts = found.hosts if isinstance(found.hosts, Mapping) else {}
    return {"available": flag(state.get("available")), "hosts": sorted(texts(list(hosts)))}


def aggregate(found: Any) -> Attributes:
    """An aggregate of hosts."""
    return {
        "hosts": sorted(texts(found.hosts)),
        "availability_zone": text(found.availability_zone),
        "metadata": words(found.metadata),
        "uuid": text(found.uuid),
        "created_at": moment(found.created_at),
        "updated_at": moment(found.updated_at),
    }


def server_group(found: Any) -> Attributes:
    """A group of servers; its policy has had two names."""
    policies = texts(found.policies)
    rules = found.rules if isinstance(found.rules, Mapping) else {}
    return {
        "policy": text(found.policy) or (policies[0] if policies else None),
        "most_per_host": number(rules.get("max_server_per_host")),
        "server_ids": texts(found.member_ids),
        "user_id": text(found.user_id),
    }


def keypair(found: Any) -> Attributes:
    """A key pair: never a private key, and of the public one its fingerprint."""
    return {"fingerprint": text(found.fingerprint), "type": text(found.type), "user_id": text(found.user_id)}


def user(found: Any) -> Attributes:
    """Somebody who may sign in."""
    return {
        "enabled": flag(found.is_enabled),
        "domain_id": text(found.domain_id),
        "project_id": text(found.default_project_id),
        "description": text(found.description),
    }


def backup(found: Any) -> Attributes:
    """A backup of a volume."""
    return {
        "status": text(found.status),
        "size_gb": number(found.size),
        "volume_id": text(found.volume_id),
        "snapshot_id": text(found.snapshot_id),
        "incremental": flag(found.is_incremental),
        "availability_zone": text(found.availability_zone),
        "container": text(found.container),
        "fail_reason": text(found.fail_reason),
        "user_id": text(found.user_id),
        "metadata": words(found.metadata),
        "created_at": moment(found.created_at),
        "updated_at": moment(found.updated_at),
        "description": text(found.description),
    }


def stack(found: Any) -> Attributes:
    """A stack. ``resources`` are those that inventory has a kind for, as KIND/ID."""
    made = rows(found.parts)
    kinds = [(STACK_RESOURCES.get(text(part.get("resource_type")) or ""), part) for part in made]
    known = [(kind, key) for kind, part in kinds if kind and (key := text(part.get("physical_resource_id")))]
    return {
        "status": text(found.status),
        "status_reason": text(found.status_reason),
        "parent_id": text(found.parent_id),
        "owner": text(found.owner_id),
        "user_project_id": text(found.user_project_id),
        "resource_count": len(made),
        "resources": sorted(f"{kind}/{key}" for kind, key in known)[:LIST_LIMIT],
        "server_ids": sorted(key for kind, key in known if kind == "server"),
        "tags": texts(found.tags),
        "created_at": moment(found.created_at),
        "updated_at": moment(found.updated_at),
        "description": text(found.description),
    }
