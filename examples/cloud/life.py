"""A life of its own: every so often somebody starts, stops, resizes, makes or deletes something."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from examples.cloud.records import Server

if TYPE_CHECKING:
    from examples.cloud.world import World

#: The world stays between these numbers of servers, and below this many volumes.
FEWEST_SERVERS, MOST_SERVERS, MOST_VOLUMES = 3, 12, 6
_NAMES = ("web", "db", "cache", "batch", "build", "mail")


class Life:
    """What happens in the cloud when nobody asks for anything.

    The same seed on the same world does the same things in the same order. The world stays small
    however long it lives.
    """

    def __init__(self, world: World, seed: int = 7) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.steps = 0
        self._deeds: tuple[tuple[int, Callable[[], str | None]], ...] = (
            (4, self._create),
            (5, self._stop),
            (5, self._start),
            (2, self._reboot),
            (3, self._resize),
            (3, self._delete),
            (1, self._suspend),
            (2, self._volume),
            (1, self._drop_volume),
        )

    def step(self) -> str:
        """Do one thing and say what it was. What was begun before (a resize) is finished first."""
        with self.world.lock:
            self.steps += 1
            for server in self._servers("VERIFY_RESIZE"):
                self.world.servers.confirm_resize(server.id)
                return f"confirmed the resize of {server.name}"
            weights = [weight for weight, _ in self._deeds]
            for _ in range(20):
                (_, deed) = self.random.choices(self._deeds, weights)[0]
                done = deed()
                if done is not None:
                    return done
            return "nothing to do"

    def run(self, pace: float, stop: threading.Event, tell: Callable[[str], None] = lambda _: None) -> None:
        """Do one thing about every ``pace`` seconds until ``stop`` is set."""
        while not stop.wait(pace * self.random.uniform(0.7, 1.3)):
            tell(self.step())

    def _servers(self, status: str) -> list[Server]:
        return [server for server in self.world.servers.servers.values() if server.status == status]

    def _one(self, status: str) -> Server | None:
        servers = self._servers(status)
        return self.random.choice(servers) if servers else None

    def _act(self, status: str, action: str, word: str) -> str | None:
        server = self._one(status)
        if server is None:
            return None
        self.world.servers.act(server.id, action)
        return f"{word} {server.name}"

    def _create(self) -> str | None:
        if len(self.world.servers.servers) >= MOST_SERVERS:
            return None
        name = f"{self.random.choice(_NAMES)}-{self.steps}"
        flavor = self.random.choice(("tiny", "small", "medium"))
        self.world.servers.create(name, flavor=flavor, metadata={"made_by": "life"})
        return f"created {name}"

    def _delete(self) -> str | None:
        servers = list(self.world.servers.servers.values())
        if len(servers) <= FEWEST_SERVERS:
            return None
        server = self.random.choice(servers)
        self.world.servers.delete(server.id)
        return f"deleted {server.name}"

    def _stop(self) -> str | None:
        return self._act("ACTIVE", "stop", "stopped")

    def _start(self) -> str | None:
        return self._act("SHUTOFF", "start", "started")

    def _reboot(self) -> str | None:
        return self._act("ACTIVE", "reboot", "rebooted")

    def _suspend(self) -> str | None:
        return self._act("SUSPENDED", "resume", "resumed") or self._act("ACTIVE", "suspend", "suspended")

    def _resize(self) -> str | None:
        server = self._one("ACTIVE")
        if server is None:
            return None
        flavor = self.random.choice([f for f in self.world.flavors.values() if f.id != server.flavor.id])
        self.world.servers.resize(server.id, flavor.id)
        return f"resized {server.name} to {flavor.name}"

    def _volume(self) -> str | None:
        server = self._one("ACTIVE")
        if server is None or len(self.world.volumes.volumes) >= MOST_VOLUMES:
            return None
        volume = self.world.volumes.create(f"data-{self.steps}", size=self.random.randint(1, 50))
        self.world.volumes.attach(volume.id, server.id)
        return f"attached {volume.name} to {server.name}"

    def _drop_volume(self) -> str | None:
        volumes = list(self.world.volumes.volumes.values())
        if not volumes:
            return None
        volume = self.random.choice(volumes)
        if volume.attachments:
            self.world.volumes.detach(volume.id)
        self.world.volumes.delete(volume.id)
        return f"deleted {volume.name}"
