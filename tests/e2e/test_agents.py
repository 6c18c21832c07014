"""Real agents on one machine under different names: who comes, goes, dies, and comes back too old."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tasks.ledger import facts, migrate
from tasks.ledger.events import Event, Notification
from tasks.ledger.facts import FactRef
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.rules import tick
from tasks.rules.definition import RuleSet
from workers.installation import load_settings, open_ledger
from workers.processes import Processes

TOML = """
[agent]
interval_seconds = 0.2
grace_seconds = 3
settle_seconds = 0.5
oldest_version = "0.0.5"
"""


class Hosts:
    """A site, its ledger, agents as processes, and a clock that ticks while somebody waits."""

    def __init__(self, root: Path) -> None:
        (root / "catchment.toml").write_text(TOML)
        self.settings = load_settings(root)
        self.ledger: Ledger = open_ledger(self.settings, root)
        migrate.upgrade(self.ledger)
        self.processes = Processes(root / "logs", {**os.environ, "CATCHMENT_SITE": str(root)})

    def start(self, name: str, version: str = "0.1.0", tag: str = "") -> None:
        command = [sys.executable, "-m", "workers.agent", "--host", name, "--version", version]
        self.processes.start(f"{name}{tag}", command)

    def told(self) -> list[tuple[str, str]]:
        with self.ledger.reading() as session:
            query = select(Notification.content).join(Event, Event.id == Notification.event_id).order_by(Event.id)
            words = [json.loads(text)["payload"] for text in session.scalars(query)]
        return [(one["name"], one["context"].get("resource", "")) for one in words]

    def until(self, wanted: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not wanted():
            assert time.monotonic() < deadline, (self.told(), self.processes.ended())
            tick.tick(self.ledger, self.settings, RuleSet(), clock.now())
            time.sleep(0.1)

    def fact(self, name: str, fact: str) -> Any:
        ref = FactRef("resource", name)
        with self.ledger.reading() as session:
            found = facts.subjects(session, refs={ref}).get(ref)
        value = found.facts.get(f"resource.{fact}") if found else None
        return value.value if value else None


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path)
    yield made
    made.processes.stop()
    made.ledger.close()


def test_agents_come_go_die_and_come_back_too_old(hosts: Hosts) -> None:
    for name in ("one", "two"):
        hosts.start(name)
    hosts.until(lambda: len(hosts.told()) >= 2)
    assert sorted(hosts.told()) == [("RESOURCE_ONLINE", "one"), ("RESOURCE_ONLINE", "two")]
    for name in ("one", "two"):
        assert hosts.fact(name, "online") is True
        assert hosts.fact(name, "cpu.count") >= 1
        assert hosts.fact(name, "loadaverage") is not None
        assert hosts.fact(name, "metrics.disk_total") > 0
        assert hosts.fact(name, "agent.version") == "0.1.0"

    assert hosts.processes.stop("one") == []
    hosts.until(lambda: len(hosts.told()) >= 3)
    assert hosts.told()[2:] == [("RESOURCE_OFFLINE", "one")]

    hosts.processes.signal("two", signal.SIGKILL)
    hosts.until(lambda: len(hosts.told()) >= 4)
    assert hosts.told()[3:] == [("RESOURCE_OFFLINE", "two")]
    assert hosts.fact("two", "online") is False

    hosts.start("two", "0.0.4", tag="-old")
    hosts.until(lambda: len(hosts.told()) >= 5)
    assert hosts.told()[4:] == [("AGENT_VERSION_MISMATCH", "two")]
    hosts.start("one", tag="-again")
    hosts.until(lambda: len(hosts.told()) >= 6)
    assert hosts.told()[5:] == [("RESOURCE_ONLINE", "one")]
    assert hosts.fact("two", "online") is False
