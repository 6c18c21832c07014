"""A connection whose answers are lost ends in time, and one that merely waits long does not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from tasks.ledger import watched
from tasks.ledger.watched import WatchedConnection
from tests.conftest import SERVER
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.service("postgresql")

#: An advisory lock that nobody else takes: space and number.
_LOCK = (0x5441, 0x7711)


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with TcpProxy("127.0.0.1", 5432) as running:
        yield running


@pytest.fixture
def connection(proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[WatchedConnection]:
    monkeypatch.setattr(watched, "ON_ITS_WAY_SECONDS", 0.3)
    opened = WatchedConnection.connect(f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres")
    opened.learn_birth()
    opened.patience = 0.3
    yield opened
    proxy.pass_on()
    opened.close()


def may_lock() -> bool:
    with psycopg.connect(f"{SERVER}/postgres") as other:
        return bool((other.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", _LOCK).fetchone() or [False])[0])


def test_lost_answer_ends_the_wait_and_frees_the_locks(proxy: TcpProxy, connection: WatchedConnection) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", _LOCK)
    assert not may_lock()
    proxy.swallow_open()
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError, match="does not work for it"):
        connection.execute("SELECT 1")
    assert time.monotonic() - began < 5
    assert connection.closed
    deadline = time.monotonic() + 5
    while not may_lock():
        assert time.monotonic() < deadline, "the server still holds what the dead connection had locked"


def test_commit_without_an_answer_ends_and_has_happened(proxy: TcpProxy, connection: WatchedConnection) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", _LOCK)
    proxy.drop_replies(after=b"COMMIT")
    with pytest.raises(psycopg.OperationalError, match="does not work for it"):
        connection.commit()
    assert may_lock()


def test_statement_that_takes_long_is_waited_for(connection: WatchedConnection) -> None:
    assert connection.execute("SELECT 'slow' FROM pg_sleep(2)").fetchone() == ("slow",)


def test_wait_for_a_lock_is_work(connection: WatchedConnection) -> None:
    with psycopg.connect(f"{SERVER}/postgres") as other:
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", _LOCK)
        connection.execute("SET LOCAL lock_timeout = '1500ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", _LOCK)


def test_nobody_hangs_up_while_nobody_can_be_asked(
    proxy: TcpProxy, connection: WatchedConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "ASK_SECONDS", 1)
    asked: list[int] = []
    second = WatchedConnection._second

    def refused(one: WatchedConnection) -> psycopg.Connection[object]:
        asked.append(proxy.accepted)
        if len(asked) < 3:
            raise psycopg.OperationalError("nobody answers")
        proxy.pass_on()
        return second(one)

    monkeypatch.setattr(WatchedConnection, "_second", refused)
    assert connection.execute("SELECT 'slow' FROM pg_sleep(2)").fetchone() == ("slow",)
    assert len(asked) >= 3


def test_ping_is_less_patient(proxy: TcpProxy, connection: WatchedConnection) -> None:
    connection.patience = 60
    proxy.swallow_open()
    with pytest.raises(psycopg.OperationalError):
        connection.ping()
    assert connection.patience == watched.SILENCE_SECONDS
