"""Brokers fail: Celery's Redis, and the RabbitMQ that a provider publishes to (spec field 4.1, 7 to 16, 31)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from amqp.exceptions import AMQPError
from sqlalchemy import select

from tasks.ledger.effects import Effect
from tests.fault_stand import NEEDED, RABBITMQ, Stand
from tests.servers import RabbitNode

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(400)]

#: How long a stopped RabbitMQ stays away.
AWAY_SECONDS = float(os.environ.get("AWAY_SECONDS", "20"))


@pytest.mark.quick
@pytest.mark.fault(7, "Redis killed, and back empty")
def test_07_empty_broker(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database, pause=0.1) as stand:
        stand.publish(40)
        stand.wait_for_effects(2)
        stand.redis.kill()
        stand.publish(20)
        time.sleep(2)
        stand.redis.start()
        stand.quiet()
        record(stand.counters(), 60)


@pytest.mark.quick
@pytest.mark.fault(8, "Redis flushed in a stream of events")
def test_08_flushed_broker(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database, pause=0.1) as stand:
        stand.publish(40)
        for _ in range(5):
            stand.redis.flush()
            stand.publish(8)
            time.sleep(0.3)
        stand.quiet()
        record(stand.counters(), 80)


@pytest.mark.fault(9, "all connections to Redis killed a hundred times in ten seconds")
def test_09_killed_connections(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database) as stand:
        client = redis.Redis(port=stand.redis.port)
        for number in range(100):
            client.client_kill_filter(_type="normal", skipme=True)
            if number % 10 == 0:
                stand.publish(4)
            time.sleep(0.1)
        stand.quiet(120)
        record(stand.counters(), 40)


@pytest.mark.fault(11, "Redis full: refusing, and then throwing keys away")
@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru"])
def test_11_full_broker(tmp_path: Path, database: str, policy: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database) as stand:
        client = redis.Redis(port=stand.redis.port)
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", "1mb")
        stand.publish(40)
        time.sleep(10)
        client.config_set("maxmemory", "0")
        stand.quiet(120)
        record(stand.counters(), 40)


@pytest.mark.fault(12, "all connections of RabbitMQ closed, twenty times")
def test_12_closed_connections(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with (
        RabbitNode(tmp_path / "rabbit") as node,
        Stand(tmp_path, database, bus=[node.url], publish_to=node.host) as stand,
    ):
        for _ in range(20):
            stand.publish(3)
            node.control("close_all_connections", "a fault test")
            time.sleep(0.5)
        stand.quiet(120)
        record(stand.counters(), 60)


@pytest.mark.fault(13, "RabbitMQ stopped and started")
def test_13_stopped_rabbitmq(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with (
        RabbitNode(tmp_path / "rabbit") as node,
        Stand(tmp_path, database, bus=[node.url], publish_to=node.host) as stand,
    ):
        stand.publish(20)
        stand.quiet()
        listener = stand.processes.running["listener"].pid
        node.stop()
        time.sleep(AWAY_SECONDS)
        began = time.monotonic()
        node.start()
        # The exchange went with the broker; what is published before somebody binds a queue to it reaches nobody.
        stand.wait_until(lambda: _listens(stand), 90, "nobody listens")
        seconds = time.monotonic() - began
        stand.publish(20)
        stand.quiet(120)
        assert stand.processes.running["listener"].pid == listener, "it was started again"
        record(stand.counters(), 40, listens_again_after_seconds=seconds)


def _listens(stand: Stand) -> bool:
    try:
        return stand.consumers() == 1
    except (OSError, AMQPError):
        return False


@pytest.mark.quick
@pytest.mark.fault(15, "catcher away while a thousand are published")
def test_15_absent_catcher(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database) as stand:
        stand.publish(2)
        stand.quiet()
        stand.processes.stop("listener")
        stand.publish(1000, objects=50)
        stand.start("listener")
        stand.wait_until(lambda: stand.counters().stored == 1002, 120, "not all were caught")
        stand.quiet(300)
        record(stand.counters(), 1002)


@pytest.mark.quick
@pytest.mark.fault(16, "two of three hosts of the source's broker are dead")
def test_16_dead_hosts(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    dead = ["amqp://guest:guest@127.0.0.1:1", "amqp://guest:guest@127.0.0.1:2"]
    with Stand(tmp_path, database, bus=[*dead, RABBITMQ]) as stand:
        stand.publish(20)
        stand.quiet()
        record(stand.counters(), 20)


@pytest.mark.fault(31, "work that is due long after the visibility timeout")
def test_31_far_delay(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    short = {"CATCHMENT_VISIBILITY_SECONDS": "2", "CATCHMENT_EFFECTS__BACKOFF_SECONDS": "8"}
    with Stand(tmp_path, database, environment=short, lines=(*NEEDED, "effects-2"), fail_first=True) as stand:
        stand.publish(5)
        stand.quiet(90)
        found = stand.counters()
        with stand.ledger.reading() as session:
            assert session.scalars(select(Effect.attempts)).all() == [2] * 5
        record(found, 5)
