"""An installation in real processes for one measurement: its own site, database and queues, gone afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import amqp
import psutil
import psycopg
import redis
from sqlalchemy import func, select

from benchmarks import notifications
from tasks.ledger import migrate
from tasks.ledger.balance import balance
from tasks.ledger.events import Event, Place
from tasks.ledger.session import Ledger
from workers.processes import Processes

POSTGRES = os.environ.get("BENCH_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
BROKER = os.environ.get("BENCH_BROKER_CATCHMENT", "redis://127.0.0.1:6379/14")
RABBITMQ = os.environ.get("BENCH_RABBITMQ", "127.0.0.1:5672")
#: Policies of the site that apply to the events that are sent.
APPLYING = 5

_WORKER = (sys.executable, "-m", "celery", "-A", "workers.app", "worker", "--without-gossip", "--without-mingle")
_STAGES = "convert,switchboard,policy,alert,refresh"
_SERVERS = {"postgres": "postgresql", "redis-server": "redis", "beam.smp": "rabbitmq"}


@dataclass(frozen=True, slots=True)
class Setup:
    """What is measured: where the ledger lives, how many policies, how many worker processes, which settings.

    With ``effects`` one of the applying policies holds and asks for its action; else all are judged and none holds.
    ``files`` lie in the site as well. ``kind`` of provider and ``topic`` are those of the bus.
    """

    ledger: str = "postgresql"
    policies: int = 50
    processes: int = 2
    task_events: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)
    provider: Mapping[str, Any] | None = None
    action: Mapping[str, Any] = field(default_factory=lambda: {"log": {"message": "never"}})
    effects: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    kind: str = "openstack"
    topic: str = "notifications"


class Stand:
    """Use it in a ``with`` statement. ``queue`` is also the name of the exchange to publish to."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.queue = f"catchment_bench_{uuid.uuid4().hex[:8]}"
        self._folder = Path(tempfile.mkdtemp(prefix="catchment-bench-"))
        self.site = self._folder / "site"

    def __enter__(self) -> Self:
        redis.Redis.from_url(BROKER).flushdb()
        if self.setup.ledger == "sqlite":
            self.database = f"sqlite:///{self._folder / 'ledger.db'}"
        else:
            self._admin(f'CREATE DATABASE "{self.queue}"')
            self.database = f"{POSTGRES}/{self.queue}"
        self.ledger = Ledger(self.database)
        migrate.upgrade(self.ledger)
        self.running = Processes(
            self._folder / "logs",
            {
                **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
                "CATCHMENT_SITE": str(self._site()),
                "CATCHMENT_DATABASE": self.database,
                "CATCHMENT_BROKER": BROKER,
                "CATCHMENT_TASK_EVENTS": str(self.setup.task_events).lower(),
                "CATCHMENT_LOG_LEVEL": "WARNING",
                **self.setup.settings,
            },
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.running.stop()
        self.ledger.close()
        if self.setup.ledger != "sqlite":
            self._admin(f'DROP DATABASE IF EXISTS "{self.queue}" WITH (FORCE)')
        with amqp.Connection(RABBITMQ) as connection:
            channel = connection.channel()
            channel.queue_delete(self.queue)
            channel.exchange_delete(self.queue)
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self, *roles: str) -> None:
        """Start roles and wait until each of them is at its work."""
        named = {
            "stages": [*_WORKER, "-n", "stages@%h", "-Q", _STAGES, "-c", str(self.setup.processes)],
            "control": [*_WORKER, "-n", "control@%h", "-Q", "control,catch", "-c", "1"],
            "effects": [*_WORKER, "-n", "effects@%h", "-Q", "effects", "-c", "2"],
            "beat": [sys.executable, "-m", "celery", "-A", "workers.app", "beat", "--loglevel", "WARNING"],
            "listener": [sys.executable, "-m", "workers.listener"],
        }
        for role in roles:
            self.running.start(role, named[role])
        workers = {f"{role}@" for role in roles if role in {"stages", "control", "effects"}}
        self.wait(lambda: workers <= self._answering(), 60, f"no worker answers for {sorted(workers)}")
        if "listener" in roles:
            self.wait(lambda: bool(self._messages()[1]), 60, "the listener does not consume")

    def backlog(self, count: int, objects: int) -> None:
        """Have so many notifications wait in the queue: the listener stands still until :meth:`go`."""
        self.pause("listener")
        notifications.publish(self.queue, count, objects, RABBITMQ)
        self.wait(lambda: self._messages()[0] > 0 or count < 1000, 30, "the notifications do not arrive")

    def go(self) -> None:
        """Let the listener read."""
        self.resume("listener")

    def pause(self, role: str) -> None:
        """Have all processes of a role stand still."""
        os.killpg(self.running.running[role].pid, signal.SIGSTOP)

    def resume(self, role: str) -> None:
        """Let them go on."""
        os.killpg(self.running.running[role].pid, signal.SIGCONT)

    def through(self, count: int, seconds: float = 600.0) -> None:
        """Wait until so many notifications are stored and nothing is pending."""
        self.wait(lambda: self._through(count), seconds, "not all got through")

    def exact(self) -> bool:
        """Whether every line of the balance adds up."""
        with self.ledger.reading() as session:
            return all(line.exact for line in balance(session))

    def raised(self) -> int:
        """Events that were raised by the way."""
        with self.ledger.reading() as session:
            return session.scalar(select(func.count()).select_from(Event).where(Event.raised)) or 0

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far of each role with its children, and of the servers."""
        used: dict[str, float] = {}
        for name, process in self._processes():
            with suppress(psutil.NoSuchProcess):  # A child may end while it is looked at.
                times = process.cpu_times()
                used[name] = used.get(name, 0.0) + times.user + times.system
        return used

    def memory(self) -> dict[str, float]:
        """Megabytes resident of the largest process of each role."""
        used: dict[str, float] = {}
        for name, process in self._processes():
            if name in self.running.running:
                with suppress(psutil.NoSuchProcess):
                    used[name] = max(used.get(name, 0.0), process.memory_info().rss / 1e6)
        return used

    def wait(self, holds: Callable[[], bool], seconds: float, complaint: str) -> None:
        """Wait until something holds. Ends the run where it does not, or where a process died."""
        deadline = time.monotonic() + seconds
        while not holds():
            dead = self.running.ended()
            if dead or time.monotonic() > deadline:
                tails = {n: (self.running.logs / f"{n}.log").read_text()[-1000:] for n in self.running.running}
                raise SystemExit(f"{f'processes ended: {dead}' if dead else complaint}\n{json.dumps(tails, indent=1)}")
            time.sleep(0.1)

    def _through(self, count: int) -> bool:
        with self.ledger.reading() as session:
            if session.scalar(select(Place.event_id).limit(1)) is not None:
                return False
            return (session.scalar(select(func.count()).select_from(Event).where(~Event.raised)) or 0) >= count

    def _answering(self) -> set[str]:
        command = [sys.executable, "-m", "celery", "-A", "workers.app", "inspect", "ping", "--json", "-t", "2"]
        found = subprocess.run(command, env=dict(self.running.environment), capture_output=True, text=True, check=False)
        start = found.stdout.find("{")
        return {f"{name.split('@')[0]}@" for name in json.loads(found.stdout[start:])} if start >= 0 else set()

    def _messages(self) -> tuple[int, int]:
        """Messages and consumers of the queue."""
        try:
            with amqp.Connection(RABBITMQ) as connection:
                found = connection.channel().queue_declare(self.queue, passive=True)
                return found.message_count, found.consumer_count
        except amqp.exceptions.NotFound:
            return 0, 0

    def _processes(self) -> list[tuple[str, psutil.Process]]:
        named = {process.pid: name for name, process in self.running.running.items()}
        found = []
        for process in psutil.process_iter(["name"]):
            try:
                line = [process.pid, *(p.pid for p in process.parents())]
            except psutil.NoSuchProcess:
                continue
            name = next((named[pid] for pid in line if pid in named), _SERVERS.get(process.info["name"]))
            if name is not None:
                found.append((name, process))
        return found

    def _admin(self, statement: str) -> None:
        with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as connection:
            connection.execute(statement)

    def _site(self) -> Path:
        site = self.site
        (site / "policies").mkdir(parents=True)
        for name, text in self.setup.files.items():
            (site / name).parent.mkdir(exist_ok=True)
            (site / name).write_text(text)
        (site / "catchment.toml").write_text("")
        bus = {"urls": [f"amqp://guest:guest@{RABBITMQ}"], "queue": self.queue}
        bus["exchanges"] = {self.queue: [f"{self.setup.topic}.*"]}
        provider = self.setup.provider or {"type": self.setup.kind, "monitor": "amqp", "inventory": "none", "amqp": bus}
        clouds = provider.get("clouds")
        if clouds:
            (site / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))
        shown = {"name": "bench", **{k: v for k, v in provider.items() if k != "clouds"}}
        (site / "providers.yaml").write_text(json.dumps({"providers": [shown]}))
        (site / "policies" / "bench.yaml").write_text(json.dumps({"policies": self._policies()}))
        return site

    def _policies(self) -> list[dict[str, Any]]:
        few = min(APPLYING, self.setup.policies)
        mine = [_policy(f"applies-{n}", ["vm_poweroff", "vm_start"], "p2", self.setup.action) for n in range(few)]
        if self.setup.effects and mine:
            mine[0] = _policy("asks", ["vm_poweroff"], "p1", self.setup.action)
        rest = range(self.setup.policies - few)
        return mine + [_policy(f"other-{n}", ["vm_suspend"], "p1", self.setup.action) for n in rest]


def _policy(name: str, events: list[str], tenant: str, action: Mapping[str, Any]) -> dict[str, Any]:
    """A policy; where the tenant is another one, it is judged and does not hold."""
    when = {"field": "event.tenant_id", "is": tenant}
    return {"name": name, "target": "server", "on": events, "when": when, "then": [dict(action)]}
