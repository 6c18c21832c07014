"""Backups of volumes, and what cinder publishes about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.notices import offset
from examples.cloud.records import Actor, Backup
from examples.cloud.refusals import Missing

if TYPE_CHECKING:
    from examples.cloud.world import World

#: Where backups are made.
HOST = "storage1"


class Backups:
    """All backups that cinder keeps."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.backups: dict[str, Backup] = {}

    def get(self, backup_id: str) -> Backup:
        """A backup by id. Raises ``Missing`` where there is none."""
        found = self.backups.get(backup_id)
        if found is None:
            raise Missing(f"Backup {backup_id} could not be found.", "backup", backup_id)
        return found

    def create(self, volume_id: str, name: str, actor: Actor | None = None) -> Backup:
        """Back a volume up. Raises ``Missing`` for a volume that is not there."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            volume, now = world.volumes.get(volume_id), world.now()
            backup = Backup(world.uuid(), name, volume.id, volume.project_id, actor.user.id, volume.size, now, now)
            self.backups[backup.id] = backup
            self._tell(actor, "backup.create.start", backup)
            backup.status, backup.updated_at = "available", world.now()
            self._tell(actor, "backup.create.end", backup)
            return backup

    def delete(self, backup_id: str, actor: Actor | None = None) -> None:
        """Remove a backup. Raises ``Missing``."""
        with self.world.lock:
            actor, backup = actor or self.world.actor(), self.get(backup_id)
            backup.status = "deleting"
            self._tell(actor, "backup.delete.start", backup)
            del self.backups[backup_id]
            backup.status = "deleted"
            self._tell(actor, "backup.delete.end", backup)

    def _tell(self, actor: Actor, event_type: str, backup: Backup) -> None:
        payload: dict[str, Any] = {
            "tenant_id": backup.project_id,
            "user_id": backup.user_id,
            "availability_zone": "nova",
            "backup_id": backup.id,
            "host": HOST,
            "display_name": backup.name,
            "created_at": offset(backup.created_at),
            "status": backup.status,
            "volume_id": backup.volume_id,
            "size": backup.size,
            "service_metadata": None,
            "service": "cinder.backup.drivers.swift.SwiftBackupDriver",
            "fail_reason": None,
            "parent_id": None,
            "num_dependent_backups": 0,
            "snapshot_id": None,
        }
        self.world.publish(actor, "openstack", event_type, f"backup.{HOST}", payload)
