"""The published walk of the event system: a VM host has too much load, a job moves a machine off it, the load falls.

Everything is the real thing but the broker and the agent, which reports the load that the test decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from tasks.conveyor.advance import backoff
from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL, Wish, want
from tasks.effects import run as effects
from tasks.effects.table import actions
from tasks.jobs.agent import work
from tasks.jobs.tick import tick as job_tick
from tasks.ledger.effects import Effect
from tasks.ledger.events import Event
from tasks.ledger.facts import FactRef, Write, write
from tasks.ledger.inventory import InventoryObject
from tasks.ledger.jobs import JobInstance
from tasks.ledger.providers import Provider
from tasks.ledger.rules import RuleState
from tasks.ledger.session import Ledger
from tasks.ledger.why import why
from tasks.model.catalogue import AGENT
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.options import OpenStackOptions
from tasks.refresh import refresher
from tasks.rules.read import read as read_rules
from tasks.rules.tick import tick as rule_tick
from tasks.site.contracts import SiteContext
from tasks.site.signin import SignIn
from tests.ground import Clock, all_the_way, exact, installed, provider, site
from tests.integration.test_job_examples import site_files
from tests.job_ground import good_site
from workers.processes import SOURCE

# openstacksdk warns of its own use of what it is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")


@pytest.fixture
def cloud(hands: Clock) -> Iterator[Cloud]:
    with Cloud(World(seed=13, clock=lambda: hands.now)) as running:
        yield running


class Walk:
    """An installation with the shipped rule event and job, and a cloud that it watches."""

    def __init__(self, ledger: Ledger, hands: Clock, cloud: Cloud, folder: Path) -> None:
        (folder / "clouds.yaml").write_text(clouds_yaml(cloud.url))
        lab = ProviderConfig("lab", "openstack", OpenStackOptions(cloud="demo"), SignIn("demo", folder / "clouds.yaml"))
        made = site(providers=[lab], root=str(folder), actions={"destructive": True})
        rule = (SOURCE / "examples/rules/vmhost.event").read_bytes()
        rules, problems = read_rules({"rules/vmhost.event": rule}, SiteContext(made.settings, {}, actions()))
        assert [p for p in problems if p.severity == "error"] == []
        jobs = good_site({name: text for name, text in site_files().items() if name == "relieve.job"})
        self.ledger, self.hands, self.cloud = ledger, hands, cloud
        self.present: Installation = installed(
            ledger, replace(made, parts={**made.parts, "rules": rules, "jobs": jobs})
        )
        self.lab = provider(ledger)
        job_tick(ledger, self.present.site, hands.now)

    def read(self) -> None:
        """Bring inventory in line with the cloud."""
        with self.ledger.transaction() as session:
            want(session, [Wish(self.lab, FULL, None)], self.hands.now, settle=0)
            session.execute(update(Provider).where(Provider.id == self.lab).values(contact_at=self.hands.now))
        while refresher.refresh(self.present):
            pass

    def load(self, host: str, value: float) -> None:
        """What the agent on the host reports."""
        told: Mapping[str, Any] = {"hostname": host, "online": True, "loadaverage": value}
        writes = [Write(FactRef("resource", host), f"resource.{name}", given) for name, given in told.items()]
        with self.ledger.transaction() as session:
            write(session, self.hands.now, AGENT, writes)

    def round(self) -> None:
        """Everything that the clock and the workers do, until nothing is left to do."""
        settings, parts = self.present.site.settings, self.present.site
        self.hands.forward(61)
        with self.ledger.transaction() as session:
            session.execute(update(Provider).where(Provider.id == self.lab).values(contact_at=self.hands.now))
        rule_tick(self.ledger, settings, parts.part("rules"), self.hands.now)
        all_the_way(self.present)
        job_tick(self.ledger, self.present.site, self.hands.now)
        while work(self.present, None, "here", backoff).any:
            pass
        all_the_way(self.present)
        with self.ledger.reading() as session:
            due = session.scalars(select(Effect.id).where(Effect.state == "asked")).all()
        effects.run(self.present, due, actions(), backoff)

    def fired(self) -> int:
        with self.ledger.reading() as session:
            return len(session.scalars(select(Event.id).where(Event.raw_event_type == "CustomEvent/Rule/vmhost")).all())


def test_a_loaded_host_is_told_once_relieved_and_told_again_only_after_it_has_come_to_rest(
    ledger: Ledger, hands: Clock, cloud: Cloud, tmp_path: Path
) -> None:
    walk = Walk(ledger, hands, cloud, tmp_path)
    walk.read()
    with ledger.reading() as session:
        machines = session.scalars(select(InventoryObject).where(InventoryObject.kind == "server")).all()
        running = [m for m in machines if m.attributes.get("status") == "ACTIVE"]
    host = str(running[0].attributes["host"])
    before = {m.ref for m in running if m.attributes["host"] == host}

    walk.load(host, 1.0)
    walk.round()
    assert walk.fired() == 0

    for value in (3.0, 3.5):
        walk.load(host, value)
        walk.round()
    # Told once, though the load went on; one machine was moved.
    assert walk.fired() == 1
    with ledger.reading() as session:
        [run] = session.scalars(select(JobInstance))
        [effect] = session.scalars(select(Effect))
    assert (run.job, run.state) == ("relieve", "completed")
    assert (effect.action, effect.state, effect.error) == ("migrate_server", "done", None)
    moved = cloud.world.servers.get(str(effect.target_id))
    assert effect.target_id in before
    assert moved.host != host
    with ledger.reading() as session:
        told = why(session, effect.event_id)
    assert told is not None
    assert told.event.event_type == "request_vm_migrate"

    # Between the two bounds nothing happens; below the lower one it is armed again.
    for value in (1.0, 0.2, 3.0):
        walk.load(host, value)
        walk.round()
    assert walk.fired() == 2
    with ledger.reading() as session:
        assert session.scalars(select(RuleState)).all() != []
    exact(ledger)
