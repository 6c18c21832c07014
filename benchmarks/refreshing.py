"""What following a cloud costs: reads in storms, a random walk beside full refreshes, and the memory of a list."""

from __future__ import annotations

import logging
import tempfile
import threading
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import structlog

from examples.cloud.notices import Notice
from examples.cloud.world import World
from tasks.conveyor.wanted import FULL
from tasks.ledger import migrate
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Reading
from tasks.refresh import targets
from tasks.refresh.lists import ListRead
from tasks.refresh.refresher import refresh
from tests.ground import all_the_way, caught, installed, provider
from tests.refresh_ground import wish
from tests.walk_ground import Walked, notification, walking

#: Events that arrive together, and how many of them a second.
BURST, A_SECOND = 20, 200
#: Servers that one network has addresses for.
A_NETWORK = 200


@dataclass(frozen=True, slots=True)
class Storm:
    """Requests to the cloud's API in a storm, and its events."""

    objects: int
    events: int
    requests: int

    @property
    def per_thousand(self) -> float:
        """Requests for a thousand events."""
        return 1000 * self.requests / self.events


@dataclass(frozen=True, slots=True)
class Comparison:
    """A random walk: what following it cost, what a full refresh costs, and how far inventory was from the cloud."""

    lost: float
    operations: int
    events: int
    requests: int
    full: int
    astray: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Memory:
    """The most that Python held while a list of so many objects was read, in MB."""

    objects: int
    peak: float


@contextmanager
def _ledger() -> Iterator[tuple[Ledger, Path]]:
    """A ledger in a file, and a folder; both are gone afterwards. Nothing but errors is logged."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="catchment-bench-") as name:
        ledger = Ledger(f"sqlite:///{Path(name) / 'ledger.db'}")
        migrate.upgrade(ledger)
        try:
            yield ledger, Path(name)
        finally:
            ledger.close()


def storm(objects: int, events: int) -> Storm:
    """So many events on so many servers, 200 a second; a worker reads beside those that handle them."""
    world = World(seed=7, nova_format="unversioned")
    names = [f"storm-{n}" for n in range(objects)]
    for start in range(0, objects, A_NETWORK):
        network = world.networks.create(f"storm-{start}").id
        for name in names[start : start + A_NETWORK]:
            world.servers.create(name, flavor="tiny", network=network)
    with _ledger() as (ledger, folder), walking(ledger, folder, 7, world=world, settle_seconds=0.5) as walked:
        servers = [s.id for s in world.servers.servers.values() if s.name.startswith("storm-")]
        before, over = walked.requests(), threading.Event()
        reading = threading.Thread(target=_read_on, args=(walked, over))
        reading.start()
        sent: list[Notice] = []
        while len(sent) < events:
            world.servers.act(servers[len(sent) % objects], "reboot")
            sent += walked.sent
            walked.sent.clear()
        for first in range(0, events, BURST):
            _arrive(walked, sent[first : min(first + BURST, events)], over)
        over.set()
        reading.join()
        walked.read()
        return Storm(objects, events, walked.requests() - before)


def _arrive(walked: Walked, notices: list[Notice], over: threading.Event) -> None:
    caught(walked.present, walked.lab, *map(notification, notices))
    all_the_way(walked.present)
    over.wait(len(notices) / A_SECOND)


def _read_on(walked: Walked, over: threading.Event) -> None:
    while not over.wait(0.1):
        refresh(walked.present)


def walk(operations: int, lost: float) -> Comparison:
    """A random walk, its events doubled, late, out of order, and some of them lost."""
    with _ledger() as (ledger, folder), walking(ledger, folder, 11, lost=lost) as walked:
        before = walked.requests()
        walked.go(operations)
        requests, astray = walked.requests() - before, walked.wrong().total()
        full = walked.full()
        return Comparison(lost, operations, walked.events, requests, full, astray, walked.wrong().total())


class _Endless:
    """A reader that makes objects as they are asked for and keeps none."""

    kinds: ClassVar[tuple[str, ...]] = ("server",)

    def __init__(self, objects: int) -> None:
        self._objects = objects

    def read(self, ref: ObjectRef) -> Reading:
        raise NotImplementedError

    def read_all(self, kind: str) -> Iterator[Reading]:
        for number in range(self._objects):
            attributes = {f"attribute_{n}": f"{number} " * 20 for n in range(20)}
            yield Reading(ObjectRef(kind, f"{number:08}"), f"name {number}", "red", attributes)

    def close(self) -> None:
        return


def memory(objects: int) -> Memory:
    """A list of so many objects, read into an empty inventory and then once more."""
    with _ledger() as (ledger, _):
        present, lab = installed(ledger), provider(ledger, ready=False)
        peak = 0.0
        for _ in range(2):
            wish(present, lab, FULL)
            with ledger.transaction() as session:
                settings = present.site.settings.refresh
                taken = targets.take_this(session, "bench", settings, clock.now(), lab, FULL)
            assert taken is not None
            tracemalloc.start()
            ListRead(present, _Endless(objects), taken, "bench", lambda _lanes: None).run()
            peak = max(peak, tracemalloc.get_traced_memory()[1] / 1e6)
            tracemalloc.stop()
        return Memory(objects, peak)
