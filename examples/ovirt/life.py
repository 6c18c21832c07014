"""A life of its own: every so often somebody starts, stops, moves, makes or removes a VM."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from examples.ovirt.records import Vm

if TYPE_CHECKING:
    from examples.ovirt.world import World

#: The world stays between these numbers of VMs, and a VM below this many snapshots.
FEWEST_VMS, MOST_VMS, MOST_SNAPSHOTS = 3, 12, 3
_NAMES = ("web", "db", "cache", "batch", "build", "mail")


class Life:
    """What happens when nobody asks for anything.

    The same seed on the same world does the same things in the same order. The world stays small
    however long it lives.
    """

    def __init__(self, world: World, seed: int = 7) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.steps = 0
        self._deeds: tuple[tuple[int, Callable[[], str | None]], ...] = (
            (4, self._create),
            (4, lambda: self._act("up", "stop")),
            (3, lambda: self._act("up", "shutdown")),
            (6, lambda: self._act("down", "start")),
            (2, lambda: self._act("up", "reboot")),
            (1, lambda: self._act("suspended", "start") or self._act("up", "suspend")),
            (3, self._migrate),
            (2, self._snapshot),
            (3, self._delete),
        )

    def step(self) -> str:
        """Do one thing and say what it was."""
        with self.world.lock:
            self.steps += 1
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

    def _one(self, status: str) -> Vm | None:
        found = [vm for vm in self.world.vms.vms.values() if vm.status == status]
        return self.random.choice(found) if found else None

    def _act(self, status: str, action: str) -> str | None:
        vm = self._one(status)
        if vm is None:
            return None
        self.world.vms.act(vm.id, action)
        return f"{action}: {vm.name}"

    def _create(self) -> str | None:
        if len(self.world.vms.vms) >= MOST_VMS:
            return None
        name = f"{self.random.choice(_NAMES)}-{self.steps + 100}"
        self.world.vms.create(name, template="debian-12")
        return f"create: {name}"

    def _delete(self) -> str | None:
        vm = self._one("down")
        if vm is None or len(self.world.vms.vms) <= FEWEST_VMS:
            return None
        self.world.vms.delete(vm.id)
        return f"remove: {vm.name}"

    def _migrate(self) -> str | None:
        vm = self._one("up")
        if vm is None or sum(h.cluster == vm.cluster and h.status == "up" for h in self.world.hosts.values()) < 2:
            return None
        self.world.vms.migrate(vm.id)
        return f"migrate: {vm.name}"

    def _snapshot(self) -> str | None:
        vm = self._one("up")
        if vm is None:
            return None
        old = [snapshot for snapshot in vm.snapshots if snapshot.type == "regular"]
        if len(old) >= MOST_SNAPSHOTS:
            self.world.vms.delete_snapshot(vm.id, old[0].id)
            return f"remove a snapshot: {vm.name}"
        self.world.vms.snapshot(vm.id, f"snapshot {self.steps}")
        return f"snapshot: {vm.name}"
