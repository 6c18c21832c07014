"""``catchment rules``: the rule events of the site, how they stand, why, and what they would do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.text import Text

from tasks.constraints.xml import Complaint, schema_names, schema_text
from tasks.effects.table import actions
from tasks.ledger import rules as ledger
from tasks.model import clock
from tasks.model.builtin_events import BUILTINS
from tasks.model.errors import Permanent, SiteInvalid
from tasks.rules.definition import RuleEvent, RuleSet
from tasks.rules.event_file import SCHEMA, read_event
from tasks.rules.explain import explain
from tasks.rules.read import SUFFIX
from tasks.rules.timeline import read_timeline, run
from tasks.site.load import load_site, site_root
from workers import readers
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.output import as_document, console, hint, short, table, text, visible, when
from workers.cli.rule_moves import deploy, disable, enable, history, reset
from workers.installation import load_settings

_COLOURS = {"true": "green", "false": "red", "nothing": "dim"}
#: A file that is not valid (spec orchestrate 12).
INVALID = 3


@click.group("rules")
@site_option
def rules() -> None:
    """Rule events: XML rules over facts that fire once, and again only after the object has recovered."""


for _command in (enable, disable, reset, deploy, history):
    rules.add_command(_command)


def site_rules() -> RuleSet:
    """The rule events of the site. Raises :class:`tasks.model.errors.SiteInvalid` where it has mistakes."""
    site, problems = load_site(site_root(None), readers.parts(), readers.kinds(), actions())
    if site is None:
        mistakes = "\n".join(f"  {problem}" for problem in problems if problem.severity == "error")
        raise SiteInvalid(f"the site has mistakes:\n{mistakes}")
    found: RuleSet = site.part("rules")
    return found


def rule_named(name: str) -> RuleEvent:
    """A rule event of the site. Raises ``Permanent`` where there is none of the name."""
    found = site_rules().get(name)
    if found is None:
        raise Permanent(f"there is no rule event {name!r}: `catchment rules list` lists those of the site")
    return found


def read_file(path: Path) -> tuple[RuleEvent | None, list[Complaint]]:
    """The rule event of a file outside of the site, by the site's time zone where there is a site."""
    root = site_root(None)
    zone = ZoneInfo(load_settings(root).rules.timezone) if (root / "catchment.toml").is_file() else ZoneInfo("UTC")
    return read_event(path.read_bytes(), path.name.removesuffix(SUFFIX), path.name, zone)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@rules.command("check")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=_FILE)
def check(files: tuple[Path, ...]) -> None:
    """Check rule files, or all of the site's. Complaints go to standard error as file:line:column code message.

    Exits with 3 where a file cannot be used.
    """
    paths = list(files) or sorted((site_root(None) / "rules").glob(f"*{SUFFIX}"))
    broken = 0
    for path in paths:
        found, complaints = read_file(path)
        for one in complaints:
            click.echo(visible(f"{path}:{one}"), err=True)
        broken += found is None
    click.echo(f"{len(paths) - broken} of {len(paths)} rule events can be used")
    if broken:
        sys.exit(INVALID)


@rules.command("schema")
@click.argument("name", default=SCHEMA)
def schema(name: str) -> None:
    """Print the published schema of rule events, or another one by its file name."""
    try:
        click.echo(schema_text(Path(name).name), nl=False)
    except FileNotFoundError:
        raise Permanent(f"there is no schema {name!r}: there are {', '.join(schema_names())}") from None


@rules.command("list")
@click.option("--all", "everything", is_flag=True, help="The built-in events, too.")
@json_option
def list_rules(everything: bool, as_json: bool) -> None:
    """List the rule events of the site, and on how many objects each stands how."""
    found = site_rules()
    with present_ledger() as present, present.reading() as session:
        states, switched = ledger.states(session), ledger.switches(session)
    lines = [_line(rule, states, switched) for rule in found.rules]
    if everything:
        lines += [{"name": one.name, "kind": "builtin", "description": one.meaning} for one in BUILTINS.values()]
    if as_json:
        as_document(lines)
        return
    shown = ("context", "mode", "enabled", "pending", "fired", "times")
    rows = [(one["name"], *(one.get(name, "") for name in shown), short(one["description"], 80)) for one in lines]
    table(("name", *shown, "description"), rows, right=("pending", "fired", "times"))


def _line(rule: RuleEvent, states: Any, switched: dict[str, bool]) -> dict[str, Any]:
    mine = [row for row in states if row.event == rule.name and row.definition == rule.definition]
    return {
        "name": rule.name,
        "kind": "rule",
        "context": " ".join([rule.context.iterated or "", *(f"{k}/{i}" for k, i in rule.context.fixed)]).strip(),
        "mode": rule.timing.mode,
        "enabled": switched.get(rule.name, rule.enabled),
        "pending": sum(row.state == ledger.STATE_PENDING for row in mine),
        "fired": sum(row.state == ledger.FIRED for row in mine),
        "times": sum(row.fired for row in mine),
        "severity": rule.severity,
        "definition": rule.definition,
        "description": rule.description,
    }


@rules.command("state")
@click.argument("name")
@json_option
def show_state(name: str, as_json: bool) -> None:
    """Show how rule event NAME stands on each object on which it is not simply armed."""
    rule = rule_named(name)
    with present_ledger() as present, present.reading() as session:
        rows = ledger.states(session, [rule.name])
    names = ("key", "state", "since", "fired_at", "fired", "deadline")
    found = [{n: getattr(row, n) for n in names} for row in rows if row.definition == rule.definition]
    if as_json:
        as_document([{n: v.isoformat() if hasattr(v, "isoformat") else v for n, v in one.items()} for one in found])
    else:
        table(names, [[when(v) if hasattr(v, "isoformat") else v for v in one.values()] for one in found])


@rules.command("explain")
@click.argument("name", metavar="RULE")
@click.argument("thing", metavar="OBJECT", default="")
@click.option("--disable", "disabled", multiple=True, metavar="PATH", help="Take this constraint to hold: trigger/1.")
@json_option
def explain_rule(name: str, thing: str, disabled: tuple[str, ...], as_json: bool) -> None:
    """Judge RULE on OBJECT now, and show every constraint with what it saw. Nothing is changed."""
    rule = rule_named(name)
    key = thing.removeprefix(f"{rule.context.iterated}/")
    with present_ledger() as present, present.reading() as session:
        found = explain(session, rule, key, clock.now(), disabled)
    if as_json:
        as_document(found)
        return
    click.echo(f"{found['rule']} on {visible(found['object'] or 'its fixed objects')}: {found['state']}")
    for section in ("trigger", "reset"):
        for step in found[section] or ():
            console().print(_told(step))


def _told(step: dict[str, Any]) -> Text:
    detail = step["detail"]
    line = Text("  " * step["path"].count("/"))
    line.append(f"{step['outcome']:<8}", style=_COLOURS[step["outcome"]])
    line.append(f"{step['path']} {step['tag']}")
    if "fact" in detail:
        line.append(f" {detail['fact']}")
        line.append_text(text(f" = {short(detail['value'])} ({detail['age']:g} s old)" if "age" in detail else " ?"))
    right = detail.get("right value", detail.get("right"))
    line.append_text(text(f" against {short(right)}" if right is not None else ""))
    for name in ("note", "reason"):
        line.append_text(text(f"; {short(detail[name])}" if name in detail else "", "yellow"))
    if step["disabled"]:
        line.append("; taken to hold", style="yellow")
    return line


@rules.command("test")
@click.argument("file", type=_FILE)
@click.option("--rule", "named", type=_FILE, help="The rule's file. Default: the rule that FILE names, of the site.")
@json_option
def test(file: Path, named: Path | None, as_json: bool) -> None:
    """Let a rule run along the facts in FILE, offline, and print what would fire when.

    Exits with 1 where FILE says what is expected and something else came.
    """
    timeline = read_timeline(file.read_bytes())
    tried = run(_rule_of(timeline.rule, file, named), timeline)
    if as_json:
        told = [{"at": h.at, "event": h.event, "context": h.context, "objects": h.objects} for h in tried.happened]
        as_document({"happened": told, "states": tried.states, "passes": tried.passes, "wrong": tried.wrong})
    else:
        table(("second", "event", "objects"), [(h.at, h.event, ", ".join(h.objects)) for h in tried.happened])
        hint(f"{tried.passes} passes")
        for line in tried.wrong:
            click.secho(visible(line), fg="red", err=True)
    if tried.wrong:
        sys.exit(1)


def _rule_of(name: str | None, file: Path, named: Path | None) -> RuleEvent:
    beside = file.parent / name if name and name.endswith(SUFFIX) else None
    path = named or beside
    if path is None:
        if name is None:
            raise Permanent("the timeline names no rule: write rule: NAME in it, or give --rule")
        return rule_named(name)
    if not path.is_file():
        raise Permanent(f"there is no file {path}")
    found, complaints = read_file(path)
    if found is None:
        raise Permanent("\n".join(f"{path}:{one}" for one in complaints))
    return found
