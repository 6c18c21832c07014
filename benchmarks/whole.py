"""Catchment from RabbitMQ to finished in PostgreSQL, in real processes, with every decision written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import amqp
import psycopg
from sqlalchemy import func, select

from tasks.ledger import migrate
from tasks.ledger.balance import balance
from tasks.ledger.events import Event, Place
from tasks.ledger.session import Ledger
from workers.processes import Processes

POSTGRES = os.environ.get("BENCH_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
BROKER = os.environ.get("BENCH_BROKER_CATCHMENT", "redis://127.0.0.1:6379/14")


@dataclass(frozen=True, slots=True)
class Result:
    """One run: provider events a second, and what was stored in all."""

    events: int
    raised: int
    seconds: float
    exact: bool
    cpu: dict[str, float]

    @property
    def rate(self) -> float:
        """Provider events a second, sent to finished."""
        return self.events / self.seconds


def measure(
    events: int, objects: int, processes: int, policies: int, *, task_events: bool = True, fuse: bool = False
) -> Result:
    """Send so many notifications and wait until the last one is finished."""
    name = f"catchment_bench_{uuid.uuid4().hex[:8]}"
    folder = Path(tempfile.mkdtemp(prefix="catchment-bench-"))
    _flush()
    with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    try:
        return _measure(folder, name, events, objects, processes, policies, task_events=task_events, fuse=fuse)
    finally:
        _clean(name)
        shutil.rmtree(folder, ignore_errors=True)


def _measure(
    folder: Path, name: str, events: int, objects: int, processes: int, policies: int, *, task_events: bool, fuse: bool
) -> Result:
    site = _site(folder, name, policies)
    environment = {
        **os.environ,
        "CATCHMENT_SITE": str(site),
        "CATCHMENT_DATABASE": f"{POSTGRES}/{name}",
        "CATCHMENT_BROKER": BROKER,
        "CATCHMENT_TASK_EVENTS": str(task_events).lower(),
        "CATCHMENT_CONVEYOR__FUSE": str(fuse).lower(),
        "CATCHMENT_LOG_LEVEL": "WARNING",
    }
    ledger = Ledger(f"{POSTGRES}/{name}")
    migrate.upgrade(ledger)
    running = Processes(folder / "logs", environment)
    worker = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "workers.app",
        "worker",
        "--without-gossip",
        "--without-mingle",
        "--loglevel",
        "WARNING",
    ]
    if not task_events:
        environment["CATCHMENT_TASK_EVENTS"] = "false"
    try:
        running.start(
            "stages",
            [*worker, "-n", "stages@%h", "-Q", "convert,switchboard,policy,alert,refresh", "-c", str(processes)],
        )
        running.start("control", [*worker, "-n", "control@%h", "-Q", "control", "-c", "1"])
        running.start("beat", [sys.executable, "-m", "celery", "-A", "workers.app", "beat", "--loglevel", "WARNING"])
        running.start("listener", [sys.executable, "-m", "workers.listener"])
        _listening(name, running)
        before = _cpu(running)
        began = time.monotonic()
        # A process of its own, started and not forked: the connections of this one are none of its business.
        sender = subprocess.Popen([sys.executable, "-m", "benchmarks.notifications", name, str(events), str(objects)])
        _finished(ledger, events, running)
        seconds = time.monotonic() - began
        cpu = {key: round((value - before.get(key, 0.0)) / events * 1e6, 1) for key, value in _cpu(running).items()}
        sender.wait()
        with ledger.reading() as session:
            lines = balance(session)
            raised = session.scalar(select(func.count()).select_from(Event).where(Event.raised)) or 0
        return Result(events, raised, seconds, all(line.exact for line in lines), cpu)
    finally:
        running.stop()
        ledger.close()


def _site(folder: Path, name: str, policies: int) -> Path:
    site = folder / "site"
    (site / "policies").mkdir(parents=True)
    (site / "catchment.toml").write_text("")
    provider = {
        "name": "bench",
        "type": "openstack",
        "monitor": "amqp",
        "inventory": "none",
        "amqp": {
            "urls": ["amqp://guest:guest@127.0.0.1:5672"],
            "queue": name,
            "exchanges": {name: ["notifications.*"]},
        },
    }
    (site / "providers.yaml").write_text(json.dumps({"providers": [provider]}))
    applying = [_policy(f"applies-{i}", ["vm_poweroff", "vm_start"], "p2") for i in range(min(5, policies))]
    others = [_policy(f"other-{i}", ["vm_suspend"], "p1") for i in range(max(0, policies - 5))]
    (site / "policies" / "bench.yaml").write_text(json.dumps({"policies": applying + others}))
    return site


def _policy(name: str, events: list[str], tenant: str) -> dict[str, object]:
    return {
        "name": name,
        "target": "server",
        "on": events,
        "when": {"field": "event.tenant_id", "is": tenant},
        "then": [{"log": {"message": "never"}}],
    }


def _listening(queue: str, running: Processes) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if running.ended():
            raise SystemExit(f"a process ended: {running.ended()}; see {running.logs}")
        try:
            with amqp.Connection("127.0.0.1:5672") as connection:
                if connection.channel().queue_declare(queue, passive=True).consumer_count:
                    time.sleep(4)
                    return
        except amqp.exceptions.NotFound:
            pass
        time.sleep(0.3)
    raise SystemExit(f"the listener did not start; see {running.logs}")


def _finished(ledger: Ledger, events: int, running: Processes) -> None:
    stored = 0
    while True:
        with ledger.reading() as session:
            pending = session.scalar(select(Place.event_id).limit(1))
            if pending is None:
                stored = session.scalar(select(func.count()).select_from(Event).where(~Event.raised)) or 0
        if pending is None and stored >= events:
            return
        if running.ended():
            raise SystemExit(f"a process ended: {running.ended()}")
        time.sleep(0.1)


def _cpu(running: Processes) -> dict[str, float]:
    """CPU seconds of each process with its children, and of the servers."""
    import psutil

    used: dict[str, float] = {}
    named = {process.pid: name for name, process in running.running.items()}
    for process in psutil.process_iter(["pid", "name", "cpu_times"]):
        times = process.info["cpu_times"]
        if times is None:
            continue
        name = named.get(process.info["pid"])
        if name is None:
            try:
                name = next((named[p.pid] for p in process.parents() if p.pid in named), None)
            except psutil.NoSuchProcess:
                continue
        if name is None and process.info["name"] in {"postgres", "redis-server", "beam.smp"}:
            name = {"beam.smp": "rabbitmq", "redis-server": "redis"}.get(process.info["name"], process.info["name"])
        if name is not None:
            used[name] = used.get(name, 0.0) + times.user + times.system
    return used


def _flush() -> None:
    import redis

    redis.Redis.from_url(BROKER).flushdb()


def _clean(name: str) -> None:
    with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    with amqp.Connection("127.0.0.1:5672") as connection:
        channel = connection.channel()
        channel.queue_delete(name)
        channel.exchange_delete(name)
