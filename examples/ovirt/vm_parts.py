"""What belongs to a VM, as the engine's API shows it: by itself, or embedded where ``follow`` asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from examples.ovirt.records import Network, Nic, Snapshot, Vm
from examples.ovirt.views import API, View, cluster, disk, flag, link, listed, moment, tag

if TYPE_CHECKING:
    from examples.ovirt.world import World


def nic(world: World, owner: Vm, found: Nic) -> View:
    """A network interface of a VM."""
    return {
        "href": f"{API}/vms/{owner.id}/nics/{found.id}",
        "id": found.id,
        "name": found.name,
        "interface": "virtio",
        "linked": "true",
        "plugged": "true",
        "mac": {"address": found.mac},
        # A network has one profile here, under the network's own id.
        "vnic_profile": link("vnicprofiles", found.network),
        "vm": link("vms", owner.id),
    }


def vnic_profile(world: World, found: Network) -> View:
    """The profile by which nics join a network."""
    return link("vnicprofiles", found.id) | {"name": found.name, "network": link("networks", found.id)}


def reported_device(world: World, owner: Vm, found: Nic) -> View:
    """What the guest reports of a nic."""
    addresses = [{"address": address, "version": "v6" if ":" in address else "v4"} for address in found.addresses]
    shown = {"id": found.id, "name": "eth0", "type": "network", "mac": {"address": found.mac}}
    return shown | ({"ips": {"ip": addresses}} if addresses else {})


def disk_attachment(world: World, owner: Vm, disk_id: str) -> View:
    """A disk as a VM has it."""
    return {
        "href": f"{API}/vms/{owner.id}/diskattachments/{disk_id}",
        "id": disk_id,
        "active": "true",
        "bootable": flag(owner.disks[:1] == [disk_id]),
        "interface": "virtio_scsi",
        "read_only": "false",
        "disk": link("disks", disk_id),
        "vm": link("vms", owner.id),
    }


def snapshot(world: World, owner: Vm, found: Snapshot) -> View:
    """A snapshot of a VM."""
    return {
        "href": f"{API}/vms/{owner.id}/snapshots/{found.id}",
        "id": found.id,
        "description": found.description,
        "date": moment(found.created_at),
        "persist_memorystate": flag(found.memory),
        "snapshot_status": found.status,
        "snapshot_type": found.type,
        "vm": link("vms", owner.id),
    }


def follow(world: World, owner: Vm, shown: View, paths: Sequence[str]) -> View:
    """A VM with the links embedded that ``follow`` names."""
    for path in paths:
        head, _, rest = path.partition(".")
        embed = _EMBEDDED.get(head)
        if embed is not None:
            embed(world, owner, shown, rest)
    return shown


def _nics(world: World, owner: Vm, shown: View, rest: str) -> None:
    known = shown.setdefault("nics", listed("nic", [nic(world, owner, found) for found in owner.nics]))
    for found, view in zip(owner.nics, known.get("nic", ()), strict=False):
        if rest in ("reporteddevices", "reported_devices"):
            device = reported_device(world, owner, found)
            view["reported_devices"] = listed("reported_device", [device] if found.addresses else [])
        elif rest == "vnic_profile" and found.network in world.networks:
            view["vnic_profile"] = vnic_profile(world, world.networks[found.network])


def _attachments(world: World, owner: Vm, shown: View, rest: str) -> None:
    views = [disk_attachment(world, owner, key) for key in owner.disks]
    if rest == "disk":
        for view in views:
            view["disk"] = disk(world, world.disks[view["id"]])
    shown["disk_attachments"] = listed("disk_attachment", views)


def _tags(world: World, owner: Vm, shown: View, rest: str) -> None:
    shown["tags"] = listed("tag", [tag(world, world.tags[key]) for key in owner.tags])


def _snapshots(world: World, owner: Vm, shown: View, rest: str) -> None:
    shown["snapshots"] = listed("snapshot", [snapshot(world, owner, found) for found in owner.snapshots])


def _cluster(world: World, owner: Vm, shown: View, rest: str) -> None:
    shown["cluster"] = cluster(world, world.clusters[owner.cluster])


_EMBEDDED: dict[str, Callable[[World, Vm, View, str], None]] = {
    "nics": _nics,
    "disk_attachments": _attachments,
    "diskattachments": _attachments,
    "tags": _tags,
    "snapshots": _snapshots,
    "cluster": _cluster,
}
