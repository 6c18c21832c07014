"""How neutron shows what it keeps."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from examples.cloud.network_records import FloatingIp, Network, Port, Router, Rule, SecurityGroup, Subnet
from examples.cloud.notices import whole

if TYPE_CHECKING:
    from examples.cloud.networks import Networks


def _common(project_id: str, created: datetime, updated: datetime, revision: int) -> dict[str, Any]:
    return {
        "tags": [],
        "created_at": whole(created),
        "updated_at": whole(updated),
        "revision_number": revision,
        "project_id": project_id,
        "tenant_id": project_id,
    }


def network_view(network: Network) -> dict[str, Any]:
    """A network."""
    return {
        "id": network.id,
        "name": network.name,
        "admin_state_up": True,
        "mtu": 1500 if network.external else 1450,
        "status": "ACTIVE",
        "subnets": list(network.subnets),
        "shared": network.shared,
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "router:external": network.external,
        "description": network.description,
        "port_security_enabled": True,
        "provider:network_type": "flat" if network.external else "vxlan",
        "provider:physical_network": "public" if network.external else None,
        "provider:segmentation_id": network.segment,
        **({"is_default": False} if network.external else {}),
        **_common(network.project_id, network.created_at, network.updated_at, network.revision),
    }


def subnet_view(subnet: Subnet) -> dict[str, Any]:
    """A subnet."""
    return {
        "id": subnet.id,
        "name": subnet.name,
        "network_id": subnet.network_id,
        "ip_version": 4,
        "subnetpool_id": None,
        "enable_dhcp": True,
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "gateway_ip": f"{subnet.prefix}.1",
        "cidr": f"{subnet.prefix}.0/24",
        "allocation_pools": [{"start": f"{subnet.prefix}.2", "end": f"{subnet.prefix}.254"}],
        "host_routes": [],
        "dns_nameservers": [],
        "description": "",
        "service_types": [],
        **_common(subnet.project_id, subnet.created_at, subnet.updated_at, subnet.revision),
    }


def port_view(port: Port) -> dict[str, Any]:
    """A port."""
    bound = bool(port.host)
    details = {
        "connectivity": "l2",
        "port_filter": True,
        "ovs_hybrid_plug": False,
        "datapath_type": "system",
        "bridge_name": "br-int",
        "bound_drivers": {"0": "openvswitch"},
    }
    return {
        "id": port.id,
        "name": port.name,
        "network_id": port.network_id,
        "mac_address": port.mac,
        "admin_state_up": True,
        "status": port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "fixed_ips": [{"subnet_id": port.subnet_id, "ip_address": port.address}],
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "security_groups": list(port.security_groups),
        "description": "",
        "binding:vnic_type": "normal",
        "binding:profile": {},
        "binding:host_id": port.host,
        "binding:vif_type": "ovs" if bound else "unbound",
        "binding:vif_details": details if bound else {},
        "port_security_enabled": True,
        **_common(port.project_id, port.created_at, port.updated_at, port.revision),
    }


def router_view(router: Router) -> dict[str, Any]:
    """A router."""
    address = {"subnet_id": router.gateway_subnet, "ip_address": router.gateway_address}
    return {
        "id": router.id,
        "name": router.name,
        "admin_state_up": True,
        "status": "ACTIVE",
        "external_gateway_info": {
            "network_id": router.gateway_network,
            "external_fixed_ips": [address],
            "enable_snat": True,
        },
        "description": "",
        "availability_zones": [],
        "distributed": False,
        "ha": False,
        "availability_zone_hints": [],
        "routes": [],
        "flavor_id": None,
        **_common(router.project_id, router.created_at, router.created_at, 1),
    }


def floating_ip_view(floating: FloatingIp, networks: Networks) -> dict[str, Any]:
    """A floating address, with the port that it leads to."""
    port = networks.ports.get(floating.port_id or "")
    details = None
    if port is not None:
        details = {
            "name": port.name,
            "network_id": port.network_id,
            "mac_address": port.mac,
            "admin_state_up": True,
            "status": port.status,
            "device_id": port.device_id,
            "device_owner": port.device_owner,
        }
    return {
        "id": floating.id,
        "floating_ip_address": floating.address,
        "floating_network_id": floating.network_id,
        "router_id": floating.router_id,
        "port_id": floating.port_id,
        "fixed_ip_address": port.address if port else None,
        "status": "ACTIVE" if port else "DOWN",
        "description": "",
        "port_details": details,
        **_common(floating.project_id, floating.created_at, floating.created_at, 0),
    }


def rule_view(rule: Rule, *, nested: bool = False) -> dict[str, Any]:
    """A rule; inside its group neutron shows a little more of it."""
    view = {
        "id": rule.id,
        "security_group_id": rule.group_id,
        "ethertype": rule.ethertype,
        "direction": rule.direction,
        "protocol": rule.protocol,
        "port_range_min": None,
        "port_range_max": None,
        "remote_ip_prefix": rule.cidr,
        "remote_address_group_id": None,
        "normalized_cidr": rule.cidr,
        "remote_group_id": None,
        "description": None if nested else "",
        **_common(rule.project_id, rule.created_at, rule.created_at, 0),
    }
    if nested:
        return view | {"standard_attr_id": 1}
    del view["tags"]
    return view


def security_group_view(group: SecurityGroup, networks: Networks) -> dict[str, Any]:
    """A security group with its rules."""
    rules = [rule_view(r, nested=True) for r in networks.rules.values() if r.group_id == group.id]
    return {
        "id": group.id,
        "name": group.name,
        "stateful": True,
        "description": group.description,
        "shared": False,
        "security_group_rules": rules,
        **_common(group.project_id, group.created_at, group.created_at, 1),
    }
