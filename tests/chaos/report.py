"""The report of a run of the fault tests: a table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

COUNTS = (
    "attempted",
    "accepted",
    "stored",
    "decided",
    "effects",
    "lost",
    "undecided",
    "duplicate_effects",
    "out_of_order",
)
#: Counters of which any other value than 0 breaks a promise.
FAULTS = ("lost", "undecided", "duplicate_effects", "out_of_order")


@dataclass(slots=True)
class Fault:
    """What came of one fault in all its rounds."""

    title: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    counters: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


class Report:
    """Collects rounds, and writes ``build/chaos.md`` and ``build/chaos.json``."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._faults: dict[str, Fault] = {}

    def fault(self, number: str, title: str) -> Fault:
        """The line of a fault by its number in the catalogue and what it is about."""
        return self._faults.setdefault(f"{number} {title}", Fault(title))

    def lines(self) -> list[list[str]]:
        """The table's rows."""
        rows = []
        for name, fault in sorted(self._faults.items(), key=lambda item: _rank(item[0])):
            sums = {c: sum(one.get(c, 0) for one in fault.counters) for c in COUNTS}
            figures = ", ".join(f"{n} {statistics.median(v):.1f} (most {max(v):.1f})" for n, v in fault.figures.items())
            rounds = f"{fault.passed}/{fault.passed + fault.failed}" if fault.passed + fault.failed else "skipped"
            rows.append([name, rounds, *(str(sums[c]) for c in COUNTS), figures])
        return rows

    def write(self, folder: Path) -> str:
        """Write both files; returns the table as text."""
        folder.mkdir(exist_ok=True)
        head = ["fault", "rounds passed", *(c.replace("_", " ") for c in COUNTS), "figures: median (most)"]
        table = "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *self.lines()])
        about = {
            "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z",
            "revision": _revision(),
            "cores": os.cpu_count(),
            "seed": self.seed,
        }
        faults = {
            name: {
                "passed": fault.passed,
                "failed": fault.failed,
                "skipped": fault.skipped,
                "counters": fault.counters,
                "figures": dict(fault.figures),
            }
            for name, fault in self._faults.items()
        }
        (folder / "chaos.json").write_text(json.dumps({**about, "faults": faults}, indent=1) + "\n")
        told = (
            f"Run {about['at']} at revision {about['revision']}, {about['cores']} cores, seed {self.seed}.\n\n{table}\n"
        )
        (folder / "chaos.md").write_text(told)
        return told


def _rank(name: str) -> tuple[int, str]:
    number = name.split()[0]
    return (int(number) if number.isdigit() else 999, name)


def _revision() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
