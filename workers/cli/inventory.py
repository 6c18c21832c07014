"""``catchment inventory``: what Catchment knows of the providers' objects."""

from __future__ import annotations

import click

from tasks.ledger import listing
from tasks.ledger.inventory import GONE, KNOWN, STUB
from tasks.ledger.lines import ChangeLine, ObjectDetail
from tasks.model.errors import Permanent
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.inventory_refresh import refresh
from workers.cli.output import as_document, hint, short, table, text


@click.group("inventory", invoke_without_command=True)
@click.option("--provider", help="Only objects of this provider.")
@click.option("--kind", help="Only objects of this kind.")
@click.option("--state", type=click.Choice([KNOWN, STUB, GONE]), help="Only objects in this state.")
@click.option("--name", help="Only objects of this name; * and ? stand for any characters and for one.")
@click.option("--project", help="Only objects of this project.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, help="Objects at the most.")
@json_option
@site_option
@click.pass_context
def inventory(
    context: click.Context,
    provider: str | None,
    kind: str | None,
    state: str | None,
    name: str | None,
    project: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List inventory objects, show one, or read them now.

    A stub is an object that an event named and nobody has read yet; one that is gone stays with its history.
    """
    if context.invoked_subcommand is not None:
        return
    with present_ledger() as ledger, ledger.reading() as session:
        found = listing.inventory(
            session, provider=provider, kind=kind, state=state, project=project, name=name, limit=limit
        )
    if as_json:
        as_document([line.as_dict() for line in found])
        return
    if not found:
        filtered = any(value is not None for value in (provider, kind, state, name, project))
        nothing = "Inventory is empty: it fills with the first refresh. See `catchment providers list`."
        hint("No object fits these filters." if filtered else nothing)
        return
    rows = [(line.provider, line.kind, line.ref, line.name, line.state, line.tenant_id, line.read_at) for line in found]
    table(("provider", "kind", "id", "name", "state", "project", "read"), rows)
    if len(found) == limit:
        hint(f"The list ends after {limit}: --limit shows more, filters show less.")


inventory.add_command(refresh)


@inventory.command("show")
@click.argument("provider")
@click.argument("thing", metavar="KIND/ID")
@click.option("--history", is_flag=True, help="Its changes too, each with the event that led to the read.")
@json_option
@site_option
def show(provider: str, thing: str, history: bool, as_json: bool) -> None:
    """Show one object: its facts as last read."""
    kind, slash, ref = thing.partition("/")
    if not (slash and kind and ref):
        raise click.BadParameter(
            f"{thing!r} is no object: write its kind and id, as in server/4f1c", param_hint="KIND/ID"
        )
    with present_ledger() as ledger, ledger.reading() as session:
        found = listing.inventory_object(session, provider, kind, ref)
    if found is None:
        raise Permanent(f"{provider} has no {thing} that Catchment knows of: `catchment inventory` lists what it knows")
    if as_json:
        known = found.as_dict()
        as_document(known if history else {key: value for key, value in known.items() if key != "changes"})
        return
    _print(found)
    if history:
        _print_history(found.changes)


def _print(found: ObjectDetail) -> None:
    facts: list[tuple[str, object]] = [
        ("provider", found.provider),
        ("object", f"{found.kind}/{found.ref}"),
        ("name", found.name),
        ("state", found.state),
        ("project", found.tenant_id),
        ("seen", found.seen_at),
        ("read", found.read_at),
        ("gone", found.gone_at),
        ("refresh", found.refresh.state if found.refresh else None),
    ]
    rows: list[tuple[object, object]] = [(text(name, "bold"), value) for name, value in facts if value is not None]
    rows += [(text(name), text(_value(value))) for name, value in sorted(found.attributes.items())]
    table(("", ""), rows)


def _value(value: object) -> str:
    return "-" if value is None else short(value)


def _print_history(changes: list[ChangeLine]) -> None:
    click.echo("")
    if not changes:
        hint("Nothing has changed since it was first read.")
        return
    rows = []
    for line in changes:
        names = sorted({*line.before, *line.after})
        told = ", ".join(f"{name}: {_value(line.before.get(name))} → {_value(line.after.get(name))}" for name in names)
        rows.append((line.at, line.verdict, line.event_id, line.event_type, told))
    table(("at", "verdict", "event", "type", "what changed"), rows, right=("event",))
