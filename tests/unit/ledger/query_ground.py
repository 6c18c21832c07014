"""What the tests of queries stand on: a ledger on either database, and short words to fill it."""

from __future__ import annotations

import atexit
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tasks.ledger import tables
from tasks.ledger.effects import Effect
from tasks.ledger.events import DeadLetter, Decision, Event, Place
from tasks.ledger.providers import Provider, Tally
from tasks.ledger.session import Ledger

NOW = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)
SERVER = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"

#: Both databases; every test of a query runs on each.
DIALECTS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.service("postgresql"))]


def ago(seconds: float) -> datetime:
    """A moment that many seconds before NOW."""
    return NOW - timedelta(seconds=seconds)


@contextmanager
def filled_ledger(dialect: str, folder: Path) -> Iterator[Ledger]:
    """A ledger with all its tables and nothing in them."""
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}" if dialect == "sqlite" else _postgres())
    try:
        if dialect == "sqlite":
            tables.METADATA.create_all(ledger.engine)
        else:
            names = ", ".join(f'"{table.name}"' for table in tables.METADATA.sorted_tables)
            with ledger.transaction() as session:
                session.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
        yield ledger
    finally:
        ledger.close()


def _postgres() -> str:
    """The database of this test process; skips where no server answers."""
    try:
        return _made()
    except OperationalError:
        if os.environ.get("CATCHMENT_REQUIRE_SERVICES") == "1":
            raise
        pytest.skip("no PostgreSQL answers on 127.0.0.1:5432 for the user postgres")


@cache
def _made() -> str:
    name = f"catchment_query_{uuid.uuid4().hex[:12]}"
    _run(f"CREATE DATABASE {name}")
    atexit.register(_run, f"DROP DATABASE {name} WITH (FORCE)")
    url = SERVER.rsplit("/", 1)[0] + f"/{name}"
    ledger = Ledger(url)
    tables.METADATA.create_all(ledger.engine)
    ledger.close()
    return url


def _run(statement: str) -> None:
    server = create_engine(SERVER, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2})
    try:
        with server.connect() as connection:
            connection.execute(text(statement))
    finally:
        server.dispose()


def add(session: Session, *rows: Any) -> None:
    """Store rows in this order."""
    for row in rows:
        session.add(row)
        session.flush()


def three_providers(session: Session) -> None:
    """The providers north (1) and south (2), and internal (3)."""
    add(
        session,
        Provider(id=1, name="north", kind="openstack", added_at=ago(9000), ready_at=ago(8000)),
        Provider(id=2, name="south", kind="openstack", added_at=ago(9000), ready_at=ago(8000)),
        Provider(id=3, name="internal", kind="internal", added_at=ago(9000), ready_at=ago(9000)),
    )


def event(row: int, seconds: float = 100.0, provider: int = 1, **more: Any) -> Event:
    """An event that happened so many seconds ago: of server/s1 of north, finished, unless said otherwise."""
    kind, ref = more.get("resource_kind", "server"), more.get("resource_id", "s1")
    facts: dict[str, Any] = {
        "message_id": f"m{row}",
        "state": "finished",
        "object_key": f"{ {1: 'north', 2: 'south'}[provider] }/{kind}/{ref}",
        "caught_at": ago(seconds),
        "event_type": "compute.instance.update",
        "raw_event_type": "compute.instance.update",
        "resource_kind": kind,
        "resource_id": ref,
        "tenant_id": "red",
    }
    return Event(id=row, provider_id=provider, occurred_at=ago(seconds), **{**facts, **more})


def pending(session: Session, row: int, stage: str = "policy", **more: Any) -> Event:
    """Store a pending event with its place."""
    found = event(row, state="pending", **more)
    place = Place(
        event_id=row,
        stage=stage,
        lane=0,
        occurred_at=found.occurred_at,
        due_at=found.occurred_at,
        object_key=found.object_key,
    )
    add(session, found, place)
    return found


def dead(session: Session, row: int, stage: str = "convert", **more: Any) -> Event:
    """Store a dead event with its letter."""
    found = event(row, state="dead", **more)
    letter = DeadLetter(event_id=row, stage=stage, died_at=ago(1), attempts=6, error="BadPayload: no payload")
    add(session, found, letter)
    return found


def decision(row: int, event_id: int, stage: str, *findings: dict[str, Any], at: float = 50, **more: Any) -> Decision:
    """A decision of a stage on an event."""
    facts = {"decided_at": ago(at), "site_version": "s1", "findings": list(findings), **more}
    return Decision(id=row, event_id=event_id, stage=stage, **facts)


def effect(row: int, event_id: int, state: str = "done", **more: Any) -> Effect:
    """An effect of an event."""
    facts: dict[str, Any] = {
        "rule": "policy:p:true",
        "action": "log",
        "params": {"text": "hello"},
        "due_at": ago(40),
        "asked_at": ago(40),
        "site_version": "s1",
    }
    return Effect(id=row, key=f"{event_id}:{row}", event_id=event_id, state=state, **{**facts, **more})


def tally(provider: int, **counts: int) -> Tally:
    """What one transaction counted."""
    return Tally(provider_id=provider, **counts)
