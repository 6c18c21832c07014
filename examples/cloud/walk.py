"""A random walk through a cloud: whatever can be done is done, and its events arrive as events do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from examples.cloud.image_store import add, remove
from examples.cloud.notices import Notice
from examples.cloud.refusals import Refusal
from examples.cloud.world import World

T = TypeVar("T")

#: Things of one kind that the walk keeps at the most, so that the cloud stays small however long it goes.
MOST = 25


class Walk:
    """Operations of all services, chosen by a seed: the same one on the same world does the same."""

    def __init__(self, world: World, seed: int = 7) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.steps = 0
        self._deeds: tuple[Callable[[], object], ...] = (
            *(self._server, self._server, self._act, self._act, self._act, self._act, self._resize, self._migrate),
            *(self._shelve, self._snapshot_server, self._tag, self._delete_server, self._delete_server),
            *(self._volume, self._attach, self._attach, self._detach, self._delete_volume),
            *(self._snapshot, self._delete_snapshot, self._backup, self._delete_backup),
            *(self._network, self._delete_network, self._port, self._delete_port),
            *(self._image, self._delete_image, self._keypair, self._delete_keypair),
            *(self._aggregate, self._host_in, self._host_out, self._delete_aggregate),
            *(self._group, self._member, self._delete_group, self._stack, self._more_stack, self._delete_stack),
            *(self._project, self._describe_project, self._delete_project, self._user, self._delete_user),
        )

    def step(self) -> str:
        """Do one thing that the cloud allows, and say what it was."""
        with self.world.lock:
            self.steps += 1
            while True:
                deed = self.random.choice(self._deeds)
                try:
                    if deed() is not None:
                        return deed.__name__.strip("_")
                except Refusal:
                    continue  # the cloud does not allow it as things stand

    def _name(self, word: str) -> str:
        return f"{word}-{self.steps}"

    def _one(self, things: Iterable[T]) -> T | None:
        found = list(things)
        return self.random.choice(found) if found else None

    def _room(self, things: Any) -> bool:
        return len(things) < MOST

    def _with(self, things: Iterable[T], deed: Callable[[T], object]) -> object:
        one = self._one(things)
        return None if one is None else (deed(one), one)

    def _server(self) -> object:
        servers = self.world.servers
        return servers.create(self._name("walk"), flavor="tiny") if self._room(servers.servers) else None

    def _act(self) -> object:
        word = self.random.choice(("start", "stop", "reboot", "hard_reboot", "suspend", "resume", "pause", "unpause"))
        return self._with(self.world.servers.servers.values(), lambda s: self.world.servers.act(s.id, word))

    def _resize(self) -> object:
        flavor = self.random.choice(list(self.world.flavors.values())).id

        def deed(server: Any) -> object:
            if server.status == "VERIFY_RESIZE":
                return self.world.servers.confirm_resize(server.id)
            return self.world.servers.resize(server.id, flavor)

        return self._with(self.world.servers.servers.values(), deed)

    def _migrate(self) -> object:
        live = [s for s in self.world.servers.servers.values() if s.status == "ACTIVE"]
        return self._with(live, lambda s: self.world.moves.live_migrate(s.id))

    def _shelve(self) -> object:
        def deed(server: Any) -> object:
            moves = self.world.moves
            return moves.unshelve(server.id) if server.status.startswith("SHELVED") else moves.shelve(server.id)

        return self._with(self.world.servers.servers.values(), deed)

    def _snapshot_server(self) -> object:
        if not self._room(self.world.images):
            return None
        servers = self.world.servers.servers.values()
        return self._with(servers, lambda s: self.world.moves.snapshot(s.id, self._name("image")))

    def _tag(self) -> object:
        servers, actor = self.world.servers.servers.values(), self.world.actor()
        return self._with(servers, lambda s: self.world.moves.tag(s.id, self._name("tag"), actor))

    def _delete_server(self) -> object:
        return self._with(self.world.servers.servers, lambda key: self.world.servers.delete(key))

    def _volume(self) -> object:
        volumes = self.world.volumes
        return volumes.create(self._name("disk"), size=self.steps % 50 + 1) if self._room(volumes.volumes) else None

    def _attach(self) -> object:
        server = self._one(self.world.servers.servers)
        free = [v.id for v in self.world.volumes.volumes.values() if v.status == "available"]
        return self._with(free, lambda key: self.world.volumes.attach(key, server)) if server else None

    def _detach(self) -> object:
        used = [v.id for v in self.world.volumes.volumes.values() if v.attachments]
        return self._with(used, lambda key: self.world.volumes.detach(key))

    def _delete_volume(self) -> object:
        return self._with(self.world.volumes.volumes, lambda key: self.world.volumes.delete(key))

    def _snapshot(self) -> object:
        if not self._room(self.world.volumes.snapshots):
            return None
        return self._with(self.world.volumes.volumes, lambda key: self.world.volumes.snapshot(key, self._name("snap")))

    def _delete_snapshot(self) -> object:
        return self._with(self.world.volumes.snapshots, lambda key: self.world.volumes.delete_snapshot(key))

    def _backup(self) -> object:
        if not self._room(self.world.backups.backups):
            return None
        return self._with(self.world.volumes.volumes, lambda key: self.world.backups.create(key, self._name("backup")))

    def _delete_backup(self) -> object:
        return self._with(self.world.backups.backups, lambda key: self.world.backups.delete(key))

    def _network(self) -> object:
        networks = self.world.networks
        return networks.create(self._name("net")) if self._room(networks.networks) else None

    def _delete_network(self) -> object:
        walked = [n.id for n in self.world.networks.networks.values() if n.name.startswith("net-")]
        return self._with(walked, lambda key: self.world.networks.delete(key))

    def _port(self) -> object:
        networks = self.world.networks
        inner = [n for n in networks.networks.values() if not n.external]
        return self._with(inner, networks.create_port) if len(networks.ports) < 3 * MOST else None

    def _delete_port(self) -> object:
        free = [p.id for p in self.world.networks.ports.values() if not p.device_id]
        return self._with(free, lambda key: self.world.networks.delete_port(key))

    def _image(self) -> object:
        world = self.world
        return add(world, self._name("image"), world.actor(), 2**30, {}) if self._room(world.images) else None

    def _delete_image(self) -> object:
        needed = {s.image.id for s in self.world.servers.servers.values()}
        needed |= {s.shelved_image or "" for s in self.world.servers.servers.values()}
        free = [i for i in self.world.images.values() if i.visibility == "private" and i.id not in needed]
        return self._with(free, lambda image: remove(self.world, image, self.world.actor()))

    def _keypair(self) -> object:
        if not self._room(self.world.servers.keypairs):
            return None
        return self.world.groupings.create_keypair(self._name("key"))

    def _delete_keypair(self) -> object:
        pairs = self.world.servers.keypairs.values()
        return self._with(pairs, lambda pair: self.world.groupings.delete_keypair(pair.name))

    def _aggregate(self) -> object:
        if not self._room(self.world.servers.aggregates):
            return None
        zone = {"availability_zone": self._name("zone")} if self.random.random() < 0.3 else {}
        return self.world.groupings.create_aggregate(self._name("rack"), metadata=zone)

    def _host_in(self) -> object:
        host = self.random.choice(list(self.world.hypervisors))
        return self._with(self.world.servers.aggregates, lambda key: self.world.groupings.add_host(key, host))

    def _host_out(self) -> object:
        full = [a for a in self.world.servers.aggregates.values() if a.hosts]
        return self._with(full, lambda a: self.world.groupings.remove_host(a.id, self.random.choice(a.hosts)))

    def _delete_aggregate(self) -> object:
        return self._with(self.world.servers.aggregates, lambda key: self.world.groupings.delete_aggregate(key))

    def _group(self) -> object:
        room = self._room(self.world.servers.groups)
        return self.world.groupings.create_group(self._name("group")) if room else None

    def _member(self) -> object:
        server = self._one(self.world.servers.servers)
        groups = [g for g in self.world.servers.groups.values() if server not in g.members]
        return self._with(groups, lambda g: self.world.groupings.add_member(g.id, server)) if server else None

    def _delete_group(self) -> object:
        return self._with(self.world.servers.groups, lambda key: self.world.groupings.delete_group(key))

    def _stack(self) -> object:
        if len(self.world.stacks.stacks) >= 5 or not self._room(self.world.servers.servers):
            return None
        return self.world.stacks.create(self._name("stack"), servers=1, volumes=1)

    def _more_stack(self) -> object:
        stacks = self.world.stacks.stacks if self._room(self.world.servers.servers) else ()
        return self._with(stacks, lambda key: self.world.stacks.update(key))

    def _delete_stack(self) -> object:
        # Heat leaves a stack that it cannot delete; here its volumes may have snapshots.
        kept = {s.volume_id for s in self.world.volumes.snapshots.values()}
        free = [s.id for s in self.world.stacks.stacks.values() if not kept & {key for _, key in s.resources.values()}]
        return self._with(free, lambda key: self.world.stacks.delete(key))

    def _project(self) -> object:
        return self.world.create_project(self._name("project")) if self._room(self.world.projects) else None

    def _describe_project(self) -> object:
        return self._with(
            self._walked(self.world.projects), lambda key: self.world.update_project(key, self._name("x"))
        )

    def _delete_project(self) -> object:
        return self._with(self._walked(self.world.projects), lambda key: self.world.delete_project(key))

    def _user(self) -> object:
        return self.world.create_user(self._name("user")) if self._room(self.world.users) else None

    def _delete_user(self) -> object:
        return self._with(self._walked(self.world.users), lambda key: self.world.delete_user(key))

    def _walked(self, things: Any) -> list[str]:
        return [thing.id for thing in things.values() if "-" in thing.name]


@dataclass(slots=True)
class Disorder:
    """What becomes of events on their way: some are lost, some come twice, some late, and none in order."""

    random: random.Random
    lost: float = 0.0
    doubled: float = 0.1
    late: float = 0.1

    def arriving(self, sent: list[Notice], held: list[Notice]) -> list[Notice]:
        """Those of the events that arrive now; the ones that come later are put into ``held``."""
        now, waiting = [], list(held)
        held.clear()
        for notice in sent:
            if self.random.random() < self.lost:
                continue
            waiting += [notice] * (2 if self.random.random() < self.doubled else 1)
        for notice in waiting:
            (held if self.random.random() < self.late else now).append(notice)
        self.random.shuffle(now)
        return now
