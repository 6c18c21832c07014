"""``catchment alerts``: the incidents of alerts, and what people do with them."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import datetime

import click
from sqlalchemy.orm import Session

from tasks.ledger import incident_moves as moves
from tasks.ledger import listing
from tasks.ledger.incidents import ACKNOWLEDGED, CLOSED, OPEN, Incident
from tasks.ledger.selects import incident_lines, read_incidents
from tasks.model import clock
from tasks.model.errors import Permanent
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.output import as_document, short, table, when

_ID = click.IntRange(1, 2**63 - 1)
#: A move of one incident: the session, its id, who makes it and when; False where it cannot be made.
Move = Callable[[Session, int, str, datetime], bool]


@click.group("alerts")
@site_option
def alerts() -> None:
    """Incidents: each is one firing of an alert on an object, until it is closed."""


@alerts.command("list")
@click.option("--state", type=click.Choice([OPEN, ACKNOWLEDGED, CLOSED, "all"]), default="all", show_default=True)
@click.option("--project", help="Only of events of this project.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_incidents(state: str, project: str | None, limit: int, as_json: bool) -> None:
    """List incidents, the one that fired last first."""
    with present_ledger() as ledger, ledger.reading() as session:
        wanted = None if state == "all" else state
        found = listing.incidents(session, state=wanted, project=project, limit=limit)
    if as_json:
        as_document([line.as_dict() for line in found])
        return
    columns = ("id", "fired", "alert", "severity", "object", "state", "looked after by", "times", "summary")
    rows = [
        (
            i.id,
            when(i.last_at),
            i.alert,
            i.severity,
            f"{i.kind}/{i.name or i.ref}",
            i.state,
            i.assigned_to or i.acknowledged_by or "",
            i.count,
            i.summary,
        )
        for i in found
    ]
    table(columns, rows, right=("id", "times"))


@alerts.command("show")
@click.argument("incident_id", metavar="ID", type=_ID)
@json_option
def show(incident_id: int, as_json: bool) -> None:
    """Show incident ID with its history."""
    with present_ledger() as ledger, ledger.reading() as session:
        found = read_incidents(session, incident_lines().where(Incident.id == incident_id))
        notes = moves.history(session, incident_id)
    if not found:
        raise Permanent(_nothing(incident_id))
    [line] = found
    if as_json:
        history = [{"at": note.at.isoformat(), "who": note.who, "word": note.word, "text": note.text} for note in notes]
        as_document({**line.as_dict(), "history": history})
        return
    click.secho(f"incident {line.id}: {short(line.summary)}", bold=True)
    click.echo(f"{line.alert} ({line.severity}) on {line.kind}/{short(line.ref, 80)} of {line.provider}: {line.state}")
    click.echo(
        f"opened {when(line.opened_at)} by event {line.event_id}, fired {line.count} times, last {when(line.last_at)}"
    )
    for note in notes:
        click.echo(
            f"{when(note.at)} {note.word} by {short(note.who, 80)}{f': {short(note.text)}' if note.text else ''}"
        )


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
    """Say that you look after incident ID."""
    _move(incident_id, moves.acknowledge, "is not open any more", "acknowledged")


@alerts.command("assign")
@click.argument("incident_id", metavar="ID", type=_ID)
@click.argument("to", metavar="WHO")
def assign(incident_id: int, to: str) -> None:
    """Have WHO look after incident ID."""
    _move(incident_id, lambda s, i, who, now: moves.assign(s, i, to, who, now), "is closed", f"assigned to {to}")


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
