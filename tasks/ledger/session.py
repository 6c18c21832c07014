"""Engines and sessions: one engine a process, built on first use, and transactions around work."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.orm import Session

from tasks.ledger import conflicts
from tasks.ledger.base import dump_json
from tasks.ledger.watched import WatchedConnection
from tasks.model.errors import Permanent

#: How long a writer waits for another one on SQLite, in seconds.
SQLITE_PATIENCE = 30.0
#: A connection that lay in the pool this long is asked whether it is still there before it is used.
IDLE_SECONDS = 1.0
#: A statement or lock wait longer than this is given up by PostgreSQL, so that a stage never hangs.
STATEMENT_TIMEOUT_MS = 120_000
LOCK_TIMEOUT_MS = 30_000


class Ledger:
    """The database of one installation. Cheap to build; connects on first use and again after a fork."""

    def __init__(self, url: str, pool_size: int = 5) -> None:
        self.url = _psycopg(url)
        self._pool_size = pool_size
        self._engine: Engine | None = None
        self._pid = 0

    @property
    def dialect(self) -> str:
        """``postgresql`` or ``sqlite``."""
        return make_url(self.url).get_backend_name()

    @property
    def engine(self) -> Engine:
        """The engine of this process; one inherited through a fork is left to its owner."""
        if self._engine is None or self._pid != os.getpid():
            if self._engine is not None:
                self._engine.dispose(close=False)
            self._engine = _build(self.url, self._pool_size)
            self._pid = os.getpid()
        return self._engine

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session in a transaction that writes: committed at the end, rolled back on an error.

        On SQLite it is *immediate*: one writer at a time, and never a deadlock between two readers that
        both want to write.
        """
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                if self.dialect == "sqlite":
                    session.connection(execution_options={"catchment_immediate": True})
                yield session
        except DBAPIError as error:
            if (kind := conflicts.kind_of(error)) is not None:
                conflicts.note(self, kind)
            raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Give all connections back."""
        if self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()
        self._engine = None


def _psycopg(url: str) -> str:
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in {"postgresql", "sqlite"}:
        raise Permanent(
            f"the ledger cannot live in {parsed.get_backend_name()}: "
            "give a postgresql:// or sqlite:/// URL as `database` in catchment.toml"
        )
    return parsed.render_as_string(hide_password=False)


def _build(url: str, pool_size: int) -> Engine:
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(url, json_serializer=dump_json, connect_args={"timeout": SQLITE_PATIENCE})
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    engine = create_engine(
        url,
        json_serializer=dump_json,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_recycle=1800,
        connect_args={
            "connect_timeout": 5,
            "application_name": "catchment",
            # Our statements take lists and JSON, whose length a plan made for one of them does not know better
            # than the general one: planning them anew each time took as long as running them.
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS} "
            "-c timezone=UTC -c plan_cache_mode=force_generic_plan "
            # The server notices as soon as we do that a host was cut off, and gives up the locks it held.
            "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3 "
            "-c tcp_user_timeout=15000",
            # A half-open connection is noticed by the kernel, and where it cannot be, by WatchedConnection.
            "keepalives": 1,
            "keepalives_idle": 5,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        },
    )
    event.listen(engine, "do_connect", _connect_watched)
    event.listen(engine, "connect", _learn_birth)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _ping_if_idle)
    return engine


def _connect_watched(_dialect: Any, _record: Any, arguments: Any, options: Any) -> WatchedConnection:
    return WatchedConnection.connect(*arguments, **options)


def _learn_birth(connection: WatchedConnection, _record: Any) -> None:
    connection.learn_birth()


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _ping_if_idle(connection: Any, record: Any, _proxy: Any) -> None:
    """Ask a connection that lay idle whether it is still there; one that was used a moment ago need not be asked.

    The pool takes an ``InvalidatePoolError`` as a reason to connect anew, also in place of those that lie beside it.
    """
    if connection is None or time.monotonic() - record.info.get("used", time.monotonic()) < IDLE_SECONDS:
        return
    try:
        connection.ping()
    except psycopg.Error as error:
        raise InvalidatePoolError(str(error)) from error


def _sqlite_connect(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver's own BEGIN comes too late for an immediate transaction; _sqlite_begin sends it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={int(SQLITE_PATIENCE * 1000)}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("catchment_immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def try_lock(session: Session, space: int, key: int) -> bool:
    """Take a lock that ends with the transaction, or say at once that somebody else has it.

    On SQLite the immediate transaction is the lock, and the answer is always yes.
    """
    if session.get_bind().dialect.name == "sqlite":
        return True
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:space, :key)"), {"space": space, "key": key}))


def lock(session: Session, space: int, key: int) -> None:
    """Wait for a lock that ends with the transaction."""
    if session.get_bind().dialect.name != "sqlite":
        session.execute(text("SELECT pg_advisory_xact_lock(:space, :key)"), {"space": space, "key": key})


#: Lock spaces: what the second number of an advisory lock counts.
LANE_LOCK = 0x4C41
CATCH_LOCK = 0x4341
SPENT_LOCK = 0x5350
RULES_LOCK = 0x5255
JOBS_LOCK = 0x4A42
