"""What neutron keeps, as plain records."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Network:
    """A network; ``segment`` is its VXLAN or VLAN number."""

    id: str
    name: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    segment: int | None
    external: bool = False
    shared: bool = False
    description: str = ""
    subnets: list[str] = field(default_factory=list)
    revision: int = 1


@dataclass(slots=True)
class Subnet:
    """A subnet. ``prefix`` is the first three octets of its /24; ``used`` the last octet given out."""

    id: str
    name: str
    network_id: str
    project_id: str
    prefix: str
    created_at: datetime
    updated_at: datetime
    used: int = 9
    revision: int = 0


@dataclass(slots=True)
class Port:
    """A port of a network, bound to a server where ``device_id`` names one."""

    id: str
    name: str
    network_id: str
    project_id: str
    subnet_id: str
    address: str
    mac: str
    created_at: datetime
    updated_at: datetime
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    status: str = "DOWN"
    security_groups: list[str] = field(default_factory=list)
    revision: int = 1


@dataclass(slots=True)
class Router:
    """A router with a gateway into the external network."""

    id: str
    name: str
    project_id: str
    created_at: datetime
    gateway_network: str
    gateway_subnet: str
    gateway_address: str


@dataclass(slots=True)
class FloatingIp:
    """A floating address; ``port_id`` is None while it is not associated."""

    id: str
    project_id: str
    address: str
    network_id: str
    created_at: datetime
    router_id: str | None = None
    port_id: str | None = None


@dataclass(slots=True)
class Rule:
    """A rule of a security group."""

    id: str
    group_id: str
    project_id: str
    created_at: datetime
    direction: str = "egress"
    ethertype: str = "IPv4"
    protocol: str | None = None
    cidr: str | None = None


@dataclass(slots=True)
class SecurityGroup:
    """A security group."""

    id: str
    name: str
    project_id: str
    created_at: datetime
    description: str = ""
