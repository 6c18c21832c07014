"""Where VMs live: data centers, clusters, hosts, storage, networks; and what belongs to what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples.cloud.refusals import Conflict, Missing
from examples.ovirt.records import Actor, Disk, Host, StorageDomain

if TYPE_CHECKING:
    from examples.ovirt.world import World


class Places:
    """What is done to hosts, storage domains and disks, each with the events of the engine."""

    def __init__(self, world: World) -> None:
        self.world = world

    def host(self, key: str) -> Host:
        """A host by id or name. Raises ``Missing`` where there is none."""
        found = self.world.hosts.get(key) or next((h for h in self.world.hosts.values() if h.name == key), None)
        if found is None:
            raise Missing(f"Entity not found: Host: id={key}", "host", key)
        return found

    def maintain(self, key: str, actor: Actor | None = None) -> Host:
        """Put a host into maintenance; its VMs move away first. Raises ``Conflict`` where they cannot."""
        world = self.world
        with world.lock:
            host, actor = self.host(key), actor or world.actor()
            if host.status == "maintenance":
                raise Conflict("[Cannot switch Host to Maintenance mode. Host is already in Maintenance mode.]", "host")
            for vm in [vm for vm in world.vms.vms.values() if vm.host == host.id]:
                world.vms.migrate(vm.id, actor=actor)
            host.status = "maintenance"
            world.emit(600, f"Host {host.name} was switched to Maintenance mode.", actor, host=host.id)
            return host

    def activate(self, key: str, actor: Actor | None = None) -> Host:
        """Take a host out of maintenance."""
        world = self.world
        with world.lock:
            host, actor = self.host(key), actor or world.actor()
            if host.status == "up":
                raise Conflict("[Cannot activate Host. Host has already been activated.]", "host")
            host.status = "up"
            world.emit(16, f"Activation of host {host.name} initiated by {actor.user.name}.", actor, host=host.id)
            world.emit(13, f"Status of host {host.name} was set to Up.", None, host=host.id)
            return host

    def fail(self, key: str) -> Host:
        """A host goes down, and its VMs with it."""
        world = self.world
        with world.lock:
            host = self.host(key)
            host.status = "non_responsive"
            world.emit(12, f"Host {host.name} is non responsive.", None, severity="error", host=host.id)
            for vm in [vm for vm in world.vms.vms.values() if vm.host == host.id]:
                vm.status = "unknown"
                world.emit(142, f"VM {vm.name} was set to the Unknown status.", None, severity="warning", vm=vm.id)
            return host

    def add_disk(self, name: str, size: int, storage_domain: str | None = None, actor: Actor | None = None) -> Disk:
        """Make a disk on a storage domain: the emptiest one unless it is named."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            domain = world.storage_domains[storage_domain] if storage_domain else self.roomy()
            disk = Disk(world.uuid(), name, domain.id, size)
            domain.available, domain.used = domain.available - size, domain.used + size
            world.disks[disk.id] = disk
            world.emit(2020, f"Add-Disk operation of '{name}' was initiated by {actor.user.name}.", actor,
                       storage_domain=domain.id)  # fmt: skip
            world.emit(2021, f"The disk '{name}' was successfully added.", actor, storage_domain=domain.id)
            return disk

    def remove_disk(self, disk_id: str, actor: Actor | None = None) -> None:
        """Delete a disk. Raises ``Missing``, and ``Conflict`` for one that a running VM has."""
        world = self.world
        with world.lock:
            disk, actor = world.disks.get(disk_id), actor or world.actor()
            if disk is None:
                raise Missing(f"Entity not found: {disk_id}", "disk", disk_id)
            owners = [vm for vm in world.vms.vms.values() if disk_id in vm.disks]
            if any(vm.status != "down" for vm in owners):
                raise Conflict("[Cannot remove Virtual Disk. At least one of the VMs is not down.]", "disk")
            for vm in owners:
                vm.disks.remove(disk_id)
            domain = world.storage_domains[disk.storage_domain]
            domain.available, domain.used = domain.available + disk.size, domain.used - disk.size
            del world.disks[disk_id]
            world.emit(2014, f"Disk {disk.name} was successfully removed from domain {domain.name}.", actor,
                       storage_domain=domain.id)  # fmt: skip

    def roomy(self) -> StorageDomain:
        """The storage domain with the most room. Raises ``Conflict`` where none is active."""
        found = [d for d in self.world.storage_domains.values() if d.status == "active" and d.type == "data"]
        if not found:
            raise Conflict("[Cannot add Virtual Disk. There is no active Storage Domain.]", "disk")
        return max(found, key=lambda domain: (domain.available, domain.name))

    def around(self, links: dict[str, str]) -> dict[str, str]:
        """The links of an event with all that follows from them: a VM's host, cluster, template, data center."""
        found = dict(links)
        vm = self.world.vms.vms.get(found.get("vm", ""))
        if vm is not None:
            found = {"host": vm.host or "", "cluster": vm.cluster, "template": vm.template} | found
        host = self.world.hosts.get(found.get("host", ""))
        if host is not None:
            found.setdefault("cluster", host.cluster)
        domain = self.world.storage_domains.get(found.get("storage_domain", ""))
        if domain is not None:
            found.setdefault("data_center", domain.data_center or "")
        cluster = self.world.clusters.get(found.get("cluster", ""))
        if cluster is not None:
            found.setdefault("data_center", cluster.data_center)
        return {name: key for name, key in found.items() if key}
