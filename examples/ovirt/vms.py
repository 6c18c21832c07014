"""The VMs of the engine: what can be done to them, and the events that the engine writes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from examples.cloud.refusals import BadRequest, Conflict, Missing
from examples.ovirt.records import Actor, Nic, Snapshot, Tag, Vm

if TYPE_CHECKING:
    from examples.ovirt.world import World

#: Statuses in which a VM occupies a host.
RUNNING = ("up", "powering_up", "paused", "migrating", "reboot_in_progress", "powering_down", "wait_for_launch")
#: The code of the event that a VM is down.
VM_DOWN = 61


class Change(NamedTuple):
    """One action: the statuses that allow it, the status after it, and its events in order."""

    needs: tuple[str, ...]
    status: str
    events: tuple[tuple[int, str], ...]


_CHANGES: dict[str, Change] = {
    "start": Change(
        ("down", "suspended", "paused"),
        "up",
        ((153, "VM {vm} was started by {user} (Host: {host})."), (32, "VM {vm} started on Host {host}")),
    ),
    "stop": Change(
        ("up", "powering_up", "powering_down", "paused", "suspended", "not_responding"),
        "down",
        (
            (33, "VM {vm} powered off by {user} (Host: {host})."),
            (61, "VM {vm} is down. Exit message: Admin shut down."),
        ),
    ),
    "shutdown": Change(
        ("up", "powering_up", "paused"),
        "down",
        (
            (73, "VM shutdown initiated by {user} on VM {vm} (Host: {host})."),
            (61, "VM {vm} is down. Exit message: User shut down from within the guest"),
        ),
    ),
    "suspend": Change(
        ("up",),
        "suspended",
        (
            (501, "Suspending VM {vm} was initiated by User {user} (Host: {host})."),
            (503, "VM {vm} on Host {host} is suspended."),
        ),
    ),
    "reboot": Change(("up", "powering_up"), "up", ((157, "User {user} initiated reboot of VM {vm}."),)),
    "reset": Change(("up", "powering_up"), "up", ((157, "User {user} initiated reset of VM {vm}."),)),
}


class Vms:
    """All VMs, and the tags that they may have."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.vms: dict[str, Vm] = {}

    def get(self, vm_id: str) -> Vm:
        """A VM by id. Raises ``Missing`` where there is none."""
        vm = self.vms.get(vm_id)
        if vm is None:
            raise Missing(f"Entity not found: Vm: id={vm_id}", "vm", vm_id)
        return vm

    def named(self, name: str) -> Vm:
        """The first VM of that name. Raises ``Missing`` where there is none."""
        return next((vm for vm in self.vms.values() if vm.name == name), None) or self.get(name)

    def create(
        self,
        name: str,
        *,
        cluster: str = "Default",
        template: str = "Blank",
        actor: Actor | None = None,
        disk: int | None = None,
    ) -> Vm:
        """Make a VM with a nic and a disk; it stays switched off. Raises ``BadRequest``, ``Conflict``."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            place = next((c for c in world.clusters.values() if cluster in (c.id, c.name)), None)
            base = next((t for t in world.templates.values() if template in (t.id, t.name)), None)
            if place is None or base is None:
                raise BadRequest(f"Entity not found: {'Cluster' if place is None else 'Template'}")
            if any(vm.name == name for vm in self.vms.values()):
                raise Conflict("[Cannot add VM. The VM name is already in use, please choose a unique name.]", "vm")
            now = world.now()
            vm = Vm(world.uuid(), name, place.id, base.id, now, base.memory, base.cores)
            self.vms[vm.id] = vm
            world.emit(37, f"VM {name} creation was initiated by {actor.user.name}.", actor, vm=vm.id)
            number = world.random.randrange(1 << 24)
            mac = "56:6f:1a:" + ":".join(f"{number >> shift & 255:02x}" for shift in (16, 8, 0))
            network = next(iter(world.networks.values()))
            vm.nics.append(Nic(world.uuid(), "nic1", network.id, mac))
            vm.snapshots.append(Snapshot(world.uuid(), "Active VM", now, "active"))
            size = disk or 20 * (1 << 30)
            vm.disks.append(world.places.add_disk(f"{name}_Disk1", size, actor=actor).id)
            world.emit(53, f"VM {name} creation has been completed.", actor, vm=vm.id)
            return vm

    def delete(self, vm_id: str, actor: Actor | None = None) -> None:
        """Remove a VM that is down, with its disks."""
        world = self.world
        with world.lock:
            vm, actor = self.get(vm_id), actor or world.actor()
            if vm.delete_protected:
                raise Conflict("[Cannot remove VM. Delete protection is enabled.]", "vm")
            self.allow(vm, "remove", ("down",))
            for disk_id in list(vm.disks):
                world.places.remove_disk(disk_id, actor)
            world.emit(113, f"VM {vm.name} was successfully removed.", actor, vm=vm.id)
            del self.vms[vm.id]

    def act(self, vm_id: str, action: str, actor: Actor | None = None) -> Vm:
        """Start, stop, shut down, suspend, reboot or reset a VM.

        Raises ``Missing`` and ``Conflict``, as the engine does; ``KeyError`` for an unknown action.
        """
        world = self.world
        with world.lock:
            vm, actor, change = self.get(vm_id), actor or world.actor(), _CHANGES[action]
            self.allow(vm, {"start": "run", "suspend": "hibernate"}.get(action, action), change.needs)
            place = vm.host if action != "start" or vm.host else self.schedule(vm)
            running = change.status in RUNNING
            if running:
                vm.host = place
            (code, text), *later = change.events
            self._tell(vm, actor, code, text, place)
            vm.status = change.status
            if action == "start":
                vm.started_at = world.now()
                self._addresses(vm)
            if not running:
                vm.host, vm.stopped_at = None, world.now()
            for code, text in later:
                self._tell(vm, actor, code, text, place)
            return vm

    def migrate(self, vm_id: str, host: str | None = None, actor: Actor | None = None) -> Vm:
        """Move a running VM to another host of its cluster."""
        world = self.world
        with world.lock:
            vm, actor = self.get(vm_id), actor or world.actor()
            target = world.places.host(host).id if host else None
            self.allow(vm, "migrate", ("up", "powering_up"))
            if target == vm.host:
                raise Conflict("[Cannot migrate VM. The VM is already running on the requested host.]", "vm")
            source, place = vm.host, target or self.schedule(vm)
            names = (world.hosts[source or place].name, world.hosts[place].name)
            text = f"Migration started (VM: {vm.name}, Source: {names[0]}, Destination: {names[1]}, User: {{user}})."
            self._tell(vm, actor, 62, text, source)
            vm.host = place
            text = f"Migration completed (VM: {vm.name}, Source: {names[0]}, Destination: {names[1]})."
            self._tell(vm, actor, 63, text, place)
            return vm

    def snapshot(self, vm_id: str, description: str, actor: Actor | None = None, *, memory: bool = False) -> Snapshot:
        """Take a snapshot of a VM."""
        world = self.world
        with world.lock:
            vm, actor = self.get(vm_id), actor or world.actor()
            self.allow(vm, "create Snapshot", ("up", "down", "powering_up", "paused", "suspended"))
            self.unlocked(vm, "create Snapshot")
            snapshot = Snapshot(world.uuid(), description, world.now(), memory=memory)
            vm.deeds.append("snapshot")
            vm.snapshots.append(snapshot)
            text = f"Snapshot '{description}' creation for VM '{vm.name}' "
            world.emit(45, text + f"was initiated by {actor.user.name}.", actor, vm=vm.id)
            world.emit(68, text + "has been completed.", actor, vm=vm.id)
            return snapshot

    def delete_snapshot(self, vm_id: str, snapshot_id: str, actor: Actor | None = None) -> None:
        """Merge a snapshot into the one above it. Raises ``Conflict`` where another is locked."""
        world = self.world
        with world.lock:
            vm, actor = self.get(vm_id), actor or world.actor()
            found = next((s for s in vm.snapshots if s.id == snapshot_id), None)
            if found is None:
                raise Missing(f"Entity not found: {snapshot_id}", "snapshot", snapshot_id)
            if found.type != "regular":
                raise Conflict("[Cannot remove Snapshot. Removing the VM active snapshot is not allowed.]", "vm")
            self.unlocked(vm, "remove Snapshot")
            vm.snapshots.remove(found)
            text = f"Snapshot '{found.description}' deletion for VM '{vm.name}' "
            world.emit(342, text + f"was initiated by {actor.user.name}.", actor, vm=vm.id)
            world.emit(356, text + "has been completed.", actor, vm=vm.id)

    def add_tag(self, name: str, actor: Actor | None = None) -> Tag:
        """Make a tag that VMs can be given. Raises ``Conflict`` for a name that is taken, ``BadRequest`` otherwise."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            if not name or any(not (letter.isalnum() or letter in "_-") for letter in name):
                raise BadRequest("[Cannot add Tag. The name may hold letters, digits, '_' and '-'.]")
            if any(tag.name == name for tag in world.tags.values()):
                raise Conflict("[Cannot add Tag. The tag name is already in use.]", "tag")
            tag = Tag(world.uuid(), name)
            world.tags[tag.id] = tag
            world.emit(432, f"New Tag {name} was created by {actor.user.name}.", actor)
            return tag

    def tag(self, vm_id: str, key: str, actor: Actor | None = None) -> Tag:
        """Give a VM a tag, by its id or name. Raises ``Missing`` for a tag that nobody made."""
        world = self.world
        with world.lock:
            vm, actor = self.get(vm_id), actor or world.actor()
            tag = next((tag for tag in world.tags.values() if key in (tag.id, tag.name)), None)
            if tag is None:
                raise Missing(f"Entity not found: Tag: name={key}", "tag", key)
            if tag.id not in vm.tags:
                vm.tags.append(tag.id)
            world.emit(440, f"Tag {tag.name} was attached to VM(s) {vm.name} by {actor.user.name}.", actor, vm=vm.id)
            return tag

    def untag(self, vm_id: str, tag_id: str, actor: Actor | None = None) -> None:
        """Take a tag from a VM. Raises ``Missing`` where it has none such."""
        world = self.world
        with world.lock:
            vm, actor = self.get(vm_id), actor or world.actor()
            if tag_id not in vm.tags:
                raise Missing(f"Entity not found: {tag_id}", "tag", tag_id)
            vm.tags.remove(tag_id)
            name = world.tags[tag_id].name
            world.emit(446, f"Tag {name} was detached from VM(s) {vm.name} by {actor.user.name}.", actor, vm=vm.id)

    def update(self, vm_id: str, changes: dict[str, object], actor: Actor | None = None) -> Vm:
        """Set fields of a VM by their names in :class:`Vm`."""
        world = self.world
        with world.lock:
            vm, actor = self.get(vm_id), actor or world.actor()
            for name, value in changes.items():
                setattr(vm, name, value)
            world.emit(35, f"VM {vm.name} configuration was updated by {actor.user.name}.", actor, vm=vm.id)
            return vm

    def allow(self, vm: Vm, action: str, statuses: tuple[str, ...]) -> None:
        """Note that somebody asks for an action. Raises ``Conflict`` for a VM whose status does not allow it."""
        if vm.status not in statuses:
            raise Conflict(f"[Cannot {action} VM. VM is in {vm.status} status.]", "vm")
        if action not in ("create Snapshot", "remove"):
            vm.deeds.append({"run": "start", "hibernate": "suspend"}.get(action, action))

    def unlocked(self, vm: Vm, action: str) -> None:
        """Raise ``Conflict`` where one of a VM's snapshots is being worked on."""
        if any(snapshot.status == "locked" for snapshot in vm.snapshots):
            raise Conflict(f"[Cannot {action}. A snapshot of VM {vm.name} is being worked on.]", "vm")

    def schedule(self, vm: Vm) -> str:
        """The emptiest other host of the VM's cluster that is up. Raises ``Conflict`` where there is none."""
        hosts = [
            host
            for host in self.world.hosts.values()
            if host.cluster == vm.cluster and host.status == "up" and host.id != vm.host
        ]
        if not hosts:
            raise Conflict("[Cannot run VM. There is no host that satisfies current scheduling constraints.]", "vm")
        return min(hosts, key=lambda host: (sum(v.host == host.id for v in self.vms.values()), host.name)).id

    def _addresses(self, vm: Vm) -> None:
        """The guest has addresses once it has run."""
        for nic in vm.nics:
            if not nic.addresses:
                nic.addresses = [f"198.51.100.{10 + list(self.vms).index(vm.id) % 240}"]

    def _tell(self, vm: Vm, actor: Actor, code: int, text: str, place: str | None) -> None:
        """Write an event of a VM. That a VM is down the engine learns from its host, and knows of nobody who did it."""
        host = self.world.hosts.get(place or "")
        words = {"vm": vm.name, "user": actor.user.name, "host": host.name if host else "<UNKNOWN>"}
        self.world.emit(code, text.format(**words), None if code == VM_DOWN else actor, vm=vm.id, host=place)
