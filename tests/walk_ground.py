"""A random walk on a simulated cloud, caught and read, and the comparison of inventory with the cloud itself."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from examples.cloud.notices import Notice
from examples.cloud.records import Hypervisor
from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.walk import Disorder, Walk
from examples.cloud.world import World
from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL
from tasks.ledger.inventory import KNOWN, InventoryObject, RefreshTarget
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.event import Notification
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.inventory import OpenStackInventory
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.session import cloud_session
from tasks.refresh.refresher import refresh
from tests.ground import all_the_way, caught, installed, provider, site
from tests.refresh_ground import wish

#: Operations between two arrivals of events.
BURST = 10

Facts = dict[str, tuple[str | None, str | None, dict[str, Any]]]


@dataclass
class Walked:
    """A cloud that is walked through, and the installation that follows it."""

    cloud: Cloud
    present: Installation
    lab: int
    walk: Walk
    disorder: Disorder
    config: ProviderConfig
    events: int = 0
    sent: list[Notice] = field(default_factory=list)
    held: list[Notice] = field(default_factory=list)

    def go(self, operations: int) -> None:
        """Do so many things, and have their events follow in bursts."""
        for number in range(1, operations + 1):
            self.walk.step()
            if number % BURST == 0:
                self._arrive()
        self.disorder.late = 0.0
        self._arrive()

    def _arrive(self) -> None:
        notices = self.disorder.arriving(self.sent, self.held)
        self.sent.clear()
        self.events += len(notices)
        if notices:
            caught(self.present, self.lab, *map(notification, notices))
        all_the_way(self.present)
        self.read()

    def read(self) -> None:
        """Read all that is owed, without waiting for anything."""
        while True:
            with self.present.ledger.transaction() as session:
                session.execute(update(RefreshTarget).values(due_at=clock.now()))
            refresh(self.present)
            with self.present.ledger.reading() as session:
                left = session.scalars(select(RefreshTarget.state).where(RefreshTarget.state != "read")).all()
            if not left or set(left) == {"dead"}:
                return

    def full(self) -> int:
        """A full refresh; returns how many requests it was."""
        before = self.requests()
        wish(self.present, self.lab, FULL)
        self.read()
        return self.requests() - before

    def requests(self) -> int:
        """Requests that the cloud has had, those for tokens and versions left out."""
        asked = self.cloud.requests
        return sum(n for what, n in asked.items() if what.startswith("GET") and what.count("/") > 3)

    def known(self) -> dict[str, Facts]:
        """What inventory says, by kind and id."""
        found: dict[str, Facts] = {kind: {} for kind in OpenStackInventory.kinds}
        with self.present.ledger.reading() as session:
            for row in session.scalars(select(InventoryObject).where(InventoryObject.state == KNOWN)):
                found[row.kind][row.ref] = (row.name, row.tenant_id, row.attributes)
        return found

    def truth(self) -> dict[str, Facts]:
        """What the cloud says, by kind and id."""
        reader = OpenStackInventory(self.config)
        racks = self.cloud.world.servers.aggregates.values()
        found: dict[str, Facts] = {}
        for kind in reader.kinds:
            found[kind] = {}
            for reading in reader.read_all(kind):
                facts = dict(reading.attributes)
                if "aggregates" in facts:
                    host = reading.ref.id if kind == "host" else facts["host"]
                    facts["aggregates"] = sorted(rack.name for rack in racks if host in rack.hosts)
                found[kind][reading.ref.id] = (reading.name, reading.tenant_id, facts)
        reader.close()
        return found

    def wrong(self) -> Counter[str]:
        """By kind, the objects that inventory knows otherwise than the cloud, or alone, or not."""
        known, truth = self.known(), self.truth()
        wrong: Counter[str] = Counter()
        for kind, objects in truth.items():
            refs = {*objects, *known[kind]}
            wrong[kind] = sum(objects.get(ref) != known[kind].get(ref) for ref in refs)
        return +wrong


def notification(notice: Notice) -> Notification:
    """A notice as the bus delivers it."""
    return Notification(json.dumps(notice.body()), "bus")


@contextmanager
def walking(
    ledger: Ledger,
    folder: Path,
    seed: int,
    *,
    world: World | None = None,
    settle_seconds: float = 0.0,
    **disorder: float,
) -> Iterator[Walked]:
    """A walk that has not begun, its cloud known to the last object."""
    world = world or World(seed=seed)
    world.hypervisors["spare"] = Hypervisor(world.uuid(), 9, "spare", world.uuid(), "192.0.2.29", enabled=False)
    with Cloud(world) as cloud:
        path = folder / "clouds.yaml"
        path.write_text(clouds_yaml(cloud.url))
        session = cloud_session("demo", path)
        config = ProviderConfig("lab", "openstack", OpenStackOptions(), lambda: session)
        settings = {"settle_seconds": settle_seconds, "list_settle_seconds": settle_seconds}
        present = installed(ledger, site(providers=[config], refresh=settings))
        made = Walked(
            cloud,
            present,
            provider(ledger, ready=False),
            Walk(world, seed),
            Disorder(random.Random(seed), **disorder),
            config,
        )
        made.full()
        world.listeners.append(made.sent.append)
        yield made
