"""The tables that migrations make are those that the code works with, on both databases."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, inspect, select

from tasks.ledger import migrate, tables
from tasks.ledger.events import Event
from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent
from tests.ground import caught, count, exact, installed, notice, provider


def test_migrated_tables_are_those_of_the_models(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        options = {"compare_type": True, "render_as_batch": ledger.dialect == "sqlite"}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, tables.METADATA) == []
        found = inspect(connection)
        for table in tables.METADATA.sorted_tables:
            made = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
            assert made == {column.name: column.nullable for column in table.columns}
            assert {i["name"] for i in found.get_indexes(table.name)} >= {i.name for i in table.indexes}


def _shape(connection: Any) -> dict[str, Any]:
    found = inspect(connection)
    return {
        name: sorted((c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name))
        for name in found.get_table_names()
        if name != "alembic_version"
    }


def test_upgrade_of_an_upgraded_ledger_changes_nothing(empty_database: str) -> None:
    ledger = Ledger(empty_database)
    present, wanted = migrate.revisions(ledger)
    assert present is None
    migrate.upgrade(ledger)
    with ledger.engine.connect() as connection:
        first = _shape(connection)
    assert migrate.revisions(ledger) == (wanted, wanted)
    lab = provider(ledger)
    caught(installed(ledger), lab, notice())
    migrate.upgrade(ledger)
    with ledger.engine.connect() as connection:
        assert _shape(connection) == first
    assert count(ledger, Event) == 1
    exact(ledger)
    ledger.close()


def test_processes_that_start_at_once_migrate_once(empty_database: str) -> None:
    ledgers = [Ledger(empty_database) for _ in range(4)]
    gate, failures = threading.Barrier(4), list[BaseException]()

    def start(ledger: Ledger) -> None:
        gate.wait()
        try:
            migrate.upgrade(ledger)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with ledgers[0].reading() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == 0
    for ledger in ledgers:
        assert len(set(migrate.revisions(ledger))) == 1
        ledger.close()


@pytest.mark.parametrize("url", ["mysql://x@127.0.0.1/y", "oracle://x@127.0.0.1/y"])
def test_ledger_in_another_database_is_refused_with_a_way_to_mend_it(url: str) -> None:
    with pytest.raises(Permanent, match="postgresql:// or sqlite:///"):
        Ledger(url)
