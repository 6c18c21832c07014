"""Jobs in real processes: two hosts on one machine, discovery on the right one, a job that waits, an agent dying."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger import job_lists, migrate
from tasks.ledger.facts import FactRef, subjects
from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent
from tests.conftest import POSTGRESQL, made_database
from tests.job_ground import CONTEXT, archive, schedule, trigger
from workers.embedded import executable
from workers.installation import load_settings, open_ledger
from workers.processes import Processes, procfile

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TOML = """
[agent]
interval_seconds = 0.5
grace_seconds = 5
settle_seconds = 0.5

[jobs]
lease_seconds = 3
"""
LISTENER = """\
from tasks.jobs.api import Job


class Listener(Job):
    def job_started_event(self):
        self.kept["n"] = 0
        self.subscribeToEvent("alarm", self.alarm_event)

    def alarm_event(self, context):
        self.kept["n"] += 1
        self.log(f"{self.kept['n']}: {context}")
        if self.kept["n"] == 3:
            self.finish(self.kept["n"])
"""
SLEEPER = """\
import time
from tasks.jobs.api import Job


class Sleeper(Job):
    def job_started_event(self):
        self.log("sleeping")
        time.sleep(6)
        self.finish(self.agent)
"""


class Stand:
    """A site, its ledger, and the processes of two hosts that share them."""

    def __init__(self, root: Path, database: str) -> None:
        site = root / "site"
        (site / "jobs").mkdir(parents=True)
        (site / "catchment.toml").write_text(f'database = "{database}"\n{TOML}')
        (site / "jobs" / "listener.job").write_bytes(archive("listener", LISTENER))
        (site / "jobs" / "sleeper.job").write_bytes(archive("sleeper", SLEEPER, CONTEXT))
        (site / "jobs" / "a.trig").write_bytes(trigger("alarm", '<event name="alarm" external="true"/>'))
        (site / "jobs" / "s.sched").write_bytes(schedule("tick", "sleeper", "t", active="false"))
        (site / "jobs" / "t.trig").write_bytes(trigger("t", '<time startin="1s"/>'))
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CATCHMENT_")}
        self.environment = {**clean, "CATCHMENT_SITE": str(site)}
        self.ledger: Ledger = open_ledger(load_settings(site), site)
        migrate.upgrade(self.ledger)
        self.hosts: dict[str, Processes] = {
            name: Processes(root / "logs" / name, {**self.environment, "CATCHMENT_AGENT__NAME": name})
            for name in ("one", "two")
        }
        for role in ("broker", "beat", "catch", "stages"):
            self.start("one", role)

    def start(self, host: str, role: str) -> None:
        """Start a line of the Procfile as on that host."""
        command = [part.replace("@%h", f"@{host}") for part in procfile()[role]]
        self.hosts[host].start(role, command)

    def catchment(self, *arguments: str) -> Any:
        """Run a command, and read its JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "workers.cli.main", *arguments],
            env=self.environment, cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    def runs(self, **narrowed: Any) -> list[job_lists.RunLine]:
        """The runs, the newest first."""
        with self.ledger.reading() as session:
            return job_lists.runs(session, **narrowed)

    def until(self, wanted: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until it is so."""
        end = time.monotonic() + seconds
        while not wanted():
            died = {host: processes.ended() for host, processes in self.hosts.items()}
            assert time.monotonic() < end, (self.runs(), died)
            time.sleep(0.2)

    def fact(self, host: str, name: str) -> Any:
        """A fact of a host."""
        ref = FactRef("resource", host)
        with self.ledger.reading() as session:
            found = subjects(session, refs={ref}).get(ref)
        value = found.facts.get(f"resource.{name}") if found else None
        return value.value if value else None

    def close(self) -> None:
        """Stop everything."""
        for processes in self.hosts.values():
            processes.stop(patience=30)
        self.ledger.close()


@pytest.fixture(params=["sqlite", POSTGRESQL])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    try:
        executable()
    except Permanent as lacking:
        pytest.skip(str(lacking))
    if request.param == "sqlite":
        made = Stand(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}")
        yield made
        made.close()
        return
    with made_database() as url:
        made = Stand(tmp_path, url)
        yield made
        made.close()


def ended(stand: Stand, job: str, count: int) -> bool:
    return [run.state for run in stand.runs(job=job)] == ["completed"] * count


def test_jobs_on_two_hosts(stand: Stand) -> None:
    for host in ("one", "two"):
        stand.start(host, "jobs")
        stand.start(host, "agent")
    # Each host comes online once, and is looked at by its own agent.
    stand.until(lambda: ended(stand, "osInfo", 2) and ended(stand, "cpuInfo", 2))
    assert sorted((run.agent, run.host) for run in stand.runs(job="osInfo")) == [("one", "one"), ("two", "two")]
    for host in ("one", "two"):
        assert stand.fact(host, "os.family") == "linux"
        assert stand.fact(host, "cpu.count") == os.cpu_count()

    # A job that waits costs nothing, and is called for each event, in order.
    stand.catchment("jobs", "run", "listener")
    stand.until(lambda: [run.state for run in stand.runs(job="listener")] == ["running"])
    for number in range(3):
        stand.catchment("jobs", "fire", "alarm", f"n={number}")
    stand.until(lambda: ended(stand, "listener", 1))
    [run] = stand.runs(job="listener")
    lines = stand.catchment("jobs", "logs", str(run.id))
    assert [line.split(" ", 2)[2] for line in lines.splitlines()] == [f"{n + 1}: {{'n': {n}}}" for n in range(3)]

    # The host that a run is on dies, and comes back: the run is done again there, and nowhere else.
    stand.catchment("jobs", "run", "sleeper", "--on", "two")
    stand.until(lambda: bool(stand.catchment("jobs", "logs", str(stand.runs(job="sleeper")[0].id))))
    jobs = stand.hosts["two"].running["jobs"]
    os.killpg(jobs.pid, signal.SIGKILL)
    jobs.wait()
    stand.start("two", "jobs")
    stand.until(lambda: ended(stand, "sleeper", 1))
    [run] = stand.runs(job="sleeper")
    assert (run.host, run.agent) == ("two", "two")

    # A schedule that an operator switches on is started by the clock, once.
    stand.catchment("jobs", "enable", "tick")
    stand.until(lambda: ended(stand, "sleeper", 2))
    assert stand.runs(job="sleeper")[0].schedule == "tick"
    states = {run.state for run in stand.runs()}
    assert states == {"completed"}
