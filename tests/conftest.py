"""What all tests share: servers that may be absent, a ledger on either database, and a clock that is set."""

from __future__ import annotations

import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import delete

from tasks.conveyor import launch
from tasks.ledger import migrate, tables
from tasks.ledger.session import Ledger
from tasks.model import clock
from tests.ground import START, Clock, Rung

# A busy machine draws and runs slowly, which says nothing of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SERVER = "postgresql://postgres@127.0.0.1:5432"
CORPUS = Path(__file__).resolve().parents[1] / "../shared/corpus"
POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.service("postgresql"))


def _answers(port: int) -> str | None:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError as error:
        return f"nothing answers on 127.0.0.1:{port} ({error})"
    return None


def _postgresql() -> str | None:
    try:
        psycopg.connect(f"{SERVER}/postgres", connect_timeout=2).close()
    except psycopg.Error as error:
        return f"the user postgres cannot connect to 127.0.0.1:5432 ({error})"
    return None


def _chromium() -> str | None:
    return None if os.access("/usr/bin/chromium", os.X_OK) else "there is no /usr/bin/chromium"


#: Each service that a test can name, and what says why it cannot be had (None: it can).
SERVICES: dict[str, Callable[[], str | None]] = {
    "redis": lambda: _answers(6379),
    "rabbitmq": lambda: _answers(5672),
    "postgresql": _postgresql,
    "chromium": _chromium,
}


@cache
def _lacking(service: str) -> str | None:
    return SERVICES[service]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose service is absent, or fail it where CATCHMENT_REQUIRE_SERVICES=1 says so."""
    for service in {name for marker in item.iter_markers("service") for name in marker.args}:
        reason = _lacking(service)
        if reason is None:
            continue
        if os.environ.get("CATCHMENT_REQUIRE_SERVICES") == "1":
            pytest.fail(f"needs {service}: {reason}", pytrace=False)
        pytest.skip(f"needs {service}: {reason}")


@pytest.fixture
def corpus() -> Path:
    """The folder of captured messages; skips where it is not beside the source tree."""
    if not CORPUS.is_dir():
        pytest.skip("the captured messages are not beside this source tree")
    return CORPUS.resolve()


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy: migrating one for each test would take most of its time."""
    path = tmp_path_factory.mktemp("ledger") / "empty.db"
    ledger = Ledger(f"sqlite:///{path}")
    migrate.upgrade(ledger)
    ledger.close()
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Ledger]:
    """A migrated PostgreSQL database of this test process alone."""
    with made_database() as url:
        ledger = Ledger(url, pool_size=10)
        migrate.upgrade(ledger)
        yield ledger
        ledger.close()


class made_database:
    """A new database on the server, dropped at the end."""

    def __init__(self) -> None:
        self._name = f"catchment_test_{uuid.uuid4().hex[:16]}"

    def __enter__(self) -> str:
        self._run(f'CREATE DATABASE "{self._name}"')
        # Nothing here outlives the test: waiting for the disk would be for nobody.
        self._run(f'ALTER DATABASE "{self._name}" SET synchronous_commit = off')
        return f"{SERVER}/{self._name}"

    def __exit__(self, *_: object) -> None:
        self._run(f'DROP DATABASE IF EXISTS "{self._name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(params=["sqlite", POSTGRESQL])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A migrated ledger without rows; a test that asks for it runs on both databases."""
    if request.param == "postgresql":
        present: Ledger = request.getfixturevalue("postgresql")
        with present.transaction() as session:
            # Of a few rows, deleting is ten times as fast as truncating.
            for table in reversed(tables.METADATA.sorted_tables):
                session.execute(delete(table))
        yield present
        return
    file = shutil.copy(request.getfixturevalue("empty_sqlite"), tmp_path / "ledger.db")
    present = Ledger(f"sqlite:///{file}")
    yield present
    present.close()


@pytest.fixture(params=["sqlite", POSTGRESQL])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    with made_database() as url:
        yield url


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of Catchment, standing still until the test moves it."""
    standing = Clock(START)

    def now() -> datetime:
        return standing.now

    monkeypatch.setattr(clock, "now", now)
    return standing


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> Rung:
    """What would be sent to the broker, in order; nothing is."""
    bells = Rung()

    def send(signature: Any) -> None:
        bells.take(signature)

    monkeypatch.setattr(launch, "_send", send)
    return bells
