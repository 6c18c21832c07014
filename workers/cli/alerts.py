"""``catchment alerts``: the incidents of alerts, and what people do with them."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import click
from sqlalchemy.orm import Session

from tasks.expressions.delays import read_delay
from tasks.ledger import incident_moves as moves
from tasks.ledger import silences
from tasks.ledger.incident_lists import GROUPS, SEVERITIES, Wanted, groups, incidents, tale
from tasks.ledger.incidents import ACKNOWLEDGED, CLOSED, OPEN, Incident
from tasks.ledger.lines import IncidentGroup, IncidentLine
from tasks.model import clock
from tasks.model.clock import parse_utc
from tasks.model.errors import Permanent
from workers.cli.alerts_output import print_list, print_tale
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.output import as_document, table, when

_ID = click.IntRange(1, 2**63 - 1)
#: A move of one incident: the session, its id, who makes it and when; False where it cannot be made.
Move = Callable[[Session, int, str, datetime], bool]


@click.group("alerts")
@site_option
def alerts() -> None:
    """Incidents: each is one firing of an alert on an object, until it is closed."""


@alerts.command("list")
@click.option("--state", type=click.Choice([OPEN, ACKNOWLEDGED, CLOSED, "all"]), default="all", show_default=True)
@click.option("--alert", help="Only of alerts of this name; may hold * and ?.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only of alerts of this severity.")
@click.option("--object", "resource", metavar="KIND/ID", help="Only on this object.")
@click.option("--provider", help="Only on objects of this provider.")
@click.option("--project", help="Only of events of this project.")
@click.option("--cannot-notify", is_flag=True, help="Only those whose newest notification is dead.")
@click.option("--group-by", type=click.Choice(list(GROUPS)), help="One line for each, instead of the incidents.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_incidents(group_by: str | None, limit: int, as_json: bool, **narrowed: Any) -> None:
    """List incidents, the one that fired last first."""
    wanted = Wanted(**{**narrowed, "state": None if narrowed["state"] == "all" else narrowed["state"]})
    found: list[IncidentGroup] | list[IncidentLine]
    with present_ledger() as ledger, ledger.reading() as session:
        found = groups(session, group_by, wanted, limit=limit) if group_by else incidents(session, wanted, limit=limit)
    if as_json:
        as_document([line.as_dict() for line in found])
    else:
        print_list(group_by, found)


@alerts.command("show")
@click.argument("incident_id", metavar="ID", type=_ID)
@json_option
def show(incident_id: int, as_json: bool) -> None:
    """Show incident ID with its history, what fired it and how its notifications stand."""
    with present_ledger() as ledger, ledger.reading() as session:
        found = tale(session, incident_id)
    if found is None:
        raise Permanent(_nothing(incident_id))
    if as_json:
        as_document(found.as_dict())
    else:
        print_tale(found)


def _nothing(incident_id: int) -> str:
    return f"there is no incident {incident_id}: `catchment alerts list` lists those that there are"


def _move(incident_id: int, move: Move, refused: str, done: str) -> None:
    with present_ledger() as ledger, ledger.transaction() as session:
        if session.get(Incident, incident_id) is None:
            raise Permanent(_nothing(incident_id))
        if not move(session, incident_id, getpass.getuser(), clock.now()):
            raise Permanent(f"incident {incident_id} {refused}")
    click.echo(f"incident {incident_id} {done}")


@alerts.command("ack")
@click.argument("incident_id", metavar="ID", type=_ID)
def acknowledge(incident_id: int) -> None:
    """Say that you look after incident ID. One that is assigned is acknowledged by its assignee alone."""
    refused = "is not open any more, or is assigned to somebody else"
    _move(incident_id, moves.acknowledge, refused, "acknowledged")


@alerts.command("assign")
@click.argument("incident_id", metavar="ID", type=_ID)
@click.argument("to", metavar="WHO")
def assign(incident_id: int, to: str) -> None:
    """Have WHO look after incident ID. An acknowledgement ends with it."""
    if not to.strip():
        raise click.BadParameter("name somebody", param_hint="WHO")
    _move(
        incident_id, lambda s, i, who, now: moves.assign(s, i, to.strip(), who, now), "is closed", f"assigned to {to}"
    )


@alerts.command("comment")
@click.argument("incident_id", metavar="ID", type=_ID)
@click.argument("text")
def comment(incident_id: int, text: str) -> None:
    """Say something of incident ID; it is kept in its history."""
    if not text.strip():
        raise click.BadParameter("say something", param_hint="TEXT")
    _move(incident_id, lambda s, i, who, now: moves.comment(s, i, text, who, now), "is gone", "commented")


@alerts.command("close")
@click.argument("incident_id", metavar="ID", type=_ID)
def close(incident_id: int) -> None:
    """End incident ID; the alert's next firing opens a new one."""
    _move(incident_id, moves.close, "is closed already", "closed")


@alerts.command("reopen")
@click.argument("incident_id", metavar="ID", type=_ID)
def reopen(incident_id: int) -> None:
    """Open incident ID again, unless its alert has opened another one on the object."""
    refused = "is not closed, or its alert has opened another one on the object"
    _move(incident_id, moves.reopen, refused, "is open again")


@alerts.command("silence")
@click.option("--alert", help="Alerts of this name; may hold * and ?.")
@click.option("--provider", help="Objects of this provider.")
@click.option(
    "--object", "target", metavar="KIND[/ID]", help="Objects of this kind, or this one; the id may hold * and ?."
)
@click.option("--severity", type=click.Choice(SEVERITIES), help="Alerts of this severity.")
@click.option("--for", "span", default="1h", show_default=True, help="How long: 90s, 10m, 1h30m, 2d.")
@click.option("--from", "start", help="When it begins (a time, RFC 3339). Default: now.")
@click.option("--comment", required=True, help="Why.")
def silence(
    alert: str | None,
    provider: str | None,
    target: str | None,
    severity: str | None,
    span: str,
    start: str | None,
    comment: str,
) -> None:
    """Keep alerts that match from notifying for a time. Incidents are opened and counted all the same."""
    kind, _, ref = (target or "").partition("/")
    matcher = {"alert": alert, "provider": provider, "kind": kind, "ref": ref, "severity": severity}
    now = clock.now()
    try:
        length, begins = read_delay(span), parse_utc(start) if start else now
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    assert isinstance(length, timedelta)
    with present_ledger() as ledger, ledger.transaction() as session:
        try:
            made = silences.make(session, matcher, (begins, begins + length), comment, getpass.getuser(), now)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        click.echo(f"silence {made.id} until {when(made.ends_at)}")


@alerts.command("silences")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@json_option
def list_silences(everything: bool, as_json: bool) -> None:
    """List silences, the newest first."""
    names = ("id", "alert", "provider", "kind", "ref", "severity", "starts_at", "ends_at", "made_by", "comment")
    with present_ledger() as ledger, ledger.reading() as session:
        found = [
            {n: getattr(s, n) for n in names} for s in silences.listed(session, clock.now(), everything=everything)
        ]
    if as_json:
        as_document([{n: v.isoformat() if isinstance(v, datetime) else v for n, v in line.items()} for line in found])
    else:
        table(
            names, [[when(v) if isinstance(v, datetime) else v for v in line.values()] for line in found], right=("id",)
        )


@alerts.command("unsilence")
@click.argument("silence_id", metavar="ID", type=_ID)
def unsilence(silence_id: int) -> None:
    """End silence ID now."""
    with present_ledger() as ledger, ledger.transaction() as session:
        if not silences.end(session, silence_id, clock.now()):
            raise Permanent(f"silence {silence_id} is over already, or was never made")
    click.echo(f"silence {silence_id} ended")
