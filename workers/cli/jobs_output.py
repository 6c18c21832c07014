"""What ``catchment jobs`` prints: tables, the tale of a run, and bars of what is under way."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import click
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from tasks.ledger import job_lists
from tasks.ledger.job_lists import JobLine, LogLine, RunLine, RunTale, ScheduleLine
from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent
from workers.cli.output import as_line, console, short, table, text, visible, when

#: Seconds between two looks at a run that is followed.
PAUSE = 0.5
_BAR = 10
_COLOURS = {"completed": "green", "failed": "red", "terminated": "red", "cancelled": "yellow", "running": "cyan"}
_LEVELS = {"error": "red", "warning": "yellow", "debug": "dim", "output": "dim"}


def print_runs(found: Sequence[RunLine]) -> None:
    """A table of runs, with bars of those that say how far they have come."""
    columns = ("id", "submitted", "job", "by", "on", "state", "progress", "what became of it")
    rows = [
        (r.id, when(r.created_at), r.job, r.by, r.agent or r.host, _state(r.state), _bar(r), short(_fate(r), 80))
        for r in found
    ]
    table(columns, rows, right=("id",))


def _state(state: str) -> Text:
    return text(state, _COLOURS.get(state, ""))


def _bar(run: RunLine) -> str:
    if run.progress is None or run.ended_at is not None:
        return ""
    done = round(run.progress * _BAR)
    return f"{'█' * done}{'░' * (_BAR - done)} {run.progress:4.0%}"


def _fate(run: RunLine) -> str:
    return run.error or run.reason or run.note or ""


def print_deployed(found: Sequence[JobLine], timed: Sequence[ScheduleLine]) -> None:
    """The jobs, and below them the schedules."""
    columns = ("job", "what it does", "arguments", "under way", "ever")
    rows = [(j.name, j.description, ", ".join(j.arguments), j.active, j.total) for j in found]
    table(columns, rows, right=("under way", "ever"))
    click.echo()
    named = ("schedule", "job", "active", "triggers", "next", "last run", "missed", "skipped")
    table(named, [_schedule(s) for s in timed], right=("missed", "skipped"))


def _schedule(line: ScheduleLine) -> tuple[Any, ...]:
    active = f"{'yes' if line.active else 'no'}{f' (by {line.switched_by})' if line.switched_by else ''}"
    last = f"{line.last_run} {line.last_state or ''}" if line.last_run else None
    return line.name, line.job, active, ", ".join(line.triggers), line.next_at, last, line.missed, line.skipped


def print_tale(tale: RunTale) -> None:
    """One run with all that is known of it."""
    run = tale.run
    out = console()
    out.print(Text.assemble(f"run {run.id} of {visible(run.job)}: ", _state(run.state)), soft_wrap=True)
    facts = {
        "by": run.by, "user": run.user, "priority": run.priority, "schedule": run.schedule, "trigger": run.trigger,
        "event": run.event_id, "called by run": run.parent_id, "to run on": run.agent, "ran on": run.host,
        "reason": run.reason, "error": run.error, "note": run.note, "result": tale.result,
        "arguments": dict(tale.arguments) or None, "context": dict(tale.context) or None, "keeps": tale.kept or None,
    }  # fmt: skip
    for name, value in facts.items():
        if value is not None:
            out.print(Text(f"  {name}: {short(value)}"), soft_wrap=True)
    for title, columns, lines in (
        ("history", ("at", "state", "who", "reason"), tale.history),
        ("handlers", ("id", "handler", "state", "attempts", "asked_at", "ended_at", "error"), tale.calls),
        ("waits for", ("event", "method", "since", "failures", "suspended"), tale.subscriptions),
        ("called", ("id", "job", "state", "error"), tale.children),
    ):
        if lines:
            click.echo(f"\n{title}:")
            table(columns, [[getattr(line, name) for name in columns] for line in lines])


def print_log(lines: Sequence[LogLine]) -> None:
    """Lines of a log."""
    out = console()
    for line in lines:
        out.print(_log_line(line), soft_wrap=True)


def _log_line(line: LogLine) -> Text:
    return Text.assemble((when(line.at), "dim"), " ", Text(visible(line.text), style=_LEVELS.get(line.level, "")))


def follow(ledger: Ledger, number: int, as_json: bool) -> RunLine:
    """Print what a run logs until it is over, with a bar of how far it has come; returns how it ended."""
    with _progress(as_json) as bars:
        return _follow(ledger, number, as_json, bars, None)


def _follow(ledger: Ledger, number: int, as_json: bool, bars: Progress, end: float | None) -> RunLine:
    task: TaskID = bars.add_task(f"run {number}", total=1.0, state="")
    after = 0
    while True:
        with ledger.reading() as session:
            # The state first: what was logged before the end is then there to be read.
            run = job_lists.run(session, number)
            lines = job_lists.log(session, number, after)
        if run is None:
            raise Permanent(f"run {number} is not known any more")
        for line in lines:
            after = line.id
            if as_json:
                as_line(line.as_dict())
            elif bars.disable:
                click.echo(_log_line(line).plain)
            else:
                bars.console.print(_log_line(line), soft_wrap=True)
        said = short(run.note or run.reason or "", 60)
        bars.update(task, completed=run.progress or 0.0, state=f"{run.state} {said}".rstrip())
        if run.ended_at is not None and not lines:
            return run
        if end is not None and time.monotonic() > end:
            raise Permanent(f"run {number} is {run.state}, and was not over in time: do workers run?")
        if not lines:
            time.sleep(PAUSE)


def _progress(quiet: bool) -> Progress:
    out = console(err=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[state]}"))
    return Progress(*columns, console=out, disable=quiet or not sys.stderr.isatty(), transient=True)


def wait(ledger: Ledger, number: int, seconds: float) -> int:
    """Follow a run until it is over, and say how it ended; returns the exit status."""
    with _progress(False) as bars:
        run = _follow(ledger, number, False, bars, time.monotonic() + seconds)
    with ledger.reading() as session:
        tale = job_lists.tale(session, number)
    result = f", with {short(tale.result)}" if tale is not None and tale.result is not None else ""
    click.echo(f"run {number} is {run.state}{f': {visible(run.error)}' if run.error else result}")
    return 0 if run.state == "completed" else 1
