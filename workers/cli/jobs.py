"""``catchment jobs``: what is deployed, what runs and ran, and what people do with it."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tasks.jobs.archive import Archive, pack
from tasks.jobs.desk import Desk, fire_event
from tasks.jobs.model import PRIORITIES
from tasks.jobs.module import handlers
from tasks.ledger import job_lists
from tasks.ledger.jobs import STATES
from tasks.model.errors import Permanent, Refused
from tasks.site.load import site_root
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.jobs_output import follow, print_deployed, print_log, print_runs, print_tale, wait
from workers.cli.output import as_document, as_line
from workers.installation import load_settings

_ID = click.IntRange(1, 2**63 - 1)


@click.group("jobs")
@site_option
def jobs() -> None:
    """Jobs of the site: what is deployed, what runs and ran."""


@jobs.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only runs in this state.")
@click.option("--job", help="Only runs of this job.")
@click.option("--schedule", help="Only runs of this schedule.")
@click.option("--active", is_flag=True, help="Only runs that are not over.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_runs(limit: int, as_json: bool, **narrowed: Any) -> None:
    """List runs, the newest first, with how far they have come."""
    with present_ledger() as ledger, ledger.reading() as session:
        found = job_lists.runs(session, **narrowed, limit=limit)
    if as_json:
        as_document([line.as_dict() for line in found])
    else:
        print_runs(found)


@jobs.command("deployed")
@json_option
def deployed(as_json: bool) -> None:
    """List the jobs and schedules of the site, as its scheduler has taken them over."""
    with present_ledger() as ledger, ledger.reading() as session:
        found, timed = job_lists.jobs(session), job_lists.schedules(session)
    if as_json:
        as_document({"jobs": [line.as_dict() for line in found], "schedules": [line.as_dict() for line in timed]})
    else:
        print_deployed(found, timed)


@jobs.command("run")
@click.argument("name")
@click.argument("given", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--schedule", is_flag=True, help="NAME is a schedule: its job runs with its arguments.")
@click.option("--on", "host", help="The host to run on.")
@click.option("--priority", type=click.Choice(PRIORITIES), default="medium", show_default=True)
@click.option("--wait", "waiting", is_flag=True, help="Follow it, and end as it ends.")
@click.option("--seconds", type=click.FloatRange(1, 86_400), default=600.0, show_default=True, help="With --wait.")
@site_option
def run(
    name: str, given: tuple[str, ...], schedule: bool, host: str | None, priority: str, waiting: bool, seconds: float
) -> None:
    """Run the job NAME at once, with arguments. With --wait the exit status is 0 where it completes, else 1."""
    with present_ledger() as ledger:
        desk = Desk(ledger)
        if schedule:
            number = desk.run_schedule(name, getpass.getuser())
        else:
            number = desk.run(name, getpass.getuser(), pairs(given), agent=host, priority=priority)
        click.echo(f"run {number} was submitted: see `catchment jobs logs {number} --follow`")
        if waiting:
            raise SystemExit(wait(ledger, number, seconds))


def pairs(given: tuple[str, ...]) -> dict[str, Any]:
    """Arguments written NAME=VALUE; a value may be JSON."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (equals and name):
            raise click.BadParameter(f"{text!r} sets nothing: write NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            found[name] = value
    return found


@jobs.command("show")
@click.argument("number", metavar="ID", type=_ID)
@json_option
def show(number: int, as_json: bool) -> None:
    """Show run ID: its history, its handlers, what it waits for and what it has called."""
    with present_ledger() as ledger, ledger.reading() as session:
        found = job_lists.tale(session, number)
    if found is None:
        raise Permanent(nothing(number))
    if as_json:
        as_document(found.as_dict())
    else:
        print_tale(found)


@jobs.command("logs")
@click.argument("number", metavar="ID", type=_ID)
@click.option("--follow", "following", is_flag=True, help="Go on with what it logs, and show how far it has come.")
@json_option
def logs(number: int, following: bool, as_json: bool) -> None:
    """Print what run ID has logged."""
    with present_ledger() as ledger:
        with ledger.reading() as session:
            if job_lists.run(session, number) is None:
                raise Permanent(nothing(number))
        if following:
            follow(ledger, number, as_json)
            return
        with ledger.reading() as session:
            lines = job_lists.log(session, number, limit=100_000)
    for line in lines:
        if as_json:
            as_line(line.as_dict())
    if not as_json:
        print_log(lines)


def nothing(number: int) -> str:
    """That there is no such run."""
    return f"there is no run {number}: `catchment jobs list` lists those that there are"


def _mover(name: str, purpose: str, move: Callable[[Desk, int], str]) -> None:
    @jobs.command(name, help=purpose)
    @click.argument("number", metavar="ID", type=_ID)
    @site_option
    def command(number: int) -> None:
        with present_ledger() as ledger:
            state = move(Desk(ledger), number)
        click.echo(f"run {number} is {state}")


_mover("pause", "Call no handler of run ID until it is resumed.", lambda desk, n: desk.pause(n, getpass.getuser()))
_mover("resume", "Let run ID go on after a pause.", lambda desk, n: desk.resume(n, getpass.getuser()))


@jobs.command("cancel")
@click.argument("number", metavar="ID", type=_ID)
@click.option("--reason", help="Why, for its history.")
@site_option
def cancel(number: int, reason: str | None) -> None:
    """End run ID, with all that it has started."""
    with present_ledger() as ledger:
        state = Desk(ledger).cancel(number, getpass.getuser(), reason)
    click.echo(f"run {number} is {state}")


def _switch(name: str, enabled: bool) -> None:
    with present_ledger() as ledger:
        Desk(ledger).switch(name, enabled, getpass.getuser())
    click.echo(f"the schedule {name} is {'active' if enabled else 'inactive'} now, whatever its file says")


@jobs.command("enable")
@click.argument("schedule")
@site_option
def enable(schedule: str) -> None:
    """Have events and clocks start a SCHEDULE."""
    _switch(schedule, True)


@jobs.command("disable")
@click.argument("schedule")
@site_option
def disable(schedule: str) -> None:
    """Have nothing start a SCHEDULE but people."""
    _switch(schedule, False)


@jobs.command("fire")
@click.argument("event")
@click.argument("given", metavar="[NAME=VALUE]...", nargs=-1)
@site_option
def fire(event: str, given: tuple[str, ...]) -> None:
    """Fire an external EVENT that a trigger of the site declares, with what becomes its context."""
    with present_ledger() as ledger:
        number, _ = fire_event(ledger, load_settings(site_root(None)), event, pairs(given), getpass.getuser())
    click.echo(f"event {number} was fired: `catchment why {number}`")


@jobs.command("pack")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("archive", required=False, type=click.Path(dir_okay=False, path_type=Path))
def pack_folder(folder: Path, archive: Path | None) -> None:
    """Pack FOLDER, which holds the job of its name, as an ARCHIVE (default: FOLDER.job)."""
    name = folder.resolve().name
    target = archive or folder.resolve().with_suffix(".job")
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts
    }
    if f"{name}.py" not in files:
        raise Refused(f"{folder} has no {name}.py: the module and the folder have the name of the job")
    complaints = handlers(files[f"{name}.py"])[1]
    if complaints:
        raise Refused(f"{name}.py: {complaints[0]}")
    content = pack(files)
    Archive(content)
    target.write_bytes(content)
    click.echo(f"wrote {target} with {len(files)} files: put it into the folder jobs of your site")
