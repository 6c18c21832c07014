"""Bring the ledger's tables up to this release, and say whether they are."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from tasks.ledger.session import Ledger

#: Two processes that start at once migrate one after the other.
_MIGRATION_LOCK = 0x4D49


def upgrade(ledger: Ledger, revision: str = "head") -> None:
    """Run all migrations that are missing. Safe to call from several processes at once."""
    with ledger.engine.connect() as connection:
        if ledger.dialect == "postgresql":
            connection.execute(text("SET statement_timeout = 0; SET lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_lock(:k)"), {"k": _MIGRATION_LOCK})
            connection.commit()
        else:
            connection = connection.execution_options(catchment_immediate=True)
        try:
            with connection.begin():
                command.upgrade(_config(connection), revision)
        finally:
            if ledger.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_unlock(:k)"), {"k": _MIGRATION_LOCK})
                connection.commit()


def revisions(ledger: Ledger) -> tuple[str | None, str | None]:
    """The revision that the tables are at (None: empty database), and the one of this release."""
    with ledger.engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
        wanted = ScriptDirectory.from_config(_config(connection)).get_current_head()
    return present, wanted


def is_newer(ledger: Ledger, revision: str | None) -> bool:
    """Whether a revision is one that this release does not know: that of a later one."""
    with ledger.engine.connect() as connection:
        script = ScriptDirectory.from_config(_config(connection))
    return revision is not None and revision not in {known.revision for known in script.walk_revisions()}


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
