"""What the simulated engine is made of: plain records, one class for each kind of object."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

GIB = 1 << 30


@dataclass(slots=True)
class User:
    """Somebody who can sign in. ``writes`` is False for one who may look and nothing else."""

    id: str
    name: str
    password: str
    writes: bool = True


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, under which correlation id."""

    user: User
    correlation_id: str = ""


@dataclass(slots=True)
class DataCenter:
    """A data center."""

    id: str
    name: str
    status: str = "up"
    description: str = ""


@dataclass(slots=True)
class Cluster:
    """A cluster of hosts."""

    id: str
    name: str
    data_center: str
    cpu_type: str = "Intel Cascadelake Server Family"
    description: str = ""


@dataclass(slots=True)
class Host:
    """A host; memory in bytes."""

    id: str
    name: str
    cluster: str
    address: str
    cores: int = 16
    memory: int = 128 * GIB
    status: str = "up"


@dataclass(slots=True)
class StorageDomain:
    """A storage domain; sizes in bytes. ``status`` is its status in its data center."""

    id: str
    name: str
    data_center: str | None
    available: int = 500 * GIB
    used: int = 100 * GIB
    status: str = "active"
    type: str = "data"


@dataclass(slots=True)
class Disk:
    """A disk; sizes in bytes."""

    id: str
    name: str
    storage_domain: str
    size: int = 20 * GIB
    status: str = "ok"
    shareable: bool = False


@dataclass(slots=True)
class Network:
    """A logical network."""

    id: str
    name: str
    data_center: str
    vlan: int | None = None
    mtu: int = 0


@dataclass(slots=True)
class Template:
    """A template; memory in bytes."""

    id: str
    name: str
    cluster: str | None
    created_at: datetime
    memory: int = GIB
    cores: int = 1
    status: str = "ok"


@dataclass(slots=True)
class Tag:
    """A tag: the engine knows it by its name before anything can have it."""

    id: str
    name: str


@dataclass(slots=True)
class Nic:
    """A network interface of a VM, and the addresses that the guest reports."""

    id: str
    name: str
    network: str
    mac: str
    addresses: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Snapshot:
    """A snapshot of a VM. The ``active`` one is what the VM runs on and is always there."""

    id: str
    description: str
    created_at: datetime
    type: str = "regular"
    status: str = "ok"
    memory: bool = False


@dataclass(slots=True)
class Vm:
    """A VM; memory in bytes. ``disks`` and ``tags`` are ids, ``deeds`` what was done to it."""

    id: str
    name: str
    cluster: str
    template: str
    created_at: datetime
    memory: int = GIB
    cores: int = 1
    sockets: int = 1
    status: str = "down"
    host: str | None = None
    description: str = ""
    comment: str = ""
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    delete_protected: bool = False
    highly_available: bool = False
    os: str = "other_linux"
    nics: list[Nic] = field(default_factory=list)
    disks: list[str] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    custom_properties: dict[str, str] = field(default_factory=dict)
    deeds: list[str] = field(default_factory=list)


#: Every object that has its own address under the API.
Thing = DataCenter | Cluster | Host | StorageDomain | Disk | Network | Template | Tag | Vm
