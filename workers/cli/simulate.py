"""``catchment simulate``: take a raw notification through all stages offline, and print what would happen."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from tasks.conveyor.order import ORDER
from tasks.effects.table import actions
from tasks.model.errors import CatchmentError
from tasks.model.event import ObjectRef
from tasks.site.contracts import Site
from tasks.site.load import load_site, site_root
from workers import readers
from workers.cli import delivery
from workers.cli.domains import domains_option
from workers.simulation import Simulated, Simulation

#: A line of the file is read to this length.
LONGEST_LINE = 16 * 1024 * 1024


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--provider", help="The provider that sent it. Default: the site's only one.")
@click.option(
    "--object",
    "objects",
    multiple=True,
    metavar="KIND/ID={JSON}",
    help="An inventory object's attributes, as the rules would see it.",
)
@click.option("--uri", help="Instead of notifications: an Automate address, as /System/Process/Event?event_type=x.")
@click.option("--event", "named", metavar="NS/SOURCE/TYPE", help="Instead: an event, as EmsEvent/OPENSTACK/x.")
@click.option("--root", "roots", multiple=True, metavar="NAME=VALUE", help="With --uri or --event: a root attribute.")
@domains_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each event, raised ones too.")
@click.option("--site", "site", help="The site folder.")
def simulate(
    file: Any,
    *,
    provider: str | None,
    objects: tuple[str, ...],
    uri: str | None,
    named: str | None,
    roots: tuple[str, ...],
    domains: Path | None,
    as_json: bool,
    site: str | None,
) -> None:
    """Take raw notifications, one JSON body a line, through all stages of the site.

    With --uri or --event: show the tree of objects that the Automate domains build, with every relationship,
    method, substitution and skipped field; methods that act outside are told and not carried out.

    Nothing is stored, nothing is read from a cloud, and effects are printed instead of executed. The exit
    status is 1 if an event fails at a stage.
    """
    if uri is not None or named is not None:
        raise SystemExit(delivery.show(uri, named, roots, domains, site, as_json=as_json))
    if domains is not None or roots:
        raise click.UsageError("--domains and --root go with --uri or --event")
    present = read_site(site_root(site))
    chosen = chosen_provider(present, provider)
    simulation = Simulation(present, chosen, dict(_object(text) for text in objects))
    failed = False
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    for number, line in lines_of(file):
        try:
            events = simulation.run(line)
        except CatchmentError as error:
            failed = True
            click.echo(
                json.dumps({"line": number, "error": str(error)}) if as_json else f"line {number}: {error}",
                err=not as_json,
            )
            continue
        for event in events:
            failed |= event.error is not None
            if as_json:
                click.echo(json.dumps(event.as_dict(), ensure_ascii=False))
            else:
                console.print(_tree(event))
    raise SystemExit(1 if failed else 0)


def read_site(root: Path) -> Site:
    """The site in this folder. Raises a ``ClickException`` with all its mistakes."""
    site, problems = load_site(root, readers.parts(), readers.kinds(), actions())
    if site is None:
        raise click.ClickException(
            "the site has mistakes:\n" + "\n".join(f"  {p}" for p in problems if p.severity == "error")
        )
    return site


def chosen_provider(site: Site, wanted: str | None) -> str:
    """The provider that is meant: the one that is named, or the only one."""
    if wanted is None and len(site.providers) == 1:
        return next(iter(site.providers))
    if wanted is None or wanted not in site.providers:
        known = ", ".join(sorted(site.providers)) or "none yet; name one in providers.yaml"
        raise click.ClickException(f"name the provider that sent it with --provider; the site has: {known}")
    return wanted


def _object(text: str) -> tuple[ObjectRef, Mapping[str, Any]]:
    where, _, attributes = text.partition("=")
    kind, _, identifier = where.partition("/")
    try:
        value = json.loads(attributes or "{}")
    except ValueError as error:
        raise click.BadParameter(f"{attributes!r} is no JSON: {error}") from error
    if not (kind and identifier and isinstance(value, dict)):
        raise click.BadParameter(
            f'{text!r}: write KIND/ID={{"attribute": value}}, as in server/42={{"status": "SHUTOFF"}}'
        )
    return ObjectRef(kind, identifier), value


def lines_of(file: Any) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, with their numbers."""
    for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
        if line.strip():
            yield number, line


def _short(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)[:300]


def _tree(event: Simulated) -> Tree:
    facts = event.facts
    about = f"{facts.resource_kind or '-'}/{facts.resource_id or '-'}"
    tree = Tree(
        Text.assemble(
            (facts.event_type, "bold"), f"  {about}  {'raised' if event.depth else facts.occurred_at.isoformat()}"
        )
    )
    for stage in ORDER:
        if stage not in event.findings:
            continue
        branch = tree.add(Text(stage, style="cyan"))
        for finding in event.findings[stage]:
            detail = _short(finding.detail) if finding.detail else ""
            branch.add(Text(f"{finding.kind} {finding.name}: {finding.verdict} {detail}"[:400]))
    for ask in event.asks:
        tree.add(
            Text(
                f"would do: {ask.action} {_short(ask.params)}  (by {ask.rule})",
                style="magenta",
            )
        )
    for firing in event.firings:
        tree.add(Text(f"would open an incident: {firing.alert} on {firing.target}: {firing.summary}", style="red"))
    for target in event.targets:
        tree.add(Text(f"would read: {target}", style="green"))
    if event.error:
        tree.add(Text(f"fails at {event.failed_at}: {event.error}", style="bold red"))
    for child in event.children:
        tree.add(_tree(child))
    return tree
