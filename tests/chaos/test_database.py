"""PostgreSQL fails (spec field 4.1, 17 to 19 and 22)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import psycopg
import pytest
from sqlalchemy import select

from tasks.ledger.conflicts import Conflict
from tasks.ledger.session import CATCH_LOCK
from tests.fault_stand import Stand
from tests.servers import PostgresCluster, backends
from tests.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.mark.quick
@pytest.mark.fault(17, "database connections terminated at random")
def test_17_terminated_backends(tmp_path: Path, database: str, record: Callable[..., None], seed: Random) -> None:
    with Stand(tmp_path, database) as stand:
        for _ in range(20):
            stand.publish(4)
            time.sleep(seed.uniform(0.05, 0.4))
            ended = seed.choice(backends(database) or [0])
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute("SELECT pg_terminate_backend(%s)", [ended])
        stand.quiet(120)
        record(stand.counters(), 80)


@pytest.mark.fault(18, "database crashed in a stream of events, and started again")
def test_18_crashed_database(tmp_path: Path, record: Callable[..., None], seed: Random) -> None:
    with PostgresCluster() as cluster, Stand(tmp_path, cluster.url) as stand:
        stand.publish(500, objects=50)
        time.sleep(seed.uniform(0.1, 1.5))
        cluster.crash()
        stand.publish(50, objects=50)
        time.sleep(2)
        cluster.start()
        began = time.monotonic()
        stand.quiet(240)
        record(stand.counters(), 550, through_after_seconds=time.monotonic() - began)


@pytest.mark.quick
@pytest.mark.fault(19, "committed, and the answer lost")
def test_19_lost_answer(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with TcpProxy("127.0.0.1", 5432) as proxy:
        through = f"postgresql://postgres@127.0.0.1:{proxy.port}/{database.rpartition('/')[2]}"
        with Stand(tmp_path, database, environment={"CATCHMENT_DATABASE": through}) as stand:
            for _ in range(5):
                proxy.lose_reply_to(b"COMMIT", 4)
                stand.publish(8)
                stand.wait_until(lambda: proxy.lost % 4 == 0 and proxy.lost > 0, 60, "no answer was lost")
            stand.quiet(120)
            record(stand.counters(), 40, answers_lost=proxy.lost)


@pytest.mark.fault(22, "deadlocks with the catcher")
def test_22_deadlock(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database) as stand:
        stand.publish(2)
        stand.quiet()
        met = 0
        for _ in range(3):
            met += _deadlock(stand, database)
        stand.quiet(120)
        assert met, "nobody was chosen as the victim"
        assert "listening failed; it begins again" in stand.log("listener")
        with stand.ledger.reading() as session:
            counted = session.scalar(select(Conflict.count).where(Conflict.kind == "deadlock"))
        assert counted == met
        record(stand.counters(), 2 + 3 * 5, deadlocks=met)


def _deadlock(stand: Stand, database: str) -> int:
    """Hold the provider's row, wait until the catcher waits for it, and ask for what the catcher holds.

    Returns the deadlocks that PostgreSQL has broken up.
    """
    count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with psycopg.connect(database) as rogue, psycopg.connect(database, autocommit=True) as watch:

        def broken_up() -> int:
            return int((watch.execute(count).fetchone() or [0])[0])

        before = broken_up()
        [known] = rogue.execute("SELECT id FROM provider WHERE name = 'cloud' FOR UPDATE").fetchone() or [0]
        stand.publish(5)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%provider%'"
        stand.wait_until(lambda: (watch.execute(waiting).fetchone() or [0])[0], 30, "the catcher does not wait")
        # Whoever has waited for a second looks for a deadlock: the catcher, and not we.
        rogue.execute("SET lock_timeout = 0; SET deadlock_timeout = '60s'")
        rogue.execute("SELECT pg_advisory_xact_lock(%s, %s::int)", [CATCH_LOCK, known])
        rogue.rollback()
        # It may have been the listener's sign of life that waited: then there was none.
        deadline = time.monotonic() + 5
        while broken_up() == before and time.monotonic() < deadline:
            time.sleep(0.2)
        return broken_up() - before
