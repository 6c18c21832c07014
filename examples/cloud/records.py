"""What the simulated cloud is made of: plain records, one class for each kind of object."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

#: Deeds that a server remembers; older ones are forgotten.
KEPT_DEEDS = 100


@dataclass(slots=True)
class Project:
    """A project (tenant). All projects live in the domain ``default``."""

    id: str
    name: str
    description: str = ""
    enabled: bool = True


@dataclass(slots=True)
class User:
    """Somebody who can sign in. ``roles`` maps project id to role names."""

    id: str
    name: str
    password: str
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, in which project, under which request id."""

    user: User
    project: Project
    request_id: str


@dataclass(slots=True)
class Flavor:
    """A size of server: memory in MiB, disk in GiB. ``number`` is nova's internal integer id."""

    id: str
    number: int
    name: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    extra_specs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Image:
    """A disk image; ``size`` in bytes."""

    id: str
    name: str
    owner: str
    size: int
    created_at: datetime
    updated_at: datetime
    visibility: str = "public"
    status: str = "active"
    min_disk: int = 1
    min_ram: int = 0
    checksum: str = ""
    hash_value: str = ""
    protected: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Hypervisor:
    """A compute host. ``id`` and ``service_id`` are the uuids that newer microversions show.

    ``up`` is False where its nova-compute answers no more.
    """

    id: str
    number: int
    name: str
    service_id: str
    address: str
    vcpus: int = 32
    memory_mb: int = 131_072
    disk_gb: int = 2000
    enabled: bool = True
    up: bool = True


@dataclass(slots=True)
class VolumeType:
    """A kind of storage."""

    id: str
    name: str


@dataclass(slots=True)
class Attachment:
    """A volume's place in a server."""

    id: str
    volume_id: str
    server_id: str
    host: str
    device: str
    attached_at: datetime


@dataclass(slots=True)
class Volume:
    """A volume; ``size`` in GiB."""

    id: str
    name: str
    project_id: str
    user_id: str
    size: int
    type: VolumeType
    created_at: datetime
    updated_at: datetime
    launched_at: datetime
    status: str = "creating"
    attachments: list[Attachment] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Snapshot:
    """A snapshot of a volume; ``size`` in GiB."""

    id: str
    name: str
    volume_id: str
    project_id: str
    user_id: str
    size: int
    created_at: datetime
    status: str = "creating"


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody asked nova to do to a server (an *instance action*)."""

    action: str
    actor: Actor
    started_at: datetime


@dataclass(slots=True)
class Server:
    """A server, with the states that nova keeps of it."""

    id: str
    number: int
    name: str
    project_id: str
    user_id: str
    flavor: Flavor
    image: Image
    created_at: datetime
    updated_at: datetime
    reservation_id: str
    status: str = "BUILD"
    vm_state: str = "building"
    task_state: str | None = "scheduling"
    power_state: int = 0
    host: str | None = None
    launched_at: datetime | None = None
    deleted_at: datetime | None = None
    key_name: str | None = None
    locked: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    old_flavor: Flavor | None = None
    shelved_image: str | None = None
    deeds: deque[Deed] = field(default_factory=lambda: deque(maxlen=KEPT_DEEDS))


@dataclass(slots=True)
class Keypair:
    """A user's key pair."""

    name: str
    user_id: str
    fingerprint: str
    public_key: str


@dataclass(slots=True)
class Aggregate:
    """A group of hosts."""

    id: int
    uuid: str
    name: str
    created_at: datetime
    hosts: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ServerGroup:
    """Servers that are kept together or apart."""

    id: str
    name: str
    policy: str
    project_id: str
    user_id: str
    members: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Backup:
    """A backup of a volume; ``size`` in GiB."""

    id: str
    name: str
    volume_id: str
    project_id: str
    user_id: str
    size: int
    created_at: datetime
    updated_at: datetime
    status: str = "creating"


@dataclass(slots=True)
class Stack:
    """A stack. ``resources`` maps a resource's name to its type and the id of what it is."""

    id: str
    name: str
    project_id: str
    owner: str
    created_at: datetime
    updated_at: datetime | None = None
    action: str = "CREATE"
    status: str = "IN_PROGRESS"
    reason: str = ""
    description: str = ""
    parent_id: str | None = None
    resources: dict[str, tuple[str, str]] = field(default_factory=dict)
