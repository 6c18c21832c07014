"""``catchment balance``: whether every event is accounted for."""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text

from tasks.ledger.balance import Balance, balance, refresh_balance
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.output import as_document, complain, hint, table

#: The keys of the JSON document, which programs rely on.
KEYS = ("provider", "received", "stored", "duplicate", "rejected", "finished", "pending", "dead", "exact")
_TARGETS = ("requests", "wanted", "reading", "read", "failed")


@click.command("balance")
@json_option
@site_option
@click.pass_context
def show_balance(context: click.Context, as_json: bool) -> None:
    """Show whether every event is accounted for.

    received = stored + duplicate + rejected, and stored = finished + pending + dead, for each provider.
    Raised events count under the provider "internal". Exits with 1 where any balance is not exact.
    """
    with present_ledger() as ledger, ledger.reading() as session:
        lines = balance(session)
        targets = [] if as_json else refresh_balance(session)
    if as_json:
        as_document([{key: line.as_dict()[key] for key in KEYS} for line in lines])
    elif not lines:
        hint("No provider has sent anything yet: `catchment providers test` tells whether they can be reached.")
    else:
        _print(lines, targets)
    for line in lines:
        for fault in line.faults:
            complain(f"{line.provider}: {fault}")
    if not all(line.exact for line in lines):
        context.exit(1)


def _print(lines: list[Balance], targets: list[dict[str, Any]]) -> None:
    rows = [[*(getattr(line, key) for key in KEYS[:-1]), _word(line.exact)] for line in lines]
    table(KEYS, rows, right=KEYS[1:-1])
    wanted = [
        [row["provider"], *(row[key] for key in _TARGETS)] for row in targets if any(row[key] for key in _TARGETS)
    ]
    if wanted:
        click.echo("\nObjects to be read again:")
        table(("provider", *_TARGETS), wanted, right=_TARGETS)


def _word(exact: bool) -> Text:
    return Text("exact", style="green") if exact else Text("not exact", style="bold red")
