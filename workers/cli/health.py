"""``catchment health``: whether each role does its work, for people and for probes."""

from __future__ import annotations

import sys

import click
from rich.text import Text

from tasks.ledger import duty
from tasks.model import clock
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.output import as_document, table


@click.command("health")
@click.argument("role", required=False, type=click.Choice(duty.roles()))
@json_option
@site_option
def health(role: str | None, as_json: bool) -> None:
    """Say whether ROLE does its work, or each role where none is named; status 1 where one does not.

    Judged by what the role leaves in the ledger, so that a process which runs and does nothing is found.
    """
    with present_ledger() as ledger, ledger.reading() as session:
        found = {name: duty.complaint(session, name, clock.now()) for name in ([role] if role else duty.roles())}
    if as_json:
        as_document([{"role": name, "ok": why is None, "complaint": why} for name, why in found.items()])
    else:
        rows = [(name, _word(why), why or "") for name, why in found.items()]
        table(("role", "works", "complaint"), rows)
    sys.exit(1 if any(found.values()) else 0)


def _word(why: str | None) -> Text:
    return Text("yes", style="green") if why is None else Text("no", style="bold red")
