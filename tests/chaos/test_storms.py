"""A hundred times the usual rate, on one object, on ten thousand, and of unknown types (spec field 4.1, 27)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from sqlalchemy import func, select

from benchmarks.notifications import body
from tasks.ledger.effects import Effect, EffectTry
from tasks.ledger.events import Digest, Event
from tasks.ledger.inventory import RefreshRequest, RefreshTarget
from tests.chaos.conftest import STORM_SECONDS
from tests.fault_stand import Stand

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(900)]

#: The usual rate is five a second; a storm is a hundred times that.
USUAL = 5
STORM = 500


@pytest.mark.parametrize(
    ("objects", "event_type"),
    [(1, "compute.instance.update"), (10_000, "compute.instance.update"), (10_000, "unknown.thing.happened")],
    ids=["one-object", "ten-thousand-objects", "unknown-types"],
)
@pytest.mark.fault(27, "a storm of 500 a second beside 5 a second on other objects")
def test_27_storm(tmp_path: Path, database: str, objects: int, event_type: str, record: Callable[..., None]) -> None:
    batch = {"CATCHMENT_CATCH__BATCH": "500"}
    with Stand(tmp_path, database, environment=batch) as stand:
        over = threading.Event()
        memory: list[float] = []
        watcher = threading.Thread(target=_watch, args=(stand, over, memory))
        watcher.start()
        sent = _storm(stand, objects, event_type)
        stand.wait_until(lambda: _caught(stand, event_type) >= sent, 10 * STORM_SECONDS + 60, "not all was caught")
        stand.quiet(20 * STORM_SECONDS + 120)
        over.set()
        watcher.join()
        found = stand.counters()
        with stand.ledger.reading() as session:
            told = session.scalar(select(func.sum(Digest.events))) or 0
            rows = session.scalar(select(func.count()).select_from(Digest)) or 0
            targets = session.scalar(select(func.count()).select_from(RefreshTarget)) or 0
            wishes = session.scalar(select(func.count()).select_from(RefreshRequest)) or 0
            waits = sorted(
                (started - asked) / timedelta(milliseconds=1)
                for started, asked in session.execute(
                    select(EffectTry.started_at, Event.caught_at)
                    .join(Effect, Effect.id == EffectTry.effect_id)
                    .join(Event, Event.id == Effect.event_id)
                )
            )
        assert _caught(stand, event_type) == sent
        assert rows * 5 < told, "decisions that repeat are told in digest"
        found.attempted += sent
        found.lost = found.attempted - found.stored
        record(
            found,
            mb_of_the_largest_process=max(memory),
            events_a_digest=told / max(rows, 1),
            wishes_a_refresh_target=wishes / max(targets, 1),
            others_ms_median=waits[len(waits) // 2],
            others_ms_99=waits[int(len(waits) * 0.99)],
        )
        assert max(memory) < 400


def _caught(stand: Stand, event_type: str) -> int:
    with stand.ledger.reading() as session:
        of_storm = (Event.raw_event_type == event_type, ~Event.raised)
        return session.scalar(select(func.count()).select_from(Event).where(*of_storm)) or 0


def _storm(stand: Stand, objects: int, event_type: str) -> int:
    """Send the storm and the usual events side by side; returns how many of the storm."""
    began = time.monotonic()
    number = 0
    while (gone := time.monotonic() - began) < STORM_SECONDS:
        due = int(gone * STORM) - number
        moment = datetime.now(UTC)
        stand.publish_bodies(body(number + n, objects, moment, event_type, "storm") for n in range(due))
        number += due
        stand.publish(max(0, int(gone * USUAL) - stand.attempted))
        time.sleep(0.2)
    return number


def _watch(stand: Stand, over: threading.Event, memory: list[float]) -> None:
    """Megabytes of the largest process of ours, once a second."""
    while not over.wait(1.0):
        sizes = [0.0]
        for process in list(stand.processes.running.values()):
            try:
                parent = psutil.Process(process.pid)
                sizes += [p.memory_info().rss / 1e6 for p in (parent, *parent.children(recursive=True))]
            except psutil.NoSuchProcess:
                continue
        memory.append(max(sizes))
