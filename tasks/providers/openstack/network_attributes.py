"""What Catchment keeps of neutron's objects: the fields of ``docs/inventory.md``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.providers.openstack.attributes import Attributes, flag, moment, number, picked, rows, text, texts


def network(found: Any) -> Attributes:
    """A network."""
    return {
        "status": text(found.status),
        "admin_up": flag(found.is_admin_state_up),
        "external": flag(found.is_router_external),
        "shared": flag(found.is_shared),
        "mtu": number(found.mtu),
        "network_type": text(found.provider_network_type),
        "physical_network": text(found.provider_physical_network),
        "segmentation_id": number(found.provider_segmentation_id),
        "subnet_ids": texts(found.subnet_ids),
        **_common(found),
    }


def subnet(found: Any) -> Attributes:
    """A subnet."""
    return {
        "network_id": text(found.network_id),
        "cidr": text(found.cidr),
        "ip_version": number(found.ip_version),
        "gateway_address": text(found.gateway_ip),
        "dhcp": flag(found.is_dhcp_enabled),
        "dns_servers": texts(found.dns_nameservers),
        **_common(found),
    }


def port(found: Any) -> Attributes:
    """A port; ``server_id`` is set where it belongs to a server."""
    owner = text(found.device_owner) or ""
    return {
        "status": text(found.status),
        "admin_up": flag(found.is_admin_state_up),
        "network_id": text(found.network_id),
        "mac_address": text(found.mac_address),
        "addresses": picked(found.fixed_ips, "ip_address"),
        "subnet_ids": picked(found.fixed_ips, "subnet_id"),
        "device_id": text(found.device_id),
        "device_owner": owner or None,
        "server_id": text(found.device_id) if owner.startswith("compute:") else None,
        "host": text(found.binding_host_id),
        "vnic_type": text(found.binding_vnic_type),
        "security_group_ids": texts(found.security_group_ids),
        **_common(found),
    }


def router(found: Any) -> Attributes:
    """A router."""
    gateway = found.external_gateway_info if isinstance(found.external_gateway_info, Mapping) else {}
    return {
        "status": text(found.status),
        "admin_up": flag(found.is_admin_state_up),
        "external_network_id": text(gateway.get("network_id")),
        "external_addresses": picked(gateway.get("external_fixed_ips"), "ip_address"),
        "distributed": flag(found.is_distributed),
        "highly_available": flag(found.is_ha),
        **_common(found),
    }


def floating_ip(found: Any) -> Attributes:
    """A floating address; ``server_id`` is set where it leads to a server."""
    details = found.port_details if isinstance(found.port_details, Mapping) else {}
    to_server = (text(details.get("device_owner")) or "").startswith("compute:")
    return {
        "status": text(found.status),
        "address": text(found.floating_ip_address),
        "fixed_address": text(found.fixed_ip_address),
        "network_id": text(found.floating_network_id),
        "port_id": text(found.port_id),
        "router_id": text(found.router_id),
        "server_id": text(details.get("device_id")) if to_server else None,
        **_common(found),
    }


def security_group(found: Any) -> Attributes:
    """A security group with its rules, and what they let in from everywhere."""
    rules = rows(found.security_group_rules)
    return {
        "rule_count": len(rules),
        "rules": sorted(_rule(rule) for rule in rules),
        "open_to_all": [
            f"{rule.get('protocol') or 'any'}:{rule.get('port_range_min') or '*'}"
            for rule in rules
            if rule.get("direction") == "ingress" and rule.get("remote_ip_prefix") in ("0.0.0.0/0", "::/0")
        ],
        "shared": flag(found.is_shared),
        **_common(found),
    }


def _rule(rule: Mapping[str, Any]) -> str:
    """A rule in words: direction, protocol, ports, and the other side."""
    low, high = rule.get("port_range_min"), rule.get("port_range_max")
    ports = "*" if low is None and high is None else f"{low}-{high}"
    other = rule.get("remote_ip_prefix") or rule.get("remote_group_id") or "*"
    words = (rule.get("direction"), rule.get("ethertype"), rule.get("protocol") or "any", ports, other)
    return text(" ".join(str(word) for word in words)) or ""


def _common(found: Any) -> Attributes:
    """What all of neutron's objects have."""
    return {
        "description": text(found.description),
        "tags": texts(found.tags),
        "created_at": moment(found.created_at),
        "updated_at": moment(found.updated_at),
    }
