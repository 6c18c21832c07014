"""``catchment operate`` and ``catchment operations``: ask for an operation, and see what became of it."""

from __future__ import annotations

import getpass
import json
import time
from typing import Any

import click

from tasks.effects import by_hand
from tasks.ledger.operations import ALLOWED, DECIDING, PREVENTED, UNDECIDED, OperationLine, operations
from tasks.model import clock
from tasks.model.errors import Permanent
from tasks.site.load import site_root
from workers.cli.compliance import object_named
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.output import as_document, short, table, when
from workers.installation import load_settings

#: Pause between two looks with ``--wait``, in seconds.
LOOK = 0.5


@click.command("operate")
@click.argument("provider")
@click.argument("thing", metavar="KIND/ID")
@click.argument("action")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A parameter; the value may be JSON.")
@click.option("--wait", is_flag=True, help="Wait until it is over, and say how it ended.")
@click.option("--seconds", type=click.FloatRange(1, 3600), default=120.0, show_default=True, help="With --wait.")
@site_option
def operate(provider: str, thing: str, action: str, given: tuple[str, ...], wait: bool, seconds: float) -> None:
    """Ask for ACTION on an object, such as `catchment operate lab server/4f1c stop_server`.

    The policies of the event that announces it decide first. With --wait the exit status is 0 where it was
    done, and 1 where it was prevented, could not be decided on, or failed.
    """
    target, settings = object_named(thing), load_settings(site_root(None))
    with present_ledger() as ledger:
        with ledger.transaction() as session:
            number, _ = by_hand.ask(
                session, settings, clock.now(), provider=provider, target=target, action=action,
                params=_parameters(given), who=getpass.getuser(),
            )  # fmt: skip
        click.echo(f"operation {number} was asked for: `catchment operations {number}`, `catchment why {number}`")
        end = time.monotonic() + seconds
        while wait:
            with ledger.reading() as session:
                [line] = operations(session, number=number)
            if line.over:
                click.echo(_sentence(line))
                raise SystemExit(0 if line.effect_state == "done" else 1)
            if time.monotonic() > end:
                raise Permanent(f"operation {number} was not over after {seconds:g} s: do workers run?")
            time.sleep(LOOK)


@click.command("operations")
@click.argument("number", required=False, type=click.IntRange(1, 2**63 - 1))
@click.option("--state", type=click.Choice([DECIDING, ALLOWED, PREVENTED, UNDECIDED]), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
@site_option
def list_operations(number: int | None, state: str | None, limit: int, as_json: bool) -> None:
    """List operations, the newest first, or show one by its NUMBER."""
    with present_ledger() as ledger, ledger.reading() as session:
        found = operations(session, number=number, state=state, limit=limit)
    if number is not None and not found:
        raise Permanent(f"there is no operation {number}: `catchment operations` lists those that there are")
    if as_json:
        as_document([line.as_dict() for line in found])
        return
    columns = ("id", "asked", "provider", "object", "operation", "asked for by", "state", "what became of it")
    rows = [
        (o.id, when(o.asked_at), o.provider, f"{o.kind}/{o.object}", o.action, o.rule, o.state, short(_fate(o), 80))
        for o in found
    ]
    table(columns, rows, right=("id",))


def _parameters(given: tuple[str, ...]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (equals and name):
            raise click.BadParameter(f"{text!r} sets nothing: write --set NAME=VALUE")
        try:
            params[name] = json.loads(value)
        except (ValueError, RecursionError):
            params[name] = value
    return params


def _fate(line: OperationLine) -> str:
    """What became of it, in words."""
    if line.effect_state is None:
        return line.reason or ""
    return f"{line.effect_state}: {line.effect_error}" if line.effect_error else line.effect_state


def _sentence(line: OperationLine) -> str:
    what = f"{line.action} on {line.kind}/{line.object}"
    return f"{what} was {line.state}: {_fate(line)}" if line.effect_state is None else f"{what}: {_fate(line)}"
