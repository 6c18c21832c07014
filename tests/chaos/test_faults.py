"""The first fault tests: kill what can be killed, and count (spec field 4.1). Each says its number there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.ledger.balance import balance
from tests.conftest import made_database
from tests.fault_stand import Counters, Stand
from tests.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of a PostgreSQL database of this test's own."""
    with made_database() as url:
        yield url


def assert_nothing_amiss(found: Counters, sent: int) -> None:
    assert found.attempted == sent
    assert (found.lost, found.undecided, found.duplicate_effects, found.out_of_order) == (0, 0, 0, 0)
    assert found.effects == sent
    assert found.exact


def test_01_a_killed_worker_loses_and_doubles_nothing(tmp_path: Path, database: str) -> None:
    with Stand(tmp_path, database, pause=0.3) as stand:
        stand.publish(60)
        stand.wait_for_effects(3)
        stand.kill("stages")
        stand.kill("effects")
        stand.publish(20)
        stand.quiet()

        assert_nothing_amiss(stand.counters(), 80)


def test_02_a_killed_pool_child_loses_and_doubles_nothing(tmp_path: Path, database: str) -> None:
    with Stand(tmp_path, database, pause=0.4) as stand:
        stand.publish(30)
        stand.wait_for_effects(3)
        stand.kill_child("effects")
        stand.kill_child("stages")
        stand.quiet()

        assert_nothing_amiss(stand.counters(), 30)


@pytest.mark.parametrize("place", ["catch.before_commit", "catch.before_ack"])
def test_03_a_catcher_killed_around_its_commit_loses_and_doubles_nothing(
    tmp_path: Path, database: str, place: str
) -> None:
    once = tmp_path / "once"
    with Stand(tmp_path, database, environment={"CATCHMENT_FAILPOINT": f"{place}:{once}"}) as stand:
        stand.publish(50)
        deadline = time.monotonic() + 60
        while not stand.revive():
            assert time.monotonic() < deadline, "the listener was not killed"
            time.sleep(0.1)
        stand.quiet()

        assert once.exists()
        assert_nothing_amiss(stand.counters(), 50)


def test_07_a_broker_that_comes_back_empty_loses_and_doubles_nothing(tmp_path: Path, database: str) -> None:
    with Stand(tmp_path, database, pause=0.1) as stand:
        stand.publish(40)
        stand.wait_for_effects(2)
        stand.redis.kill()
        stand.publish(20)
        time.sleep(2)
        stand.redis.start()
        stand.quiet()

        assert_nothing_amiss(stand.counters(), 60)


def test_08_a_broker_flushed_in_the_middle_loses_and_doubles_nothing(tmp_path: Path, database: str) -> None:
    with Stand(tmp_path, database, pause=0.1) as stand:
        stand.publish(40)
        for _ in range(5):
            stand.redis.flush()
            stand.publish(8)
            time.sleep(0.3)
        stand.quiet()

        assert_nothing_amiss(stand.counters(), 80)


def test_23_messages_delivered_twice_are_events_once(tmp_path: Path, database: str) -> None:
    with Stand(tmp_path, database) as stand:
        stand.publish(60, twice=True)
        stand.quiet()
        found = stand.counters()

        assert_nothing_amiss(found, 60)
        with stand.ledger.reading() as session:
            cloud = next(line for line in balance(session) if line.provider == "cloud")
        assert (cloud.received, cloud.stored, cloud.duplicate) == (120, 60, 60)


def test_half_open_connections_to_the_broker_are_given_up(tmp_path: Path, database: str) -> None:
    stand = Stand(tmp_path, database)
    with TcpProxy("127.0.0.1", stand.redis.port) as proxy:
        stand._broker_port = proxy.port
        with stand:
            stand.publish(10)
            stand.quiet()
            proxy.swallow()
            # Longer than the socket time-out of ten seconds: the old connections must be given up by then.
            time.sleep(15)
            proxy.pass_on()
            stand.publish(10)
            stand.quiet(120)

            assert_nothing_amiss(stand.counters(), 20)
