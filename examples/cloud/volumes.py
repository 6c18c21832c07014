"""Volumes and snapshots, and what cinder publishes about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.notices import offset
from examples.cloud.records import Actor, Attachment, Snapshot, Volume, VolumeType
from examples.cloud.refusals import BadRequest, Missing

if TYPE_CHECKING:
    from examples.cloud.world import World

HOST = "storage1@ceph#pool"


class Volumes:
    """All that cinder keeps."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.types: dict[str, VolumeType] = {}
        self.volumes: dict[str, Volume] = {}
        self.snapshots: dict[str, Snapshot] = {}

    def sow(self) -> None:
        """The kinds of storage there are."""
        for name in ("standard", "fast"):
            kind = VolumeType(self.world.uuid(), name)
            self.types[kind.id] = kind

    def get(self, volume_id: str) -> Volume:
        """A volume by id. Raises ``Missing`` where there is none."""
        volume = self.volumes.get(volume_id)
        if volume is None:
            raise Missing(f"Volume {volume_id} could not be found.", "volume", volume_id)
        return volume

    def create(self, name: str, *, size: int = 1, actor: Actor | None = None) -> Volume:
        """Make a volume of ``size`` GiB."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            now, kind = world.now(), next(iter(self.types.values()))
            volume = Volume(world.uuid(), name, actor.project.id, actor.user.id, size, kind, now, now, now)
            self.volumes[volume.id] = volume
            self._tell(actor, "volume.create.start", volume)
            self._set(volume, "available")
            self._tell(actor, "volume.create.end", volume)
            return volume

    def attach(self, volume_id: str, server_id: str, *, actor: Actor | None = None) -> Attachment:
        """Attach a volume to a server. Raises ``Missing``, and ``BadRequest`` for one in use."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            volume, server = self.get(volume_id), world.servers.get(server_id)
            if volume.status != "available":
                raise BadRequest(f"Invalid volume: volume {volume_id} status must be available.")
            self._tell(actor, "volume.attach.start", volume)
            device = f"/dev/vd{'bcdefghijklmnopqrstuvwxyz'[len(server.volumes) % 25]}"
            place = Attachment(world.uuid(), volume_id, server_id, server.host or "", device, world.now())
            volume.attachments.append(place)
            server.volumes.append(volume_id)
            self._set(volume, "in-use")
            self._tell(actor, "volume.attach.end", volume)
            world.servers.attached(server, volume_id, actor, "attach")
            return place

    def detach(self, volume_id: str, *, actor: Actor | None = None, told: bool = True) -> None:
        """Take a volume out of its server; ``told`` says whether nova publishes it as well."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            volume = self.get(volume_id)
            if not volume.attachments:
                raise BadRequest(f"Invalid volume: volume {volume_id} is not attached.")
            self._tell(actor, "volume.detach.start", volume)
            server = world.servers.get(volume.attachments.pop().server_id)
            server.volumes.remove(volume_id)
            self._set(volume, "available")
            self._tell(actor, "volume.detach.end", volume)
            if told:
                world.servers.attached(server, volume_id, actor, "detach")

    def delete(self, volume_id: str, *, actor: Actor | None = None) -> None:
        """Remove a volume. Raises ``Missing``, and ``BadRequest`` while it is in use or has snapshots."""
        with self.world.lock:
            actor = actor or self.world.actor()
            volume = self.get(volume_id)
            if volume.attachments or any(s.volume_id == volume_id for s in self.snapshots.values()):
                raise BadRequest("Invalid volume: Volume status must be available and it must not have snapshots.")
            self._set(volume, "deleting")
            self._tell(actor, "volume.delete.start", volume)
            del self.volumes[volume_id]
            self._set(volume, "deleted")
            self._tell(actor, "volume.delete.end", volume)

    def snapshot(self, volume_id: str, name: str, *, actor: Actor | None = None) -> Snapshot:
        """Take a snapshot of a volume. Raises ``Missing``."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            volume = self.get(volume_id)
            snapshot = Snapshot(
                world.uuid(), name, volume_id, actor.project.id, actor.user.id, volume.size, world.now()
            )
            self.snapshots[snapshot.id] = snapshot
            self._tell_snapshot(actor, "snapshot.create.start", snapshot)
            snapshot.status = "available"
            self._tell_snapshot(actor, "snapshot.create.end", snapshot)
            return snapshot

    def delete_snapshot(self, snapshot_id: str, *, actor: Actor | None = None) -> None:
        """Remove a snapshot. Raises ``Missing``."""
        with self.world.lock:
            actor = actor or self.world.actor()
            snapshot = self.snapshots.get(snapshot_id)
            if snapshot is None:
                raise Missing(f"Snapshot {snapshot_id} could not be found.", "snapshot", snapshot_id)
            snapshot.status = "deleting"
            self._tell_snapshot(actor, "snapshot.delete.start", snapshot)
            del self.snapshots[snapshot_id]
            snapshot.status = "deleted"
            self._tell_snapshot(actor, "snapshot.delete.end", snapshot)

    def _set(self, volume: Volume, status: str) -> None:
        volume.status, volume.updated_at = status, self.world.now()

    def _tell(self, actor: Actor, event_type: str, volume: Volume) -> None:
        payload: dict[str, Any] = {
            "tenant_id": volume.project_id,
            "host": HOST,
            "user_id": volume.user_id,
            "availability_zone": "nova",
            "volume_id": volume.id,
            "volume_type": volume.type.id,
            "display_name": volume.name,
            "launched_at": offset(volume.launched_at),
            "created_at": offset(volume.created_at),
            "status": volume.status,
            "snapshot_id": None,
            "size": volume.size,
            "replication_status": None,
            "replication_extended_status": None,
            "replication_driver_data": None,
            "metadata": [{"key": key, "value": value} for key, value in volume.metadata.items()],
            "volume_attachment": [
                {"server_id": a.server_id, "instance_uuid": a.server_id, "mountpoint": a.device}
                for a in volume.attachments
            ],
        }
        self.world.publish(actor, "openstack", event_type, f"volume.{HOST}", payload)

    def _tell_snapshot(self, actor: Actor, event_type: str, snapshot: Snapshot) -> None:
        payload: dict[str, Any] = {
            "tenant_id": snapshot.project_id,
            "user_id": snapshot.user_id,
            "availability_zone": "nova",
            "volume_id": snapshot.volume_id,
            "volume_size": snapshot.size,
            "snapshot_id": snapshot.id,
            "display_name": snapshot.name,
            "created_at": offset(snapshot.created_at),
            "status": snapshot.status,
            "deleted": "",
            "metadata": "",
        }
        self.world.publish(actor, "openstack", event_type, "snapshot.storage1@ceph", payload)
