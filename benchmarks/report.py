"""Figures as tables for people and JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that so many percent of a rising sequence do not exceed (nearest rank)."""
    if not ordered:
        raise ValueError("no values")
    rank = -(-len(ordered) * share // 100)
    return ordered[max(0, int(rank) - 1)]


def spread(values: Sequence[float]) -> str:
    """Median, least and most, as a cell."""
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


class Report:
    """Collects tables; prints each, and writes all to ``build/bench.md`` and ``build/bench.json``."""

    def __init__(self, folder: Path = Path("build")) -> None:
        self._folder = folder
        self._console = Console(width=150)
        self._tables: list[tuple[str, list[str], list[list[str]]]] = []
        self.data: dict[str, Any] = {"machine": machine()}

    def table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        """Add a table, print it, and write what there is so far."""
        self._tables.append((title, columns, rows))
        shown = Table(title=title)
        for number, column in enumerate(columns):
            shown.add_column(column, justify="right" if number else "left")
        for row in rows:
            shown.add_row(*row)
        self._console.print(shown)
        self.write()

    def write(self) -> None:
        """Write both files."""
        self._folder.mkdir(exist_ok=True)
        (self._folder / "bench.json").write_text(json.dumps(self.data, indent=1) + "\n")
        lines = [f"Measured {self.data['machine']['at']} at revision {self.data['machine']['revision']}.", ""]
        for title, columns, rows in self._tables:
            lines += [f"### {title}", "", _line(columns), _line(["---"] * len(columns)), *map(_line, rows), ""]
        (self._folder / "bench.md").write_text("\n".join(lines))


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z",
        "revision": found.stdout.strip() or "unknown",
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
