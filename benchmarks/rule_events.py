"""What rule events cost: one sweep over a thousand objects and fifty rules, and one fact that changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import psycopg

from benchmarks.stand import POSTGRES
from tasks.conveyor.telling import set_facts
from tasks.ledger import migrate
from tasks.ledger.facts import FactRef, Write
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model import clock
from tasks.model.catalogue import AGENT, INVENTORY
from tasks.rules.definition import RuleEvent, RuleSet
from tasks.rules.evaluate import ask_changed, sweep
from tasks.rules.event_file import read_event
from tasks.site.settings import Settings

_T = TypeVar("_T")
_DATABASE = "catchment_bench_rules"
_SETTINGS = Settings(rules={"debounce_seconds": 0})  # type: ignore[arg-type]  # pydantic reads the mapping
_RULE = """<event><context><vmhost/></context><trigger><gt fact="vmhost.vm.count" value="{n}"/>
<gt fact="vmhost.resource.loadaverage" value="2"/><or><lt fact="vmhost.memory.free" value="{n}00"/>
<eq fact="vmhost.name" value="*{n}" match="glob"/></or></trigger>
<reset><lt fact="vmhost.resource.loadaverage" value=".5"/></reset></event>"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Seconds of a sweep and of its process, its evaluations; milliseconds of one change, and what that leads to."""

    sweep_seconds: list[float]
    sweep_cpu_seconds: list[float]
    evaluations: int
    change_milliseconds: list[float]
    dependent: int


def rules(number: int) -> RuleSet:
    """So many rules, each about load behind a junction and three facts of the host."""
    read = [read_event(_RULE.format(n=n).encode(), f"rule{n:03}") for n in range(number)]
    found: list[RuleEvent] = [rule for rule, _ in read if rule is not None]
    if len(found) != number:
        raise SystemExit("\n".join(str(complaint) for _, complaints in read for complaint in complaints[:3]))
    return RuleSet(found)


def fill(ledger: Ledger, objects: int, now: datetime) -> None:
    """Hosts with a dozen facts each, and the resource behind each of them."""
    for start in range(0, objects, 500):
        hosts: list[Write] = []
        agents: list[Write] = []
        for n in range(start, min(start + 500, objects)):
            host, resource = FactRef("vmhost", f"lab/h{n:04}"), FactRef("resource", f"r{n:04}")
            facts = {"name": f"h{n}", "vm.count": n % 60, "memory.free": n, "memory.total": 1000, "online": True,
                     "enabled": True, "type": "vmhost", "resource": resource.id, "cpu.count": 8}  # fmt: skip
            hosts += [Write(host, f"vmhost.{name}", value) for name, value in facts.items()]
            agents += [Write(resource, f"resource.{name}", value) for name, value in {"loadaverage": n % 4}.items()]
        with ledger.transaction() as session:
            count = Count()
            set_facts(session, _SETTINGS, now, count, INVENTORY, hosts, whole=True)
            set_facts(session, _SETTINGS, now, count, AGENT, agents, whole=True)
            count.write(session)


def measure(kind: str, objects: int = 1000, number: int = 50, rounds: int = 5) -> Asked:
    """Sweep and change in turn on a ledger of that kind: ``postgresql`` or ``sqlite``."""
    with TemporaryDirectory() as folder:
        if kind == "sqlite":
            return _measure(Ledger(f"sqlite:///{Path(folder) / 'ledger.db'}"), objects, number, rounds)
        with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{_DATABASE}" WITH (FORCE)'.encode())
            admin.execute(f'CREATE DATABASE "{_DATABASE}"'.encode())
            try:
                return _measure(Ledger(f"{POSTGRES}/{_DATABASE}"), objects, number, rounds)
            finally:
                admin.execute(f'DROP DATABASE IF EXISTS "{_DATABASE}" WITH (FORCE)'.encode())


def _measure(ledger: Ledger, objects: int, number: int, rounds: int) -> Asked:
    migrate.upgrade(ledger)
    ruleset, now = rules(number), clock.now()
    fill(ledger, objects, now)
    sweep(ledger, _SETTINGS, ruleset, now)
    ask_changed(ledger, _SETTINGS, ruleset, now)
    sweeps: list[float] = []
    cpu: list[float] = []
    changes: list[float] = []
    evaluations = dependent = 0
    for n in range(rounds):
        moment = now + timedelta(seconds=n + 1)
        used = time.process_time()
        took, (evaluations, _) = _timed(lambda at=moment: sweep(ledger, _SETTINGS, ruleset, at))  # type: ignore[misc]  # bound at once
        sweeps.append(took)
        cpu.append(time.process_time() - used)
        with ledger.transaction() as session:
            count = Count()
            write = Write(FactRef("resource", "r0007"), "resource.loadaverage", 30 + n)
            set_facts(session, _SETTINGS, moment, count, AGENT, [write])
            count.write(session)
        took, (dependent, _) = _timed(lambda at=moment: ask_changed(ledger, _SETTINGS, ruleset, at))  # type: ignore[misc]  # as above
        changes.append(took * 1000)
    ledger.close()
    return Asked(sweeps, cpu, evaluations, changes, dependent)


def _timed(work: Callable[[], _T]) -> tuple[float, _T]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found
