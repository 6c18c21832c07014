"""Milliseconds that the page of a timeline takes, by what it is of and how long its range is."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from benchmarks import timeline_rows
from benchmarks.report import percentile
from benchmarks.stand import POSTGRES
from tasks.ledger import migrate, tokens
from tasks.ledger.session import Ledger
from tasks.model import clock

RANGES = ("1h", "24h", "7d", "30d")
SUBJECTS = {
    "all providers": {},
    "a provider": {"provider": "north"},
    "a project": {"project": timeline_rows.project(7)},
    "an object": {"object": f"server/{timeline_rows.thing(77)}"},
}


@dataclass(frozen=True, slots=True)
class Page:
    """The page of one subject and range: milliseconds, its bytes, and the events that it counts."""

    subject: str
    last: str
    median: float
    p95: float
    size: int
    events: int

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return asdict(self)


def measure(dialect: str, stored: int, rounds: int) -> list[Page]:
    """Fill a new ledger on ``postgresql`` or ``sqlite``, have a web process serve each page ``rounds`` times."""
    with tempfile.TemporaryDirectory(prefix="catchment-bench-") as folder, _database(dialect, Path(folder)) as url:
        ledger = Ledger(url)
        migrate.upgrade(ledger)
        timeline_rows.fill(ledger, stored, clock.now())
        with ledger.transaction() as session:
            token = tokens.make(session, "bench", "view")
        ledger.close()
        with _served(Path(folder), url) as address:
            return [_page(address, token, *case, rounds) for case in _cases()]


def _cases() -> Iterator[tuple[str, str]]:
    return ((subject, last) for subject in SUBJECTS for last in RANGES)


def _page(address: str, token: str, subject: str, last: str, rounds: int) -> Page:
    query = urlencode({**SUBJECTS[subject], "last": last})
    counted = json.loads(_get(f"{address}/api/v1/timeline?{query}", token))["events"]
    waits: list[float] = []
    size = 0
    for _ in range(rounds + 1):
        began = time.perf_counter()
        size = len(_get(f"{address}/timeline?{query}", token))
        waits.append((time.perf_counter() - began) * 1000)
    # The first one warms up.
    ordered = sorted(waits[1:])
    return Page(subject, last, round(statistics.median(ordered), 1), round(percentile(ordered, 95), 1), size, counted)


def _get(address: str, token: str) -> bytes:
    asked = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        found: bytes = answer.read()
        return found


@contextmanager
def _database(dialect: str, folder: Path) -> Iterator[str]:
    if dialect == "sqlite":
        yield f"sqlite:///{folder / 'ledger.db'}"
        return
    name = f"catchment_bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield f"{POSTGRES}/{name}"
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextmanager
def _served(folder: Path, url: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "catchment.toml").write_text(f'database = "{url}"\n[web]\nport = {port}\n')
    command = [sys.executable, "-m", "workers.web", "--site", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError("the web process does not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
