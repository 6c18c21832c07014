"""The state of the simulated engine, its clock, its dice and its audit log."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from examples.ovirt.audit import AuditEvent, AuditLog
from examples.ovirt.places import Places
from examples.ovirt.records import (
    Actor,
    Cluster,
    DataCenter,
    Disk,
    Host,
    Network,
    StorageDomain,
    Tag,
    Template,
    User,
    Vm,
)
from examples.ovirt.seed import sow
from examples.ovirt.vms import Vms


class World:
    """Everything that the engine manages. Operations change it and write the events that the engine would.

    The same ``seed`` gives the same ids, names and choices. All work happens under ``lock``; changes are
    complete at once: no VM stays in a passing status. ``listeners`` get every event as it is written.
    """

    def __init__(self, seed: int = 7, *, clock: Callable[[], datetime] | None = None) -> None:
        self.lock = threading.RLock()
        self.random = random.Random(seed)
        self.clock = clock or (lambda: datetime.now(UTC))
        self.users: dict[str, User] = {}
        self.data_centers: dict[str, DataCenter] = {}
        self.clusters: dict[str, Cluster] = {}
        self.hosts: dict[str, Host] = {}
        self.storage_domains: dict[str, StorageDomain] = {}
        self.disks: dict[str, Disk] = {}
        self.networks: dict[str, Network] = {}
        self.templates: dict[str, Template] = {}
        self.tags: dict[str, Tag] = {}
        self.audit = AuditLog(seed)
        self.listeners: list[Callable[[AuditEvent], None]] = []
        self.vms = Vms(self)
        self.places = Places(self)
        sow(self)

    def now(self) -> datetime:
        """The present moment by the world's clock, aware, in UTC."""
        return self.clock().astimezone(UTC)

    def uuid(self) -> str:
        """A new object id."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def user(self, name: str) -> User:
        """A user by name. Raises ``KeyError`` where there is none."""
        return next((user for user in self.users.values() if user.name == name), None) or self.users[name]

    def actor(self, name: str = "admin@internal", correlation_id: str = "") -> Actor:
        """Somebody to act for; without a correlation id the engine makes one."""
        return Actor(self.user(name), correlation_id or self.uuid())

    def vm(self, name: str) -> Vm:
        """The first VM of that name. Raises ``Missing`` where there is none."""
        return self.vms.named(name)

    def emit(
        self, code: int, description: str, actor: Actor | None = None, *, severity: str = "normal", **about: Any
    ) -> AuditEvent:
        """Write an event. ``about`` names its links by id; a VM or a host brings what it belongs to."""
        with self.lock:
            links = self.places.around({name: key for name, key in about.items() if key})
            if actor is not None:
                links["user"] = actor.user.id
            event = AuditEvent(
                self.audit.next_id(),
                code,
                description,
                severity,
                self.now(),
                actor.correlation_id if actor else "",
                links=links,
            )
            self.audit.add(event)
            for listener in self.listeners:
                listener(event)
        return event
