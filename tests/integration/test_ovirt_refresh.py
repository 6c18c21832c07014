"""An oVirt inventory in the ledger, events of the engine that have objects read again, a policy that acts on a VM."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from examples.ovirt.running import Engine
from examples.ovirt.world import World
from tasks.catch.ingest import Ingest
from tasks.conveyor.advance import backoff
from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL
from tasks.effects import run as effects
from tasks.effects.table import actions
from tasks.ledger.effects import Effect, EffectTry
from tasks.ledger.inventory import InventoryObject, RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model.event import ObjectRef
from tasks.providers.ovirt.converter import OvirtConverter
from tasks.providers.ovirt.event_monitor import EventLogMonitor
from tasks.refresh.refresher import refresh
from tests.engine_ground import NOTHING, lab
from tests.ground import START, Clock, all_the_way, installed, site
from tests.refresh_ground import known, target, wish

CURFEW = "policies:\n- {name: curfew, target: server, on: [vm_start], then: [stop_server]}\n"


@pytest.fixture
def engine(hands: Clock) -> Iterator[Engine]:
    with Engine(World(seed=13, clock=lambda: hands.now)) as running:
        yield running


class Way:
    """An installation that watches the engine."""

    def __init__(self, ledger: Ledger, engine: Engine, **rules: str) -> None:
        self.config = lab(engine, event_skip_history=False)
        self.ledger, self.engine = ledger, engine
        present = site(providers=[self.config], refresh={"settle_seconds": 0}, actions={"destructive": True}, **rules)
        self.present: Installation = installed(ledger, present)
        with ledger.transaction() as session:
            row = Provider(name="lab", kind="ovirt", added_at=START)
            session.add(row)
            session.flush()
            self.id = row.id

    def full(self) -> bool:
        """Have everything read."""
        wish(self.present, self.id, FULL)
        return refresh(self.present)

    def hears(self) -> None:
        """Read the engine's log with its monitor, and take the events all the way."""
        ignore = frozenset(self.config.options.ignore)
        ingest = Ingest(self.ledger, self.present.site.settings, "lab", self.id, OvirtConverter(), ignore)
        monitor = EventLogMonitor(self.config)
        monitor.start(None)
        for batch in monitor.batches(wait=0, limit=500):
            ingest.store(batch.notifications, batch.cursor, "events")
        monitor.stop()
        all_the_way(self.present)

    def tries(self) -> tuple[str, list[str | None]]:
        """Try the one effect; its state, and the summary of every try so far."""
        with self.ledger.reading() as session:
            effect = session.scalars(select(Effect)).one()
        effects.run(self.present, [effect.id], actions(), backoff)
        with self.ledger.reading() as session:
            rows = session.scalars(select(EffectTry.summary).order_by(EffectTry.attempt)).all()
            return session.scalars(select(Effect.state)).one(), list(rows)


def server(engine: Engine, name: str = "web-1") -> ObjectRef:
    return ObjectRef("server", engine.world.vm(name).id)


def test_full_refresh_brings_every_object_and_makes_the_provider_ready(
    ledger: Ledger, hands: Clock, engine: Engine
) -> None:
    way = Way(ledger, engine)
    assert way.full()
    world = engine.world
    with ledger.reading() as session:
        found = {(row.kind, row.ref) for row in session.scalars(select(InventoryObject))}
    tables = {
        "server": world.vms.vms,
        "host": world.hosts,
        "cluster": world.clusters,
        "data_center": world.data_centers,
        "storage_domain": world.storage_domains,
        "disk": world.disks,
        "template": world.templates,
        "network": world.networks,
    }
    assert found == {(kind, key) for kind, table in tables.items() for key in table}
    row = known(ledger, server(engine))
    assert row is not None
    assert (row.name, row.attributes["status"], row.attributes["power_state"]) == ("web-1", "up", "on")


def test_object_that_went_missing_is_gone_by_the_engines_word_alone(
    ledger: Ledger, hands: Clock, engine: Engine
) -> None:
    way = Way(ledger, engine)
    way.full()
    gone = server(engine, "spare-1")
    engine.world.vms.delete(gone.id)
    hands.forward(60)
    engine.faults.answer(404, path=f"/vms/{gone.id}")
    wish(way.present, way.id, FULL)
    refresh(way.present)
    refresh(way.present)
    row = known(ledger, gone)
    assert row is not None and row.state != "gone"
    assert target(ledger, gone).attempts == 1
    with ledger.transaction() as session:
        session.execute(update(RefreshTarget).values(due_at=START - timedelta(days=1)))
    refresh(way.present)
    row = known(ledger, gone)
    assert row is not None and row.state == "gone"


def test_event_of_the_engine_has_its_vm_read_again(ledger: Ledger, hands: Clock, engine: Engine) -> None:
    way = Way(ledger, engine)
    way.full()
    ref = server(engine)
    hands.forward(60)
    engine.world.vms.act(ref.id, "stop")
    hands.forward(60)
    way.hears()
    refresh(way.present)
    row = known(ledger, ref)
    assert row is not None
    assert (row.attributes["status"], row.attributes["host"]) == ("down", None)


def test_target_that_no_engine_has_is_gone(ledger: Ledger, hands: Clock, engine: Engine) -> None:
    way = Way(ledger, engine)
    ref = ObjectRef("host", NOTHING)
    wish(way.present, way.id, ref)
    refresh(way.present)
    assert target(ledger, ref).error is None


def test_policy_stops_a_vm_that_was_started(ledger: Ledger, hands: Clock, engine: Engine) -> None:
    way = Way(ledger, engine, policies=CURFEW)
    way.full()
    engine.world.audit.events.clear()
    ref = server(engine, "spare-1")
    hands.forward(60)
    engine.world.vms.act(ref.id, "start")
    hands.forward(60)
    way.hears()
    engine.faults.lose(path="/stop")
    state, said = way.tries()
    assert state != "done"
    assert engine.world.vm("spare-1").status == "down"
    hands.forward(3600)
    state, said = way.tries()
    assert (state, said[-1]) == ("done", f"{ref} was stopped already")
    assert engine.world.vm("spare-1").deeds.count("stop") == 1
