"""A Redis that is full says so, and what that holds back can be seen and goes on by itself (spec field 4.1, 11)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from tasks.conveyor.order import ORDER
from tasks.ledger import health
from tasks.model import clock
from tests.fault_stand import Stand

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(300)]

#: Events that lie still this long are held back, and not just on their way.
HELD_BACK = timedelta(seconds=4)


@pytest.mark.quick
@pytest.mark.fault(11, "Redis full, and refusing: what waits can be seen")
def test_11_refusing_broker_is_seen(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database) as stand:
        stand.publish(5)
        stand.quiet()
        client: Any = redis.Redis(port=stand.redis.port)
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1mb")
        stand.publish(40)
        stand.wait_until(lambda: _waits(stand), 60, "nothing shows that events are held back")
        assert stand.counters().stored == 45, "catching needs no broker"
        assert "the broker does not take a message" in stand.log("listener")
        refused = client.info("errorstats")["errorstat_OOM"]["count"]
        began = clock.now()
        client.config_set("maxmemory", "0")
        stand.quiet(120)
        seconds = (clock.now() - began).total_seconds()
        record(stand.counters(), 45, messages_refused=refused, through_after_seconds=seconds)
        assert refused


@pytest.mark.quick
@pytest.mark.fault(11, "Redis full, and throwing away what was queued")
def test_11_evicted_messages(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database, pause=0.2) as stand:
        stand.publish(40)
        stand.wait_for_effects(2)
        client: Any = redis.Redis(port=stand.redis.port)
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", "1mb")
        stand.publish(10)
        stand.wait_until(lambda: client.info("stats")["evicted_keys"], 60, "Redis throws nothing away")
        evicted = client.info("stats")["evicted_keys"]
        client.config_set("maxmemory", "0")
        stand.quiet(120)
        record(stand.counters(), 50, keys_thrown_away=evicted)


def _waits(stand: Stand) -> bool:
    """Whether the figures of the stages, as status page and metrics show them, tell of events that lie still."""
    with stand.ledger.reading() as session:
        lines = health.stages(session, ORDER)
        oldest = min((line.oldest_due for line in lines if line.oldest_due), default=None)
    return oldest is not None and clock.now() - oldest > HELD_BACK
