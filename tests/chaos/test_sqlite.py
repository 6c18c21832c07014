"""The newcomer's ledger under fire: SQLite, killed processes, a broker that forgets (spec field 4.1, 1, 3, 8)."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.fault_stand import Stand

pytestmark = [pytest.mark.service("rabbitmq"), pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.quick
@pytest.mark.fault("SQLite", "listener, stages and effects killed in turn, the broker flushed, a writer that stalls")
def test_killed_and_flushed_on_sqlite(tmp_path: Path, record: Callable[..., None], seed: Random) -> None:
    with Stand(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}", pause=0.1) as stand:
        stand.publish(20)
        stand.wait_for_effects(2)
        for name in ("stages", "effects", "listener"):
            stand.publish(10)
            time.sleep(seed.uniform(0, 0.4))
            stand.kill(name)
            if name == "effects":
                stand.excuse_written()
        stand.publish(10)
        stand.redis.flush()
        stand.signal("stages", signal.SIGSTOP)  # It may hold the only writer's lock.
        stand.publish(10)
        time.sleep(3)
        stand.signal("stages", signal.SIGCONT)
        stand.quiet(120)
        record(stand.counters(), 70)
