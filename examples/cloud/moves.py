"""What moves a server: onto a shelf, into an image, to another host. And the labels that are put on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples.cloud import image_store
from examples.cloud.records import Actor, Image, Server
from examples.cloud.refusals import BadRequest, Conflict, Missing
from examples.cloud.servers import RUNNING, SHUTDOWN, Servers

if TYPE_CHECKING:
    from examples.cloud.world import World

#: Statuses in which labels may be changed, and those in which a server can be made an image.
SETTLED = ("ACTIVE", "PAUSED", "SUSPENDED", "SHUTOFF")
SHELVED = ("SHELVED", "SHELVED_OFFLOADED")
MOST_TAGS = 50
_SNAPSHOT = ("InstanceActionSnapshotPayload", "1.9")
_REBUILD = ("InstanceActionRebuildPayload", "1.9")


class Moves:
    """Moves of servers, each with what nova publishes about it."""

    def __init__(self, world: World, servers: Servers) -> None:
        self.world = world
        self.servers = servers

    def _who(self, server_id: str, actor: Actor | None) -> tuple[Server, Actor]:
        return self.servers.get(server_id), actor or self.world.actor()

    def shelve(self, server_id: str, actor: Actor | None = None) -> Server:
        """Keep a server as an image and free its host at once."""
        with self.world.lock:
            (server, actor), servers = self._who(server_id, actor), self.servers
            servers.allow(server, actor, "shelve", SETTLED)
            servers.begin(server, actor, "shelving")
            servers.emit(server, actor, "shelve.start", "shelve.start")
            server.shelved_image = self._image(server, f"{server.name}-shelved", actor, {}).id
            servers.settle(server, actor, "SHELVED", "shelved", SHUTDOWN)
            servers.emit(server, actor, "shelve.end", "shelve.end")
            servers.begin(server, actor, "shelving_offloading")
            servers.emit(server, actor, "shelve_offload.start", "shelve_offload.start")
            server.host = None
            servers.settle(server, actor, "SHELVED_OFFLOADED", "shelved_offloaded", SHUTDOWN)
            servers.emit(server, actor, "shelve_offload.end", "shelve_offload.end")
            return server

    def unshelve(self, server_id: str, actor: Actor | None = None) -> Server:
        """Take a server from the shelf and start it. Its image goes, and must be there still."""
        with self.world.lock:
            (server, actor), servers = self._who(server_id, actor), self.servers
            image = self.world.images.get(server.shelved_image or "")
            servers.allow(server, actor, "unshelve", SHELVED)
            if image is None:
                raise Conflict(f"Unshelve requested but the original image of {server.id} was not found", "server")
            servers.begin(server, actor, "unshelving")
            server.host = servers.schedule(server.flavor)
            servers.emit(server, actor, "unshelve.start", "unshelve.start")
            servers.settle(server, actor, "ACTIVE", "active", RUNNING)
            servers.emit(server, actor, "unshelve.end", "unshelve.end")
            server.shelved_image = None
            image_store.remove(self.world, image, actor)
            return server

    def snapshot(
        self, server_id: str, name: str, actor: Actor | None = None, metadata: dict[str, str] | None = None
    ) -> Image:
        """Make an image of a server."""
        with self.world.lock:
            (server, actor), servers = self._who(server_id, actor), self.servers
            servers.allow(server, actor, "createImage", SETTLED)
            servers.begin(server, actor, "image_snapshot")
            image = self._image(server, name, actor, metadata or {})
            more = {"snapshot_image_id": image.id}
            for phase in ("start", "end"):
                if phase == "end":
                    servers.settle(server, actor, server.status, server.vm_state, server.power_state)
                servers.emit(server, actor, f"snapshot.{phase}", f"snapshot.{phase}", form=_SNAPSHOT, data=more)
            return image

    def _image(self, server: Server, name: str, actor: Actor, metadata: dict[str, str]) -> Image:
        properties = {**server.image.properties, **metadata}
        properties |= {"instance_uuid": server.id, "image_type": "snapshot", "base_image_ref": server.image.id}
        properties |= {"user_id": actor.user.id, "owner_id": actor.project.id}
        return image_store.add(self.world, name, actor, server.flavor.disk_gb * 2**20, properties)

    def migrate(self, server_id: str, host: str | None = None, actor: Actor | None = None) -> Server:
        """Stop a server and move it; it then waits in ``VERIFY_RESIZE`` to be confirmed."""
        with self.world.lock:
            server, actor = self._who(server_id, actor)
            place = self._place(server, host)
            self.servers.allow(server, actor, "migrate", ("ACTIVE", "SHUTOFF"))
            return self.servers.finish_later(server, actor, server.flavor, place)

    def live_migrate(self, server_id: str, host: str | None = None, actor: Actor | None = None) -> Server:
        """Move a server while it runs."""
        with self.world.lock:
            (server, actor), servers = self._who(server_id, actor), self.servers
            source, place = server.host, self._place(server, host)
            servers.allow(server, actor, "live-migration", ("ACTIVE", "PAUSED"))
            servers.begin(server, actor, "migrating")
            for phase in ("start", "end"):
                name = f"live_migration_pre.{phase}"
                servers.emit(server, actor, f"live_migration.pre.{phase}", name, host=place)
            servers.emit(server, actor, "live_migration._post.start", "live_migration_post.start")
            server.host = place
            for phase in ("start", "end"):
                name = f"live_migration_post_dest.{phase}"
                servers.emit(server, actor, f"live_migration.post.dest.{phase}", name)
            servers.settle(server, actor, server.status, server.vm_state, server.power_state)
            servers.emit(server, actor, "live_migration._post.end", "live_migration_post.end", host=source)
            return server

    def evacuate(self, server_id: str, host: str | None = None, actor: Actor | None = None) -> Server:
        """Build a server anew on another host, its own being down. Raises ``BadRequest`` where that is up."""
        with self.world.lock:
            (server, actor), servers = self._who(server_id, actor), self.servers
            own = self.world.hypervisors.get(server.host or "")
            if own is not None and own.up:
                raise BadRequest(f"Compute service of {own.name} is still in use.")
            place = self._place(server, host)
            busy, server.task_state = server.task_state, None
            servers.allow(server, actor, "evacuate", ("ACTIVE", "SHUTOFF", "ERROR"))
            server.task_state = busy
            form, more = _REBUILD, {"trusted_image_certificates": None}
            servers.begin(server, actor, "rebuilding")
            servers.emit(server, actor, "evacuate", "evacuate", host="conductor")
            servers.emit(
                server, actor, "rebuild.scheduled", "rebuild_scheduled", form=form, data=more, host="conductor"
            )
            server.host = place
            servers.emit(server, actor, "rebuild.start", "rebuild.start", form=form, data=more)
            stays = ("SHUTOFF", "stopped", SHUTDOWN) if server.status == "SHUTOFF" else ("ACTIVE", "active", RUNNING)
            servers.settle(server, actor, *stays)
            servers.emit(server, actor, "rebuild.end", "rebuild.end", form=form, data=more)
            return server

    def _place(self, server: Server, host: str | None) -> str:
        """The host to go to. Raises ``BadRequest`` for one that is not there, and for the one it is on."""
        if host is None:
            return self.servers.schedule(server.flavor, without=server.host)
        if host == server.host:
            raise BadRequest(f"Unable to migrate instance ({server.id}) to current host ({host}).")
        found = self.world.hypervisors.get(host)
        if found is None or not found.up:
            raise BadRequest(f"Compute host {host} could not be found.")
        return found.name

    def label(self, server_id: str, action: str) -> Server:
        """A server whose labels may be changed. Raises ``Conflict`` for any other."""
        server = self.servers.get(server_id)
        if server.status not in SETTLED:
            raise Conflict(
                f"Cannot '{action}' instance {server.id} while it is in vm_state {server.vm_state}", "server"
            )
        return server

    def tag(self, server_id: str, tag: str, actor: Actor) -> bool:
        """Give a server a tag; False where it had it."""
        with self.world.lock:
            server = self.label(server_id, "update tag")
            if tag in server.tags:
                return False
            if len(server.tags) >= MOST_TAGS:
                raise BadRequest(f"The number of tags exceeded the per-server limit {MOST_TAGS}")
            server.tags.append(tag)
            self.servers.updated(server, actor, server.vm_state, server.task_state)
            return True

    def untag(self, server_id: str, tag: str, actor: Actor) -> None:
        """Take a tag from a server. Raises ``Missing`` where it has none such."""
        with self.world.lock:
            server = self.label(server_id, "delete tag")
            if tag not in server.tags:
                raise Missing(f"Instance {server.id} has no tag '{tag}'", "tag", tag)
            server.tags.remove(tag)
            self.servers.updated(server, actor, server.vm_state, server.task_state)

    def describe(self, server_id: str, metadata: dict[str, str]) -> dict[str, str]:
        """Add metadata to a server, of which nova publishes nothing; returns all that it has then."""
        with self.world.lock:
            server = self.label(server_id, "update metadata")
            if server.task_state is not None:
                raise Conflict(
                    f"Cannot 'update metadata' instance {server.id} while it is in task_state {server.task_state}",
                    "server",
                )
            server.metadata |= metadata
            return dict(server.metadata)
