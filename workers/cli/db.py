"""``catchment db``: bring the ledger's tables up to this release, or check whether they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from tasks.ledger import migrate
from tasks.ledger.session import Ledger
from tasks.ledger.tables import METADATA
from tasks.site.load import site_root
from workers.cli.installation import present_ledger, site_option
from workers.cli.output import complain
from workers.installation import load_settings, open_ledger


@click.group("db")
@site_option
def db() -> None:
    """Bring the ledger's tables up to this release, or check them."""


@db.command("upgrade")
@site_option
def upgrade() -> None:
    """Run the migrations that are missing. Safe while workers run, and from several hosts at once."""
    root = site_root()
    ledger = open_ledger(load_settings(root), root)
    try:
        before, _ = migrate.revisions(ledger)
        migrate.upgrade(ledger)
        after, _ = migrate.revisions(ledger)
    finally:
        ledger.close()
    if before == after:
        click.echo(f"the ledger is at revision {after} already")
    else:
        click.echo(f"the ledger is at revision {after} now (before: {before or 'empty'})")


@db.command("check")
@site_option
@click.pass_context
def check(context: click.Context) -> None:
    """Say whether the tables are those of this release. Exits with 1 where they are not."""
    with present_ledger() as ledger:
        present, wanted = migrate.revisions(ledger)
        differing = sorted(differing_tables(ledger))
    if present == wanted and not differing:
        click.echo(f"the ledger is at revision {present}, no table differs")
        return
    number = f"{len(differing)} table{'s' * (len(differing) != 1)}"
    verb = "differs" if len(differing) == 1 else "differ"
    listed = f" ({', '.join(differing)})" if differing else ""
    complain(f"the ledger is at revision {present or 'none'}, this release wants {wanted}; {number} {verb}{listed}")
    if present != wanted:
        complain("run `catchment db upgrade`")
    else:
        complain("somebody changed the tables by hand: put back what they had, or restore a copy of the ledger")
    context.exit(1)


def differing_tables(ledger: Ledger) -> set[str]:
    """The names of tables that are not as this release has them; tables of others are passed over."""
    with ledger.engine.connect() as connection:
        compared = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _is_ours})
        return set(_names(compare_metadata(compared, METADATA)))


def _is_ours(item: Any, name: str | None, kind: str, reflected: bool, _other: Any) -> bool:
    table = name if kind == "table" else getattr(getattr(item, "table", None), "name", None)
    return table in METADATA.tables


def _names(differences: Iterable[Any]) -> Iterable[str]:
    """The tables that a comparison is about: Alembic gives tuples, and lists of them."""
    for difference in differences:
        if isinstance(difference, list):
            yield from _names(difference)
            continue
        subject = difference[1]
        if difference[0].endswith("_table"):
            yield str(subject.name)
        elif getattr(subject, "table", None) is not None:
            yield str(subject.table.name)
        else:
            # Differences of columns name schema and table before the column.
            yield str(difference[2])
