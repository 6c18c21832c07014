"""Memory of each role under a steady load, sampled every ten seconds."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.stand import RABBITMQ, Setup, Stand

PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class Soak:
    """Megabytes of the largest process of each role: after the first minute, at the end, and at most."""

    seconds: float
    rate: float
    early: dict[str, float]
    late: dict[str, float]
    most: dict[str, float]
    exact: bool


def measure(seconds: float, rate: float = 500.0) -> Soak:
    """Send at a steady rate and watch."""
    with Stand(Setup()) as stand:
        stand.start("stages", "control", "effects", "beat", "listener")
        command = [sys.executable, "-m", "benchmarks.notifications", stand.queue, str(rate), str(seconds), "10000"]
        sender = subprocess.Popen([*command, "compute.instance.power_off.end", RABBITMQ])
        samples: list[dict[str, float]] = []
        began = time.monotonic()
        while sender.poll() is None:
            time.sleep(min(PAUSE, max(0.1, seconds / 20)))
            samples.append({"at": time.monotonic() - began, **stand.memory()})
        stand.through(int(rate * seconds))
        first = next((s for s in samples if s["at"] >= min(60.0, seconds / 3)), samples[-1])
        roles = [role for role in samples[-1] if role != "at"]
        return Soak(
            seconds=seconds,
            rate=rate,
            early={role: round(first[role]) for role in roles},
            late={role: round(samples[-1][role]) for role in roles},
            most={role: round(max(s.get(role, 0.0) for s in samples)) for role in roles},
            exact=stand.exact(),
        )
