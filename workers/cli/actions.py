"""``catchment actions``: the sections of ``actions/*.conf``, and what each would run on a given message."""

from __future__ import annotations

import json
import shlex
from typing import Any, BinaryIO

import click

from tasks.alert.scripts.section import ASKED, ScriptActions
from tasks.model.errors import CatchmentError
from tasks.site.contracts import Site
from tasks.site.load import site_root
from workers.cli.installation import json_option, site_option
from workers.cli.output import as_document, table
from workers.cli.simulate import chosen_provider, lines_of, read_site
from workers.simulation import Simulated, Simulation


@click.group("actions")
@site_option
def script_actions() -> None:
    """Script actions: what stands in actions/*.conf, and what would run."""


@script_actions.command("list")
@json_option
def list_actions(as_json: bool) -> None:
    """List the sections with their events, filters and scripts."""
    found: ScriptActions = read_site(site_root(None)).part("actions")
    rows = [
        {
            "section": section.label,
            "events": list(section.events),
            "levels": sorted(section.levels) if section.levels is not None else None,
            "filters": {one.key: one.pattern for one in section.filters},
            "command": list(section.command),
            "params": list(section.params),
            "leading_dash": section.dash,
            "timeout_seconds": section.timeout_seconds,
        }
        for section in found.sections
    ]
    if as_json:
        as_document(rows)
        return
    table(("section", "events", "where", "runs"), [_row(row) for row in rows])


@script_actions.command("try")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--provider", help="The provider that sent it. Default: the site's only one.")
@json_option
def try_actions(file: BinaryIO, provider: str | None, as_json: bool) -> None:
    """Tell for raw messages, one body a line, which sections would run what, and why others would not.

    Nothing is run and nothing is stored. The exit status is 1 where a message cannot be read.
    """
    site = read_site(site_root(None))
    simulation = Simulation(site, chosen_provider(site, provider), {})
    told: list[dict[str, Any]] = []
    for number, line in lines_of(file):
        try:
            told += [{"line": number, **_told(site, event)} for event in simulation.run(line)]
        except CatchmentError as error:
            told.append({"line": number, "error": str(error)})
    if as_json:
        as_document(told)
    else:
        for one in told:
            _print(one)
    raise SystemExit(1 if any("error" in one for one in told) else 0)


def _told(site: Site, event: Simulated) -> dict[str, Any]:
    """What the sections conclude on one event, those that do not name its type left out."""
    commands = {ask.rule: ask.params["command"] for ask in event.asks if ask.rule.startswith("script-action:")}
    sections = [
        {
            "section": finding.name,
            "verdict": finding.verdict,
            "command": commands.get(f"script-action:{finding.name}"),
            "detail": finding.detail,
        }
        for finding in event.findings.get("alert", ())
        if finding.kind == "script action"
    ]
    failed = {"error": event.error} if event.error else {}
    return {
        "event_type": event.facts.event_type,
        "target": str(event.facts.ref() or ""),
        "sections": sections,
        **failed,
    }


def _print(one: dict[str, Any]) -> None:
    if "sections" not in one:
        click.echo(f"line {one['line']}: {_visible(one['error'])}")
        return
    click.echo(f"line {one['line']}: {_visible(one['event_type'])} {_visible(one['target'])}")
    for section in one["sections"]:
        if section["verdict"] == ASKED:
            click.echo(f"  {section['section']} would run: {_visible(shlex.join(section['command']))}")
        else:
            reason = json.dumps(section["detail"], ensure_ascii=True)
            click.echo(f"  {section['section']}: {section['verdict']} {reason}")
    if not one["sections"]:
        click.echo("  no section names this event")
    if "error" in one:
        click.echo(f"  it would fail: {_visible(one['error'])}")


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    where = " ".join(f"{key}={pattern}" for key, pattern in row["filters"].items())
    given = " ".join(f"<{key}>" for key in row["params"])
    return row["section"], " ".join(row["events"]), where, f"{' '.join(row['command'])} {given}".strip()


def _visible(text: str) -> str:
    """Text from a message, unable to move the cursor or to make a second line."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
