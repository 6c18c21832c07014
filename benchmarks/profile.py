"""Where the time goes: catcher and stages in this process, function by function and statement by statement."""

from __future__ import annotations

import cProfile
import os
import pstats
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from benchmarks.notifications import body
from benchmarks.stand import Setup, Stand
from tasks.catch.poll import enrol, ingest_for
from tasks.conveyor import turn
from tasks.conveyor.stage import line_from
from tasks.model.event import Notification
from tasks.providers.table import kinds
from workers import config, logs
from workers.installation import load_settings
from workers.start import start

BATCH = 500
TOP = 10


@dataclass(frozen=True, slots=True)
class Profile:
    """Microseconds a notification: by function (own time, profiled and therefore inflated) and by statement."""

    catcher: list[tuple[str, float]]
    stages: list[tuple[str, float]]
    statements: list[tuple[str, float]]


def measure(events: int = 5000) -> Profile:
    """Store so many notifications and carry them to their end, in batches of 500."""
    with Stand(Setup()) as stand:
        site = Path(stand.running.environment["CATCHMENT_SITE"])
        os.environ.update({k: v for k, v in stand.running.environment.items() if k.startswith("CATCHMENT_")})
        logs.configure(load_settings(site))
        for door in config.INCLUDE:
            __import__(door)
        present = start(site)
        provider, kind = present.site.providers["bench"], kinds()["openstack"]
        ingest = ingest_for(present, provider, kind, enrol(present, provider, kind))
        began = datetime.now(UTC)
        bodies = [body(n, 1000, began + timedelta(microseconds=50 * n)) for n in range(events)]
        spent = _listen(present.ledger.engine)
        lanes = range(present.site.settings.conveyor.lanes)

        def store() -> None:
            for first in range(0, events, BATCH):
                ingest.store([Notification(b, "bench") for b in bodies[first : first + BATCH]], None, "amqp")

        def carry() -> None:
            while turn.take(present, line_from("convert"), lanes).worked:
                pass

        catcher, stages = _profiled(store, events), _profiled(carry, events)
        present.ledger.close()
        return Profile(catcher, stages, [(k, round(v / events * 1e6, 1)) for k, v in spent.most_common(TOP)])


def _profiled(work: Callable[[], None], events: int) -> list[tuple[str, float]]:
    profiler = cProfile.Profile()
    profiler.runcall(work)
    found: Any = pstats.Stats(profiler)
    own = Counter({_name(where): figures[2] for where, figures in found.stats.items()})
    return [(name, round(seconds / events * 1e6, 1)) for name, seconds in own.most_common(TOP)]


def _name(where: tuple[str, int, str]) -> str:
    path, line, function = where
    return function if path == "~" else f"{'/'.join(Path(path).parts[-2:])}:{line} {function}"


def _listen(engine: Any) -> Counter[str]:
    """Seconds of each statement from here on, the wait for its answer included. COPY is not seen."""
    spent: Counter[str] = Counter()

    def before(*given: Any) -> None:
        given[4].began = time.perf_counter()

    def after(*given: Any) -> None:
        spent[" ".join(given[2].split())[:70]] += time.perf_counter() - given[4].began

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    return spent
