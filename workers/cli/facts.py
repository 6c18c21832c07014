"""``catchment facts``: what is known of an object, since when and from whom; and facts that people set."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy.orm import Session

from tasks.conveyor.telling import set_facts
from tasks.ledger import fact_changes, facts
from tasks.ledger.facts import FactRef, Subject, Write
from tasks.ledger.tally import Count
from tasks.model import clock, fact_types
from tasks.model.catalogue import KINDS, catalogue, lookup
from tasks.model.errors import Permanent
from tasks.site.load import site_root
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.output import ago, as_document, short, table, text
from workers.installation import load_settings

#: Who sets facts from here.
OPERATOR = "operator"


class _Facts(click.Group):
    """``catchment facts OBJECT`` shows an object: a word with a slash in it is no command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or ``show`` where an object is named instead."""
        if args and "/" in args[0]:
            return super().resolve_command(ctx, ["show", *args])
        return super().resolve_command(ctx, args)


def _object(thing: str) -> FactRef:
    kind, slash, ident = thing.partition("/")
    if not slash or not ident or kind not in KINDS:
        raise click.BadParameter(f"{thing!r} is no object: write its kind and id, as in vmhost/lab/compute-1")
    return FactRef(kind, ident)


def _subject(session: Session, ref: FactRef) -> Subject:
    found = facts.subjects(session, refs={ref}).get(ref)
    if found is None:
        raise Permanent(f"there is no {ref} that has facts: `catchment facts` lists those that there are")
    return found


@click.group("facts", cls=_Facts, invoke_without_command=True)
@site_option
@json_option
@click.pass_context
def show_facts(context: click.Context, as_json: bool) -> None:
    """Show the facts of OBJECT (KIND/ID) with their age and origin; without one, list the objects that have any."""
    if context.invoked_subcommand is not None:
        return
    with present_ledger() as ledger, ledger.reading() as session:
        found = facts.subjects(session)
    lines = [{"object": str(ref), "facts": len(subject.facts)} for ref, subject in found.items()]
    if as_json:
        as_document(lines)
    else:
        table(("object", "facts"), [tuple(line.values()) for line in lines], right=("facts",))


@show_facts.command("show")
@click.argument("thing", metavar="OBJECT")
@json_option
def show(thing: str, as_json: bool) -> None:
    """Show the facts of OBJECT."""
    now = clock.now()
    with present_ledger() as ledger, ledger.reading() as session:
        found = _subject(session, _object(thing))
    lines = [_line(name, fact, now) for name, fact in sorted(found.facts.items())]
    if as_json:
        as_document({"object": thing, "facts": lines})
        return
    rows = [(x["name"], x["type"], short(x["shown"]), ago(x["age"]), x["origin"], x["state"]) for x in lines]
    table(("fact", "type", "value", "age", "origin", "state"), [(*row[:-1], text(row[-1], "yellow")) for row in rows])


def _line(name: str, fact: Any, now: Any) -> dict[str, Any]:
    gone = fact.value is None
    state = "undefined" if gone else "" if fact.holds(now) else "too old"
    return {
        "name": name,
        "type": fact.type,
        "value": fact_types.plain(fact.value),
        "shown": "-" if gone else fact_types.shown(fact.type, fact.value),
        "age": max(0.0, (now - fact.at).total_seconds()),
        "at": fact.at.isoformat(),
        "origin": fact.origin,
        "state": state,
    }


@show_facts.command("set")
@click.argument("thing", metavar="OBJECT")
@click.argument("name")
@click.argument("value")
@click.option("--type", "kind", type=click.Choice(fact_types.TYPES), help="The type of a fact the catalogue lacks.")
@click.option(
    "--force", is_flag=True, help="Set a fact that Catchment feeds by itself; yours stands until it is unset."
)
def set_fact(thing: str, name: str, value: str, kind: str | None, force: bool) -> None:
    """Set fact NAME of OBJECT to VALUE; elements of an array stand between commas."""
    ref, known, now = _object(thing), lookup(name), clock.now()
    if not name.startswith(f"{ref.kind}."):
        raise click.BadParameter(f"a fact of {ref} begins with {ref.kind}.", param_hint="NAME")
    if known is not None and not known.static and not force:
        raise Permanent(f"{name} is fed by Catchment itself; --force sets it all the same")
    wanted = known.type if known is not None else kind or fact_types.STRING
    given: Any = value.split(",") if fact_types.element_of(wanted) is not None else value
    with present_ledger() as ledger, ledger.transaction() as session:
        count = Count()
        try:
            set_facts(
                session, load_settings(site_root()), now, count, OPERATOR, [Write(ref, name, given, kind or wanted)]
            )
        except fact_types.BadValue as error:
            raise Permanent(str(error)) from error
        count.write(session)
    click.echo(f"{ref}: {name} = {short(value)}")


@show_facts.command("unset")
@click.argument("thing", metavar="OBJECT")
@click.argument("name")
def unset_fact(thing: str, name: str) -> None:
    """Take away fact NAME of OBJECT that somebody has set: what feeds it may set it again."""
    ref = _object(thing)
    with present_ledger() as ledger, ledger.transaction() as session:
        if not fact_changes.rows_of(session, {ref}):
            raise Permanent(f"there is no {ref} that has facts")
        facts.erase(session, clock.now(), OPERATOR, [(ref, name)])
    click.echo(f"{ref}: {name} is what it is fed with")


@show_facts.command("catalogue")
@json_option
def show_catalogue(as_json: bool) -> None:
    """List the facts that Catchment knows of, with their types and meanings."""
    lines = [
        {
            "name": one.name,
            "type": one.type,
            "kind": "static" if one.static else "dynamic",
            "fresh_seconds": one.limit,
            "meaning": one.meaning,
        }
        for one in catalogue().values()
    ]
    if as_json:
        as_document(lines)
    else:
        table(("fact", "type", "kind", "fresh for s", "meaning"), [tuple(line.values()) for line in lines])
