"""The worst moments of a transaction: inside a batch, and between commit and answer (spec field 4.1, 18, 19)."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select

from tasks.ledger.balance import balance
from tasks.ledger.events import Event
from tests.fault_stand import NEEDED, Stand
from tests.servers import PostgresCluster
from tests.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(300)]

ROUNDS_AT_MOST = 5


@pytest.mark.quick
@pytest.mark.fault(18, "database crashed while a batch is written and not committed")
def test_18_crash_inside_a_batch(tmp_path: Path, record: Callable[..., None]) -> None:
    with PostgresCluster() as cluster, Stand(tmp_path, cluster.url) as stand:
        stand.publish(3)
        stand.quiet()
        with closing(psycopg.connect(cluster.url)) as rogue:
            # The catcher writes its events first and its provider after them: there it waits for us.
            rogue.execute("SELECT id FROM provider FOR NO KEY UPDATE")
            stand.publish(20)
            stand.wait_until(lambda: _waits_for_us(cluster.url), 30, "the catcher does not wait")
            with _stopped(stand, "listener", "catch"):
                cluster.crash()
                cluster.start()
                stand.ledger.close()
                assert _stored(stand) == 3, "a part of the batch is there"
        stand.quiet(120)
        record(stand.counters(), 23)


@pytest.mark.quick
@pytest.mark.fault(19, "a batch caught and committed, and the answer lost in silence")
def test_19_silence_after_the_catcher_committed(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with _behind_proxy(tmp_path, database) as (proxy, stand):
        for _ in range(ROUNDS_AT_MOST):
            with _stopped(stand, *(name for name in NEEDED if name != "listener")):
                proxy.drop_replies(after=b"COMMIT")
                stand.publish(8)
                before = proxy.lost
                stand.wait_until(lambda lost=before: proxy.lost > lost or _again(stand), 60, "no answer was lost")
            # The listener also commits that it is there: what was lost may have been the answer to that.
            stand.quiet(120)
            if _again(stand):
                break
        record(stand.counters(), stand.attempted, answers_lost=proxy.lost, caught_again=_again(stand))
        assert _again(stand), "nothing that was committed came again"


@pytest.mark.quick
@pytest.mark.fault(19, "a turn of a stage committed, and the answer lost in silence")
def test_19_silence_after_a_stage_committed(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with _behind_proxy(tmp_path, database) as (proxy, stand):
        for number in range(1, 4):
            with _stopped(stand, *(name for name in NEEDED if name != "stages")):
                with _stopped(stand, "stages"):
                    stand.signal("listener", signal.SIGCONT)
                    stand.publish(8)
                    stand.wait_until(lambda: _stored(stand) == stand.attempted, 60, "not all is caught")
                    stand.signal("listener", signal.SIGSTOP)
                    proxy.drop_replies(after=b"COMMIT")
                stand.wait_until(lambda lost=number: proxy.lost == lost, 60, "no answer was lost")
        stand.quiet(120)
        record(stand.counters(), stand.attempted, answers_lost=proxy.lost)


@contextmanager
def _behind_proxy(folder: Path, database: str) -> Iterator[tuple[TcpProxy, Stand]]:
    with TcpProxy("127.0.0.1", 5432) as proxy:
        through = f"postgresql://postgres@127.0.0.1:{proxy.port}/{database.rpartition('/')[2]}"
        with Stand(folder, database, environment={"CATCHMENT_DATABASE": through}) as stand:
            stand.publish(3)
            stand.quiet()
            yield proxy, stand


def _again(stand: Stand) -> int:
    """How many notifications were caught that were there already."""
    with stand.ledger.reading() as session:
        return sum(line.duplicate for line in balance(session))


@contextmanager
def _stopped(stand: Stand, *names: str) -> Iterator[None]:
    for name in names:
        stand.signal(name, signal.SIGSTOP)
    try:
        yield
    finally:
        for name in names:
            stand.signal(name, signal.SIGCONT)


def _waits_for_us(url: str) -> bool:
    with psycopg.connect(url, autocommit=True) as watch:
        waiting = watch.execute(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE 'update provider%event_at%'"
        )
        return waiting.rowcount > 0


def _stored(stand: Stand) -> int:
    with stand.ledger.reading() as session:
        return session.scalar(select(func.count()).select_from(Event).where(~Event.raised)) or 0
