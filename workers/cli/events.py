"""``catchment events``: list events, or follow them as they come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click
from rich.text import Text

from tasks.conveyor.order import ORDER
from tasks.ledger import listing
from tasks.ledger.events import DEAD, FINISHED, PENDING
from tasks.ledger.lines import EventLine
from workers.cli.follow import Wanted, follow
from workers.cli.installation import present_ledger, site_option
from workers.cli.output import as_line, console, hint, short, table, text, when
from workers.cli.retry import moment

_COLOURS = {FINISHED: "green", DEAD: "bold red", PENDING: "yellow"}


class Moment(click.ParamType[datetime]):
    """A point in time: RFC 3339, or how long ago (``30m``, ``2h``, ``1d``)."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment that a text means; fails with a usage error for any other text."""
        if isinstance(value, datetime):
            return value
        try:
            return moment(str(value))
        except OverflowError:
            self.fail(f"{str(value)!r} lies outside the calendar", param, ctx)


@click.command("events")
@click.option("--provider", help='Only of this provider; "internal" for raised events.')
@click.option("--type", "event_type", help="Only of this type; * and ? stand for any characters and for one.")
@click.option("--resource", metavar="KIND/ID", help="Only about this object; an id alone does as well.")
@click.option("--project", help="Only of this project.")
@click.option("--since", type=Moment(), help="Only what happened since then: a time, or 2h for two hours ago.")
@click.option("--until", type=Moment(), help="Only what happened before then.")
@click.option("--state", type=click.Choice([PENDING, FINISHED, DEAD]), help="Only events in this state.")
@click.option("--stage", type=click.Choice(ORDER), help="Only what stands before this stage, or died at it.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Events at the most.")
@click.option("--oldest", is_flag=True, help="Begin at the oldest end.")
@click.option("--follow", "go_on", is_flag=True, help="Go on with new events as they come, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs, one object a line.")
@site_option
def list_events(
    provider: str | None,
    event_type: str | None,
    resource: str | None,
    project: str | None,
    since: datetime | None,
    until: datetime | None,
    state: str | None,
    stage: str | None,
    limit: int,
    oldest: bool,
    go_on: bool,
    as_json: bool,
) -> None:
    """List events, the newest first.

    With --follow the last ones come first, then each new one, once, as soon as it is there.
    """
    wanted = Wanted(provider, event_type, resource, project, since, until)
    with present_ledger() as ledger:
        if go_on:
            if state or stage or oldest:
                raise click.UsageError("--follow shows events as they come in: leave out --state, --stage and --oldest")
            follow(ledger, wanted, limit, _write_json if as_json else _write_row)
            return
        with ledger.reading() as session:
            filters = wanted._asdict()
            found = listing.events(session, **filters, state=state, stage=stage, limit=limit, newest_first=not oldest)
    if as_json:
        _write_json(found)
    elif found:
        _print(found, limit)
    else:
        filtered = any(value is not None for value in (*wanted, state, stage))
        hint("No event fits these filters." if filtered else "No events yet: see `catchment providers list`.")


def _print(found: Sequence[EventLine], limit: int) -> None:
    rows = [(line.id, *_cells(line)) for line in found]
    table(("id", "happened", "provider", "type", "object", "state"), rows, right=("id",))
    if len(found) == limit:
        hint(f"The list ends after {limit}: --limit shows more, filters show less.")


def _write_json(found: Sequence[EventLine]) -> None:
    for line in found:
        as_line(line.as_dict())


def _write_row(found: Sequence[EventLine]) -> None:
    out = console()
    for line in found:
        happened, provider, kind, thing, state = _cells(line)
        row = Text(f"{line.id:>8}  ").append_text(happened).append("  ").append_text(provider)
        row.append("  ").append_text(kind).append("  ").append_text(thing).append("  ").append_text(state)
        out.print(row, soft_wrap=True)
    out.file.flush()


def _cells(line: EventLine) -> tuple[Text, Text, Text, Text, Text]:
    provider = f"{line.provider} (raised)" if line.raised else line.provider
    return (
        text(when(line.occurred_at)),
        text(short(provider, 40)),
        text(short(line.event_type, 60), "bold"),
        text(thing_of(line)),
        text(standing(line), _COLOURS.get(line.state, "")),
    )


def thing_of(line: EventLine) -> str:
    """The object that an event is about, as people name it."""
    if not line.resource_kind or not line.resource_id:
        return "-"
    name = f" ({short(line.resource_name, 40)})" if line.resource_name else ""
    return f"{short(line.resource_kind, 30)}/{short(line.resource_id, 60)}{name}"


def standing(line: EventLine) -> str:
    """Where an event stands, in a few words."""
    late = ", late" if line.late else ""
    if line.state == PENDING:
        tries = f" after {line.attempts} tries" if line.attempts else ""
        return f"pending before {line.stage}{tries}{late}"
    if line.state == DEAD:
        return f"dead at {line.stage}{late}"
    return f"{line.state}{late}"
