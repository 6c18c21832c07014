"""Servers: what can be done to them, and what nova publishes about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.nova_payloads import free_form, nova_object, state_update, versioned_data
from examples.cloud.records import Actor, Aggregate, Deed, Flavor, Image, Keypair, Server, ServerGroup
from examples.cloud.refusals import BadRequest, Conflict, Missing

if TYPE_CHECKING:
    from examples.cloud.world import World

#: libvirt's numbers for a server's power.
PENDING, RUNNING, PAUSED, SHUTDOWN, SUSPENDED = 0, 1, 3, 4, 7

#: action: the statuses that allow it, the status, state and power it leads to, the task meanwhile, and the
#: event's name.
_SIMPLE: dict[str, tuple[tuple[str, ...], str, str, int, str, str]] = {
    "start": (("SHUTOFF",), "ACTIVE", "active", RUNNING, "powering-on", "power_on"),
    "stop": (("ACTIVE", "ERROR"), "SHUTOFF", "stopped", SHUTDOWN, "powering-off", "power_off"),
    "reboot": (("ACTIVE",), "ACTIVE", "active", RUNNING, "rebooting", "reboot"),
    "hard_reboot": (
        ("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR"),
        *("ACTIVE", "active", RUNNING, "rebooting_hard", "reboot"),
    ),
    "suspend": (("ACTIVE",), "SUSPENDED", "suspended", SUSPENDED, "suspending", "suspend"),
    "resume": (("SUSPENDED",), "ACTIVE", "active", RUNNING, "resuming", "resume"),
    "pause": (("ACTIVE",), "PAUSED", "paused", PAUSED, "pausing", "pause"),
    "unpause": (("PAUSED",), "ACTIVE", "active", RUNNING, "unpausing", "unpause"),
}
_ACTION_PAYLOAD = ("InstanceActionPayload", "1.8")
_CREATE_PAYLOAD = ("InstanceCreatePayload", "1.12")
_UPDATE_PAYLOAD = ("InstanceUpdatePayload", "2.0")
_VOLUME_PAYLOAD = ("InstanceActionVolumePayload", "1.6")


class Servers:
    """All servers of the cloud, and nova's smaller things around them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.servers: dict[str, Server] = {}
        self.keypairs: dict[str, Keypair] = {}
        self.aggregates: dict[int, Aggregate] = {}
        self.groups: dict[str, ServerGroup] = {}
        self._number = 0

    def get(self, server_id: str) -> Server:
        """A server by id. Raises ``Missing`` where there is none."""
        server = self.servers.get(server_id)
        if server is None:
            raise Missing(f"Instance {server_id} could not be found.", "server", server_id)
        return server

    def named(self, name: str) -> Server:
        """The first server of that name. Raises ``Missing`` where there is none."""
        found = next((server for server in self.servers.values() if server.name == name), None)
        return found or self.get(name)

    def create(
        self,
        name: str,
        *,
        actor: Actor | None = None,
        flavor: str = "small",
        image: str = "debian-12",
        network: str = "private",
        key_name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Server:
        """Make a server and start it. Flavor, image and network are given by id or name.

        Raises ``BadRequest`` for a flavor, image or network that is not there.
        """
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            size, disk = self._flavor(flavor), self._image(image)
            net = world.networks.find(network)
            now = world.now()
            self._number += 1
            reservation = f"r-{world.hex_id()[:8]}"
            server = Server(
                world.uuid(),
                self._number,
                name,
                actor.project.id,
                actor.user.id,
                size,
                disk,
                now,
                now,
                reservation,
            )
            server.key_name, server.metadata = key_name, dict(metadata or {})
            self.servers[server.id] = server
            self.updated(server, actor, "building", "scheduling")
            host = self.schedule(size)
            self.emit(server, actor, "create.start", "create.start", form=_CREATE_PAYLOAD, host=host)
            server.host = host
            world.networks.plug(server, net, actor)
            server.launched_at = world.now()
            self.settle(server, actor, "ACTIVE", "active", RUNNING)
            more = {"message": "Success"}
            self.emit(server, actor, "create.end", "create.end", form=_CREATE_PAYLOAD, free=more)
            return server

    def act(self, server_id: str, action: str, actor: Actor | None = None) -> Server:
        """Start, stop, reboot (softly or hard), suspend, resume, pause or unpause a server.

        Raises ``Missing`` and ``Conflict``, as nova does; ``KeyError`` for an unknown action.
        """
        with self.world.lock:
            actor = actor or self.world.actor()
            server = self.get(server_id)
            needs, status, state, power, task, name = _SIMPLE[action]
            self.allow(server, actor, action.removeprefix("hard_"), needs)
            self.begin(server, actor, task)
            self.emit(server, actor, f"{name}.start", f"{name}.start")
            self.settle(server, actor, status, state, power)
            self.emit(server, actor, f"{name}.end", f"{name}.end")
            return server

    def allow(self, server: Server, actor: Actor, action: str, statuses: tuple[str, ...]) -> None:
        """Note that somebody asks for an action. Raises ``Conflict`` for a server that is locked, busy or not so."""
        if server.locked and "admin" not in actor.user.roles.get(actor.project.id, ()):
            raise Conflict(f"Instance {server.id} is locked", "server")
        for field, stands, fits in (
            ("vm_state", server.vm_state, server.status in statuses),
            ("task_state", server.task_state, server.task_state is None),
        ):
            if not fits:
                raise Conflict(f"Cannot '{action}' instance {server.id} while it is in {field} {stands}", "server")
        server.deeds.append(Deed(action, actor, self.world.now()))

    def resize(self, server_id: str, flavor: str, actor: Actor | None = None) -> Server:
        """Give a server another flavor; it then waits in ``VERIFY_RESIZE`` to be confirmed."""
        with self.world.lock:
            actor = actor or self.world.actor()
            server, size = self.get(server_id), self._flavor(flavor)
            if size.id == server.flavor.id:
                raise BadRequest("When resizing, instances must change flavor!")
            self.allow(server, actor, "resize", ("ACTIVE", "SHUTOFF"))
            return self.finish_later(server, actor, size, self.schedule(size))

    def finish_later(self, server: Server, actor: Actor, size: Flavor, host: str) -> Server:
        """Stop a server, move it to another host or size, and have it wait there to be confirmed."""
        with self.world.lock:
            self.begin(server, actor, "resize_prep")
            for free_name, versioned_name in (("resize.prep", "resize_prep"), ("resize", "resize")):
                self.emit(server, actor, f"{free_name}.start", f"{versioned_name}.start")
                self.emit(server, actor, f"{free_name}.end", f"{versioned_name}.end")
            self.emit(server, actor, "finish_resize.start", "resize_finish.start")
            server.old_flavor, server.flavor = server.flavor, size
            server.host = host
            self.settle(server, actor, "VERIFY_RESIZE", "resized", server.power_state)
            self.emit(server, actor, "finish_resize.end", "resize_finish.end")
            return server

    def confirm_resize(self, server_id: str, actor: Actor | None = None) -> Server:
        """Keep the new flavor. Raises ``BadRequest`` where nothing waits to be confirmed."""
        with self.world.lock:
            actor = actor or self.world.actor()
            server = self.get(server_id)
            if server.status != "VERIFY_RESIZE":
                raise BadRequest("Instance has not been resized.")
            self.emit(server, actor, "resize.confirm.start", "resize_confirm.start")
            server.old_flavor = None
            running = server.power_state == RUNNING
            state = ("ACTIVE", "active") if running else ("SHUTOFF", "stopped")
            self.settle(server, actor, *state, server.power_state)
            self.emit(server, actor, "resize.confirm.end", "resize_confirm.end")
            return server

    def delete(self, server_id: str, actor: Actor | None = None) -> None:
        """Delete a server with its ports; its volumes are detached and stay."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            server = self.get(server_id)
            self.begin(server, actor, "deleting")
            self.emit(server, actor, "delete.start", "delete.start")
            self.emit(server, actor, "shutdown.start", "shutdown.start")
            for volume_id in list(server.volumes):
                world.volumes.detach(volume_id, actor=actor, told=False)
            for port_id in list(server.ports):
                world.networks.delete_port(port_id, actor)
            server.power_state = PENDING
            self.emit(server, actor, "shutdown.end", "shutdown.end")
            server.deleted_at = world.now()
            self.settle(server, actor, "DELETED", "deleted", PENDING)
            self.emit(server, actor, "delete.end", "delete.end")
            del self.servers[server.id]

    def attached(self, server: Server, volume_id: str, actor: Actor, verb: str) -> None:
        """Tell that a volume was attached or detached; ``verb`` is ``attach`` or ``detach``."""
        more, form = {"volume_id": volume_id}, _VOLUME_PAYLOAD
        self.emit(server, actor, None, f"volume_{verb}.start", form=form, data=more)
        self.emit(server, actor, f"volume.{verb}", f"volume_{verb}.end", form=form, free=more, data=more)

    def _flavor(self, key: str) -> Flavor:
        for flavor in self.world.flavors.values():
            if key in (flavor.id, flavor.name):
                return flavor
        raise BadRequest(f"Flavor {key} could not be found.")

    def _image(self, key: str) -> Image:
        for image in self.world.images.values():
            if key in (image.id, image.name):
                return image
        raise BadRequest(f"Can not find requested image {key}")

    def schedule(self, flavor: Flavor, without: str | None = None) -> str:
        """The emptiest host that works, other than ``without``. Raises ``BadRequest`` where there is none."""
        hosts = [host for host in self.world.hypervisors.values() if host.enabled and host.up and host.name != without]
        if not hosts:
            raise BadRequest("No valid host was found. There are not enough hosts available.")
        return min(hosts, key=lambda host: (sum(s.flavor.vcpus for s in self.on(host.name)), host.name)).name

    def on(self, host: str) -> list[Server]:
        """The servers of a host."""
        return [server for server in self.servers.values() if server.host == host]

    def begin(self, server: Server, actor: Actor, task: str) -> None:
        """Put a server into a task state."""
        old, server.task_state = server.task_state, task
        self.updated(server, actor, server.vm_state, old)

    def settle(self, server: Server, actor: Actor, status: str, state: str, power: int) -> None:
        """End the task: the server stands in this status, state and power."""
        old_state, old_task = server.vm_state, server.task_state
        server.status, server.vm_state, server.power_state, server.task_state = status, state, power, None
        self.updated(server, actor, old_state, old_task)

    def updated(self, server: Server, actor: Actor, old_state: str, old_task: str | None) -> None:
        """Tell that a server changed."""
        server.updated_at = self.world.now()
        free = {
            "old_state": old_state,
            "old_task_state": old_task,
            "new_task_state": server.task_state,
            "audit_period_beginning": server.created_at.strftime("%Y-%m-%dT%H:00:00.000000"),
            "audit_period_ending": server.updated_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        }
        data = state_update(server, old_state, old_task)
        self.emit(server, actor, "update", "update", form=_UPDATE_PAYLOAD, free=free, data=data, host="conductor")

    def emit(
        self,
        server: Server,
        actor: Actor,
        free_name: str | None,
        versioned_name: str,
        *,
        form: tuple[str, str] = _ACTION_PAYLOAD,
        free: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        host: str | None = None,
    ) -> None:
        """Publish one fact in the payload kinds that nova is set to."""
        world, host = self.world, host or server.host or "control1"
        binary, place = ("conductor", "control1") if host == "conductor" else ("compute", host)
        if free_name and world.nova_format != "versioned":
            payload = free_form(world, server) | (free or {})
            world.publish(actor, "nova", f"compute.instance.{free_name}", f"{binary}.{place}", payload)
        if world.nova_format != "unversioned":
            extra = dict(data or {})
            if form is not _UPDATE_PAYLOAD:
                extra["fault"] = None
            if form is _CREATE_PAYLOAD:
                extra |= {"keypairs": [], "tags": list(server.tags), "trusted_image_certificates": None}
                extra["instance_name"] = f"instance-{server.number:08x}"
            payload = nova_object(*form, versioned_data(world, server, actor) | extra)
            publisher = f"nova-{binary}:{place}"
            topic = "versioned_notifications"
            world.publish(actor, "nova", f"instance.{versioned_name}", publisher, payload, topic=topic)
