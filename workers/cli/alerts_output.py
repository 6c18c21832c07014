"""What ``catchment alerts`` prints of incidents: lists, groups, and one with all that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tasks.ledger.incident_lists import FiringLine, IncidentTale
from tasks.ledger.lines import IncidentGroup, IncidentLine
from workers.cli.output import short, table, visible, when

CANNOT_NOTIFY = "cannot notify"


def print_list(by: str | None, found: Sequence[IncidentGroup] | Sequence[IncidentLine]) -> None:
    """A table of incidents, or of groups by ``by``."""
    if by is None:
        _print_incidents([line for line in found if isinstance(line, IncidentLine)])
    else:
        _print_groups(by, [line for line in found if isinstance(line, IncidentGroup)])


def _print_incidents(found: Sequence[IncidentLine]) -> None:
    columns = ("id", "fired", "alert", "severity", "object", "state", "looked after by", "times", "summary")
    rows = [
        (
            i.id,
            when(i.last_at),
            i.alert,
            i.severity,
            f"{i.kind}/{i.name or i.ref}",
            f"{i.state}, {CANNOT_NOTIFY}" if i.cannot_notify else i.state,
            i.assigned_to or i.acknowledged_by or "",
            i.count,
            i.summary,
        )
        for i in found
    ]
    table(columns, rows, right=("id", "times"))


def _print_groups(by: str, found: Sequence[IncidentGroup]) -> None:
    numbers = ("incidents", "not closed", CANNOT_NOTIFY)
    columns = (by, *(("provider",) if by == "object" else ()), *numbers, "worst", "first", "last")
    rows = [
        (
            g.group if g.group is not None else "none",
            *((g.provider,) if by == "object" else ()),
            g.incidents,
            g.unclosed,
            g.cannot_notify,
            g.worst,
            when(g.first_at),
            when(g.last_at),
        )
        for g in found
    ]
    table(columns, rows, right=numbers)


def print_tale(found: IncidentTale) -> None:
    """One incident, its history, and what fired it."""
    line = found.incident
    click.secho(f"incident {line.id}: {short(line.summary)}", bold=True)
    click.echo(
        f"{visible(line.alert)} ({line.severity}) on {short(f'{line.kind}/{line.ref}', 80)} of {line.provider}: "
        f"{line.state}"
    )
    if line.cannot_notify:
        click.secho(f"{CANNOT_NOTIFY}: its newest notification is dead, so nobody may know of it", fg="red")
    click.echo(
        f"opened {when(line.opened_at)} by event {line.event_id}, fired {line.count} times, last {when(line.last_at)}"
    )
    for note in found.history:
        click.echo(
            f"{when(note.at)} {note.word} by {short(note.who, 80)}{f': {short(note.text)}' if note.text else ''}"
        )
    for firing in found.firings:
        _print_firing(firing)
    if found.cut:
        click.echo("The object has more events; those before were not looked through.")


def _print_firing(firing: FiringLine) -> None:
    verdict = f": {short(firing.verdict)}" if firing.verdict else ""
    head = f"event {firing.event_id} {short(firing.event_type, 80)} {when(firing.occurred_at)}"
    click.echo(f"{head} {firing.relation} it{verdict}")
    for tried in firing.notifications:
        effect = tried.effect
        state = "running" if effect.running else effect.state
        error = f": {short(effect.error)}" if effect.error else ""
        click.echo(f"  effect {effect.id} {effect.action} {state}{error}")
