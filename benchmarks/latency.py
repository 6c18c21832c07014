"""Seconds from a notification sent to its effect started, in quiet times and during a storm."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from benchmarks.report import percentile
from benchmarks.stand import RABBITMQ, Setup, Stand
from tasks.ledger.effects import Effect, EffectTry
from tasks.ledger.events import Event

WATCHED = "compute.instance.power_off.end"
STORM = "compute.instance.update"


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from sent to effect started, of the watched notifications."""

    effects: int
    median: float
    p99: float
    worst: float
    exact: bool

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return asdict(self)


def measure(rate: float, storm: float, seconds: float, setup: Setup | None = None) -> Latency:
    """Send watched notifications at ``rate`` a second, and a storm on other objects at ``storm`` a second.

    When a notification was sent stands in its timestamp, and is the event's ``occurred_at``; when its
    effect started is the first try's own moment in the ledger. Sender and workers share one clock.
    """
    chosen = setup or Setup(policies=50, effects=True, action={"log": {"message": "seen"}})
    with Stand(chosen) as stand, ExitStack() as stack:
        stand.start("stages", "control", "effects", "beat", "listener")
        senders = [_sender(stand, rate, seconds, 100, WATCHED)]
        if storm:
            senders.append(_sender(stand, storm, seconds, 10_000, STORM))
        stack.callback(lambda: [sender.kill() for sender in senders])
        for sender in senders:
            sender.wait()
        stand.through(int(rate * seconds) + int(storm * seconds))
        time.sleep(1)
        with stand.ledger.reading() as session:
            pairs = session.execute(
                select(EffectTry.started_at, Event.occurred_at)
                .join(Effect, Effect.id == EffectTry.effect_id)
                .join(Event, Event.id == Effect.event_id)
                .where(EffectTry.attempt == 1)
            ).all()
        waits = sorted((started - sent) / timedelta(milliseconds=1) for started, sent in pairs)
        return Latency(
            effects=len(waits),
            median=round(percentile(waits, 50), 1),
            p99=round(percentile(waits, 99), 1),
            worst=round(waits[-1], 1),
            exact=stand.exact(),
        )


def _sender(stand: Stand, rate: float, seconds: float, objects: int, event_type: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.notifications", stand.queue, str(rate), str(seconds), str(objects)]
    return subprocess.Popen([*command, event_type, RABBITMQ])
