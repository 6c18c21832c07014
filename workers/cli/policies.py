"""``catchment policies``: the policies of the site, and what they would conclude on an object."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.tree import Tree

from tasks.effects.table import actions
from tasks.expressions.delays import written
from tasks.model import clock
from tasks.model.errors import SiteInvalid
from tasks.policy.model import PolicySet
from tasks.policy.resolve import Resolved, resolve
from tasks.site.load import load_site, site_root
from workers import readers
from workers.cli.compliance import check_object, object_facts, object_named, show_compliance
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.output import as_document, console, short, table, text
from workers.cli.policy_import import import_policies

_COLOURS = {"matched": "green", "error": "bold red", "true": "green"}
_RESULTS = {True: "true", False: "false"}
_GROUPS = ("all", "any", "not")


@click.group("policies")
@site_option
def policies() -> None:
    """Policies: what they are, what they would conclude, what compliance checks came to; and ManageIQ's."""


def _policies() -> PolicySet:
    site, problems = load_site(site_root(None), readers.parts(), readers.kinds(), actions())
    if site is None:
        mistakes = "\n".join(f"  {problem}" for problem in problems if problem.severity == "error")
        raise SiteInvalid(f"the site has mistakes:\n{mistakes}")
    found: PolicySet = site.part("policies")
    return found


@policies.command("list")
@json_option
def list_policies(as_json: bool) -> None:
    """List the policies of the site."""
    found = [
        {
            "name": p.name,
            "mode": p.mode,
            "target": p.target,
            "on": list(p.on),
            "every": None if p.every is None else written(p.every),
            "active": p.active,
            "conditions": len(p.conditions),
            "then": [w.action for w in p.then],
            "otherwise": [w.action for w in p.otherwise],
            "description": p.description,
        }
        for p in _policies().policies.values()
    ]
    if as_json:
        as_document(found)
        return
    table(
        ("name", "mode", "target", "on", "every", "active", "then", "otherwise"),
        [
            (
                p["name"],
                p["mode"],
                p["target"],
                _few(p["on"]),
                p["every"] or "",
                "yes" if p["active"] else "no",
                _few(p["then"]),
                _few(p["otherwise"]),
            )
            for p in found
        ],
    )


def _few(words: Any) -> str:
    return ", ".join(words)


@policies.command("resolve")
@click.argument("provider")
@click.argument("thing", metavar="KIND/ID")
@click.option("--event", help="Only on this internal event, such as vm_start. Default: on each that a policy names.")
@json_option
def resolve_object(provider: str, thing: str, event: str | None, as_json: bool) -> None:
    """Tell which policies apply to an object as it is known now, with every condition, and what they would do.

    Nothing is done. The exit status is 1 where a policy cannot be judged.
    """
    ref = object_named(thing)
    with present_ledger() as ledger, ledger.reading() as session:
        target = object_facts(session, provider, ref)
    resolved = resolve(_policies(), provider, target, event, clock.now())
    if as_json:
        click.echo(json.dumps([one.as_dict() for one in resolved], ensure_ascii=False, default=str))
    else:
        age = (
            "never read"
            if target.read_at is None
            else f"as read {(clock.now() - target.read_at).total_seconds():.0f} s ago"
        )
        top = Tree(text(f"{thing} of {provider}, {target.state}, {age}", "bold"))
        for one in resolved:
            _branch(top, one)
        if not resolved:
            top.add(text(f"no policy is asked about a {ref.kind}{f' on {event}' if event else ''}"))
        console().print(top)
    raise SystemExit(1 if any(one.verdict == "error" for one in resolved) else 0)


policies.add_command(check_object)
policies.add_command(show_compliance)
policies.add_command(import_policies)


def _branch(top: Tree, one: Resolved) -> None:
    through = f" (profile {', '.join(one.profiles)})" if one.profiles else ""
    here = top.add(text(f"{one.policy}{through} on {one.event}: {one.verdict}", _COLOURS.get(one.verdict, "")))
    for condition in one.conditions:
        label = f"{condition.name}: {condition.result}"
        shown = here.add(text(f"{label}  {short(condition.leaf, 200)}", _COLOURS.get(condition.result, "")))
        if any(word in condition.tree for word in _GROUPS):
            _atoms(shown, condition.tree)
    for action in one.actions:
        here.add(text(f"would do: {action['action']} {short(action['params'], 200)}", "magenta"))


def _atoms(top: Tree, part: dict[str, Any]) -> None:
    """Every comparison of a condition with its own result, under the groups that it stands in."""
    result = _RESULTS.get(part["result"], "unknown")
    word = next((word for word in _GROUPS if word in part), None)
    if word is None:
        leaf = {key: value for key, value in part.items() if key != "result"}
        top.add(text(f"{result}  {short(leaf, 200)}", _COLOURS.get(result, "")))
        return
    here = top.add(text(f"{word}: {result}", _COLOURS.get(result, "")))
    for inner in part[word] if word != "not" else [part[word]]:
        _atoms(here, inner)
