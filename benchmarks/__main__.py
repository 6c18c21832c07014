"""``python -m benchmarks``: how fast Catchment is on this machine, beside a plain Celery chain, in one run."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import asdict

from benchmarks import (
    drain,
    judging,
    latency,
    leases,
    plain,
    profile,
    refreshing,
    resolutions,
    rule_events,
    soak,
    timeline,
)
from benchmarks.report import Report, spread
from benchmarks.stand import Setup

#: Each scenario of the throughput table: what is drained, and how.
SCENARIOS: dict[str, Callable[[argparse.Namespace], drain.Run]] = {
    "RabbitMQ, PostgreSQL, 50 policies, 2 processes": lambda g: drain.from_bus(Setup(), g.events),
    "the same without task events": lambda g: drain.from_bus(Setup(task_events=False), g.events),
    "the same, chained stage by stage": lambda g: drain.from_bus(_with(FUSE="never"), g.events // 2),
    "the same, no policies": lambda g: drain.from_bus(Setup(policies=0), g.events),
    "the same, 10,000 policies": lambda g: drain.from_bus(Setup(policies=10_000), g.events),
    "the same, 1 process": lambda g: drain.from_bus(Setup(processes=1), g.events),
    "the same, 4 processes": lambda g: drain.from_bus(Setup(processes=4), g.events),
    "RabbitMQ, SQLite, 50 policies, 1 process": lambda g: drain.from_bus(_sqlite(1), g.events // 4),
    "RabbitMQ, SQLite, 50 policies, 2 processes": lambda g: drain.from_bus(_sqlite(2), g.events // 4),
    "event API, PostgreSQL, 50 policies, 2 processes": lambda g: drain.from_event_api(Setup(), min(g.events, 10_000)),
    "stored backlog, PostgreSQL, 2 processes": lambda g: drain.drained(Setup(), g.events),
}
STORED = {"10,000 stored": 10_000, "1,000,000 stored": 1_000_000}
PARTS = (
    "throughput",
    "latency",
    "stored",
    "profile",
    "resolutions",
    "policies",
    "timeline",
    "refresh",
    "rule_events",
    "esi",
)


def main() -> int:
    """Measure, print tables, and write ``build/bench.md`` and ``build/bench.json``. Returns 1 if a balance is off."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="notifications a run of Catchment")
    parser.add_argument("--plain-events", type=int, default=500, help="events a run of the plain chain")
    parser.add_argument("--rounds", type=int, default=3, help="runs, of which the median is quoted")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part; may be given again")
    parser.add_argument("--scenario", help="of the throughput, only rows whose name has this text")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long notifications are sent for latency")
    parser.add_argument("--storm", type=float, default=2000.0, help="notifications a second of the storm")
    parser.add_argument("--stored", type=int, default=1_000_000, help="events that the timeline's ledger holds")
    parser.add_argument(
        "--leases", type=int, default=1000, help="messages of leases a run, each of which runs a script"
    )
    parser.add_argument("--soak", type=float, default=0.0, help="watch the memory for so many seconds instead")
    given = parser.parse_args()
    report = Report()
    if given.soak:
        return _soak(report, given.soak)
    parts = {
        "throughput": _throughput,
        "latency": _latency,
        "stored": _stored,
        "profile": _profile,
        "resolutions": _resolutions,
        "policies": _policies,
        "timeline": _timeline,
        "refresh": _refresh,
        "rule_events": _rule_events,
        "esi": _esi,
    }
    exact = [parts[part](report, given) for part in given.only or PARTS]
    return 0 if all(exact) else 1


def _with(**conveyor: str) -> Setup:
    return Setup(settings={f"CATCHMENT_CONVEYOR__{name}": value for name, value in conveyor.items()})


def _sqlite(processes: int) -> Setup:
    return Setup(ledger="sqlite", processes=processes)


def _throughput(report: Report, given: argparse.Namespace) -> bool:
    wanted = {name: run for name, run in SCENARIOS.items() if (given.scenario or "") in name}
    plain_rates: list[float] = []
    runs: dict[str, list[drain.Run]] = {name: [] for name in wanted}
    for _ in range(given.rounds):
        # In turn, so that a machine that slows down slows all.
        plain_rates.append(plain.measure(given.plain_events, 2))
        for name, run in wanted.items():
            runs[name].append(run(given))
    base = statistics.median(plain_rates)
    rows = [["plain Celery chain of five empty tasks", spread(plain_rates), "1.0", "", ""]]
    for name, found in runs.items():
        middle = sorted(found, key=lambda r: r.rate)[len(found) // 2]
        cpu = ", ".join(f"{role} {micros:.0f}" for role, micros in _largest(middle.cpu))
        rates = [r.rate for r in found]
        memory = str(round(middle.memory.get("stages", 0)))
        rows.append([name, spread(rates), f"{statistics.median(rates) / base:.1f}", cpu, memory])
    report.data["throughput"] = {"plain": plain_rates, **{n: [r.as_dict() for r in found] for n, found in runs.items()}}
    columns = ["notifications a second, sent to finished", "median (least to most)", "beside plain"]
    report.table(
        f"Throughput, {given.rounds} rounds, {given.events:,} notifications each",
        [*columns, "CPU microseconds a notification", "MB of a stage process"],
        rows,
    )
    return all(run.exact for found in runs.values() for run in found)


def _largest(cpu: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(((role, n) for role, n in cpu.items() if n >= 10), key=lambda pair: -pair[1])


def _latency(report: Report, given: argparse.Namespace) -> bool:
    cases = {"50 a second": 0.0, f"50 a second in a storm of {given.storm:,.0f} on other objects": given.storm}
    found = {
        name: [latency.measure(50, storm, given.seconds) for _ in range(given.rounds)] for name, storm in cases.items()
    }
    report.data["latency"] = {name: [run.as_dict() for run in runs] for name, runs in found.items()}
    rows = [
        [name, spread([r.median for r in runs]), spread([r.p99 for r in runs]), spread([r.worst for r in runs])]
        for name, runs in found.items()
    ]
    columns = ["milliseconds from sent to effect started", "median", "99 of 100", "worst"]
    report.table(f"Latency, {given.rounds} rounds of {given.seconds:.0f} s", columns, rows)
    return all(run.exact for runs in found.values() for run in runs)


def _stored(report: Report, given: argparse.Namespace) -> bool:
    found = {
        name: [drain.from_bus(Setup(), given.events // 2, stored=stored) for _ in range(given.rounds)]
        for name, stored in STORED.items()
    }
    report.data["stored"] = {name: [run.as_dict() for run in runs] for name, runs in found.items()}
    rows = []
    for name, runs in found.items():
        middle = sorted(runs, key=lambda r: sum(r.cpu.values()))[len(runs) // 2]
        rows.append(
            [
                name,
                spread([sum(r.cpu.values()) for r in runs]),
                ", ".join(f"{role} {micros:.0f}" for role, micros in _largest(middle.cpu)),
                ", ".join(f"{what} {number}" for what, number in middle.statements.items()),
                f"{middle.broker_bytes:,.0f}",
                ", ".join(f"{role} {megabytes:.0f}" for role, megabytes in middle.memory.items()),
            ]
        )
    columns = ["a notification costs", "CPU microseconds", "of them", "database", "bytes in Redis", "MB by role"]
    report.table(f"Cost by the size of the ledger, {given.rounds} rounds", columns, rows)
    return all(run.exact for runs in found.values() for run in runs)


def _profile(report: Report, given: argparse.Namespace) -> bool:
    found = profile.measure()
    report.data["profile"] = asdict(found)
    for title, lines in (("catcher", found.catcher), ("stages", found.stages), ("database", found.statements)):
        report.table(f"Profile: {title}", ["where", "microseconds a notification"], [[n, str(t)] for n, t in lines])
    return True


def _resolutions(report: Report, given: argparse.Namespace) -> bool:
    found = [resolutions.measure() for _ in range(given.rounds)]
    report.data["resolutions"] = [asdict(run) for run in found]
    row = [spread([getattr(run, part) for run in found]) for part in ("cold", "warm")]
    columns = ["resolutions a second in one process", "each type the first time", "when it is remembered"]
    title = f"The switchboard on a domain of {resolutions.INSTANCES} instances, {given.rounds} rounds"
    report.table(title, columns, [["a refresh and a policy event each", *row]])
    return True


def _policies(report: Report, given: argparse.Namespace) -> bool:
    found = [judging.measure() for _ in range(given.rounds)]
    report.data["policies"] = [asdict(run) for run in found]
    row = [spread([getattr(run, part) for run in found]) for part in ("few", "many")]
    share = spread([100 * run.many / run.few for run in found])
    columns = ["microseconds an event in both stages", "five of each alone", "among 10,000 of each", "in percent"]
    lines = [["five policies and five alerts apply", *row, share]]
    report.table(f"Policies and alerts, {given.rounds} rounds", columns, lines)
    return True


def _timeline(report: Report, given: argparse.Namespace) -> bool:
    rounds = 10 * given.rounds
    found = {dialect: timeline.measure(dialect, given.stored, rounds) for dialect in ("postgresql", "sqlite")}
    report.data["timeline"] = {dialect: [page.as_dict() for page in pages] for dialect, pages in found.items()}
    rows = [
        [
            f"{first.subject}, last {first.last}",
            f"{first.events:,}",
            *(f"{page.median:,.0f} ({page.p95:,.0f})" for page in (first, second)),
            f"{first.size / 1000:,.0f}",
        ]
        for first, second in zip(*found.values(), strict=True)
    ]
    columns = ["the page of", "events in it", "PostgreSQL", "SQLite", "kB"]
    title = f"The timeline with {given.stored:,} events, milliseconds: median (95 of 100) of {rounds}"
    report.table(title, columns, rows)
    return True


def _refresh(report: Report, given: argparse.Namespace) -> bool:
    storms = [refreshing.storm(objects, 4000) for objects in (1, 1000)]
    walks = [refreshing.walk(1000, lost) for lost in (0.0, 0.1)]
    memories = [refreshing.memory(objects) for objects in (2_000, 20_000)]
    report.data["refresh"] = {
        "storms": [asdict(s) for s in storms],
        "walks": [asdict(w) for w in walks],
        "memory": [asdict(m) for m in memories],
    }
    rows = [[f"a storm on {s.objects:,}", f"{s.events:,}", f"{s.requests:,}", f"{s.per_thousand:.1f}"] for s in storms]
    report.table("Reads in a storm", ["servers", "events", "API requests", "per thousand events"], rows)
    rows = [
        [
            f"{w.lost:.0%} of the events lost",
            *(f"{n:,}" for n in (w.events, w.requests, w.full, w.events * w.full, w.astray, w.wrong)),
        ]
        for w in walks
    ]
    columns = ["1,000 operations", "events", "API requests", "of one full refresh", "of one after each event"]
    report.table("A random walk", [*columns, "objects astray before it", "and after it"], rows)
    rows = [[f"{m.objects:,}", f"{m.peak:.1f}"] for m in memories]
    report.table("Memory of a full refresh", ["objects", "MB at the most"], rows)
    return not any(w.wrong for w in walks)


def _rule_events(report: Report, given: argparse.Namespace) -> bool:
    found = {kind: rule_events.measure(kind, rounds=max(given.rounds, 3)) for kind in ("postgresql", "sqlite")}
    report.data["rule_events"] = {kind: asdict(run) for kind, run in found.items()}
    lines = [
        [
            f"{kind}: {run.evaluations:,} evaluations, and {run.dependent}",
            spread([1000 * seconds for seconds in run.sweep_seconds]),
            spread([1000 * seconds for seconds in run.sweep_cpu_seconds]),
            spread(run.change_milliseconds),
        ]
        for kind, run in found.items()
    ]
    columns = ["1,000 objects, 50 rules", "milliseconds of a sweep", "CPU of its process", "milliseconds of one change"]
    report.table(f"Rule events, {max(given.rounds, 3)} rounds", columns, lines)
    return all(statistics.median(run.sweep_cpu_seconds) < 5 for run in found.values())


def _esi(report: Report, given: argparse.Namespace) -> bool:
    paces = {
        "10 a second": (leases.NOTE, 10.0),
        "5 a second, one script in 25 takes 2 s": (leases.NOTE + leases.SLOW, 5.0),
    }
    found: dict[str, dict[str, list[leases.Runs]]] = {}
    for _ in range(given.rounds):
        for who, make in {"plain listener": leases.Plain, "Catchment": leases.Ours}.items():
            mine = found.setdefault(who, {})
            run = leases.drained(make(leases.NOTE, given.leases), given.leases)
            mine.setdefault("full queue", []).append(run)
            for name, (note, rate) in paces.items():
                number = int(rate * given.seconds / 2)
                mine.setdefault(name, []).append(leases.paced(make(note, number), number, rate))
    report.data["esi"] = {
        who: {n: [r.as_dict() for r in runs] for n, runs in mine.items()} for who, mine in found.items()
    }
    rows = [[who, spread([run.rate for run in mine["full queue"]])] for who, mine in found.items()]
    title = f"Leases that run scripts, {given.rounds} rounds of {given.leases:,} messages"
    report.table(title, ["a full queue", "scripts a second, median (least to most)"], rows)
    rows = [
        [f"{who}, {name}", *(spread([getattr(run, part) for run in mine[name]]) for part in ("median", "p99", "worst"))]
        for name in paces
        for who, mine in found.items()
    ]
    columns = ["milliseconds from sent to script started", "median", "99 of 100", "worst"]
    report.table(f"Leases: time to script start, {given.rounds} rounds of {given.seconds / 2:.0f} s", columns, rows)
    return all(run.exact for mine in found.values() for runs in mine.values() for run in runs)


def _soak(report: Report, seconds: float) -> int:
    found = soak.measure(seconds)
    report.data["soak"] = asdict(found)
    rows = [[role, *(f"{part[role]:.0f}" for part in (found.early, found.late, found.most))] for role in found.late]
    title = f"Memory in MB, {found.rate:.0f} notifications a second for {seconds:.0f} s"
    report.table(title, ["role", "after a minute", "at the end", "at most"], rows)
    return 0 if found.exact else 1


if __name__ == "__main__":
    raise SystemExit(main())
