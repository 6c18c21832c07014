"""Images that come and go, and what glance publishes about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.notices import whole
from examples.cloud.records import Actor, Image

if TYPE_CHECKING:
    from examples.cloud.world import World


def add(world: World, name: str, actor: Actor, size: int, properties: dict[str, str]) -> Image:
    """Make an image that only its project sees; ``size`` in bytes."""
    with world.lock:
        now = world.now()
        image = Image(world.uuid(), name, actor.project.id, size, now, now, "private", "queued", properties=properties)
        world.images[image.id] = image
        _tell(world, actor, "image.create", image)
        image.checksum, image.hash_value = world.digest(image.id)[:32], world.digest(image.id)
        image.status = "active"
        for event_type in ("image.upload", "image.activate"):
            _tell(world, actor, event_type, image)
        return image


def remove(world: World, image: Image, actor: Actor) -> None:
    """Delete an image."""
    with world.lock:
        del world.images[image.id]
        image.status = "deleted"
        _tell(world, actor, "image.delete", image)


def _tell(world: World, actor: Actor, event_type: str, image: Image) -> None:
    stored = image.status in ("active", "deleted")
    deleted = image.status == "deleted"
    payload: dict[str, Any] = {
        "id": image.id,
        "name": image.name,
        "status": image.status,
        "created_at": whole(image.created_at),
        "updated_at": whole(image.updated_at),
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "protected": image.protected,
        "checksum": image.checksum or None,
        "owner": image.owner,
        "disk_format": "qcow2",
        "container_format": "bare",
        "size": image.size if stored else None,
        "virtual_size": image.size if stored else None,
        "is_public": image.visibility == "public",
        "visibility": image.visibility,
        "properties": dict(image.properties),
        "tags": list(image.tags),
        "deleted": deleted,
        "deleted_at": whole(world.now()) if deleted else None,
    }
    world.publish(actor, "glance", event_type, "image.control1", payload)
