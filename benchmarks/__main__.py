"""``python -m benchmarks``: events a second, Catchment beside a plain Celery chain, in one run."""

from __future__ import annotations

import argparse
import json
import os
import statistics
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import plain, whole


def main() -> int:
    """Measure, print a table, and write JSON where asked. Returns 1 if a balance did not add up."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="notifications a run of Catchment")
    parser.add_argument("--plain-events", type=int, default=1_000, help="events a run of the plain chain")
    parser.add_argument("--objects", type=int, default=1_000, help="servers that the events are about")
    parser.add_argument("--policies", type=int, default=50, help="policies of the site, of which five apply")
    parser.add_argument("--processes", type=int, default=2, help="worker processes on either side")
    parser.add_argument("--rounds", type=int, default=3, help="runs, of which the median is quoted")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    plain_rates: list[float] = []
    runs: list[whole.Result] = []
    fused: list[whole.Result] = []
    for _ in range(given.rounds):
        # In turn, so that a machine that slows down slows both.
        plain_rates.append(plain.measure(given.plain_events, given.processes))
        runs.append(whole.measure(given.events, given.objects, given.processes, given.policies))
        fused.append(whole.measure(given.events, given.objects, given.processes, given.policies, fuse=True))
    rows = [
        ("plain Celery chain of five empty tasks, Redis", plain_rates, None),
        ("Catchment, RabbitMQ to finished in PostgreSQL", [r.rate for r in runs], runs),
        ("Catchment with conveyor.fuse", [r.rate for r in fused], fused),
    ]
    console = Console(width=110)
    table = Table(
        title=f"events a second, {os.cpu_count()} cores, {given.rounds} runs, {datetime.now(UTC):%Y-%m-%d %H:%M}Z"
    )
    for column in ("what", "median", "least", "most", "beside plain"):
        table.add_column(column, justify="left" if column == "what" else "right")
    base = statistics.median(plain_rates)
    for name, rates, _ in rows:
        table.add_row(
            name,
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f}",
            f"{max(rates):,.0f}",
            f"{statistics.median(rates) / base:.1f}x",
        )
    console.print(table)
    middle = sorted(runs, key=lambda r: r.rate)[len(runs) // 2]
    console.print(
        f"of {middle.events:,} notifications came {middle.raised:,} raised events besides; "
        f"CPU microseconds a notification: {middle.cpu}"
    )
    if given.json:
        given.json.write_text(
            json.dumps(
                {
                    "rows": {n: r for n, r, _ in rows},
                    "cpu_us": middle.cpu,
                    "events": given.events,
                    "raised": middle.raised,
                },
                indent=1,
            )
        )
    return 0 if all(r.exact for r in runs + fused) else 1


if __name__ == "__main__":
    raise SystemExit(main())
