"""``catchment rules enable | disable | reset | deploy | history``: what people do with rule events, and its record."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from tasks.effects.table import actions
from tasks.ledger import rules as ledger
from tasks.model import clock
from tasks.model.errors import Permanent
from tasks.rules.definition import RuleSet
from tasks.rules.event_file import read_event
from tasks.rules.read import SUFFIX
from tasks.site.load import load_site, site_root
from workers import readers
from workers.cli.installation import json_option, present_ledger
from workers.cli.output import as_document, table, visible, when
from workers.rule_files import fingerprint, put

#: A file that is not valid (spec orchestrate 12).
INVALID = 3


def _known(name: str) -> None:
    site, _ = load_site(site_root(None), readers.parts(), readers.kinds(), actions())
    found: RuleSet | None = site.part("rules") if site is not None else None
    if found is not None and found.get(name) is None:
        raise Permanent(f"there is no rule event {name!r}: `catchment rules list` lists those of the site")


def _switch(name: str, enabled: bool) -> None:
    _known(name)
    with present_ledger() as present, present.transaction() as session:
        ledger.switch(session, name, enabled, clock.now(), getpass.getuser())
    click.echo(f"{name} is {'enabled' if enabled else 'disabled'}")


@click.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Have rule event NAME asked, whatever its file says."""
    _switch(name, True)


@click.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Have rule event NAME asked no more; how it stands on its objects is kept."""
    _switch(name, False)


@click.command("reset")
@click.argument("name")
@click.option("--object", "key", metavar="ID", help="Only on this object.")
def reset(name: str, key: str | None) -> None:
    """Arm rule event NAME again: where its trigger holds, it fires with the next pass."""
    _known(name)
    with present_ledger() as present, present.transaction() as session:
        armed = ledger.reset(session, name, clock.now(), getpass.getuser(), key)
    click.echo(f"{name} is armed again on {armed} object{'s' * (armed != 1)}")


@click.command("deploy")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check them, and write nothing.")
def deploy(files: tuple[Path, ...], dry_run: bool) -> None:
    """Check rule FILEs and put them into the site: all of them, or none. Running workers take them over by themselves.

    Exits with 3 where one of them cannot be used.
    """
    contents = {path.name: path.read_bytes() for path in files}
    broken = False
    for name, content in contents.items():
        if not name.endswith(SUFFIX):
            raise click.BadParameter(f"{name}: a rule event's file is called NAME{SUFFIX}")
        found, complaints = read_event(content, name.removesuffix(SUFFIX), name)
        for one in complaints:
            click.echo(visible(f"{name}:{one}"), err=True)
        broken |= found is None
    if broken:
        raise SystemExit(INVALID)
    if dry_run:
        click.echo(f"{len(contents)} can be deployed")
        return
    with present_ledger() as present, present.transaction() as session:
        for name, content in sorted(contents.items()):
            stem = name.removesuffix(SUFFIX)
            ledger.note(session, stem, clock.now(), getpass.getuser(), "deployed", fingerprint(content))
        put(site_root(None), contents)
    click.echo(f"deployed: {', '.join(sorted(contents))}")


@click.command("history")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def history(name: str | None, limit: int, as_json: bool) -> None:
    """List what people did with rule events, the newest first. `catchment events --type NAME` lists when one fired."""
    names = ("event", "at", "by", "what", "detail")
    with present_ledger() as present, present.reading() as session:
        found = [{n: getattr(note, n) for n in names} for note in ledger.notes(session, name, limit)]
    if as_json:
        as_document([{**one, "at": one["at"].isoformat()} for one in found])
    else:
        table(names, [[when(v) if n == "at" else v for n, v in one.items()] for one in found])
