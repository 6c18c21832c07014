"""What every process does first: find the site, set up logs, the ledger and the installation."""

from __future__ import annotations

import gc
from pathlib import Path

import structlog

from tasks.conveyor.installation import Installation, install
from tasks.effects.table import actions
from tasks.ledger import migrate
from tasks.model.errors import Permanent
from tasks.providers.table import kinds
from tasks.site.holder import SiteHolder
from tasks.site.load import site_root
from workers import readers
from workers.installation import load_settings, open_ledger

log = structlog.get_logger(__name__)


def settle() -> None:
    """Take what was loaded at the start out of the garbage collector's sight, and let it look less often.

    A batch makes some ten thousand short-lived values; searching all modules and the whole site for each
    few hundred of them took more time than the work itself.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def build(root: Path | None = None) -> Installation:
    """The installation of a site folder (default: ``CATCHMENT_SITE``, else ``./site``), connected on first use."""
    folder = root or site_root()
    ledger = open_ledger(load_settings(folder), folder)
    return Installation(ledger, SiteHolder(folder, readers.parts(), kinds(), actions()))


def start(root: Path | None = None) -> Installation:
    """Build the installation of this process, bring an embedded ledger up to date, and set it for the doors.

    A ledger on PostgreSQL is upgraded by ``catchment db upgrade`` and not in passing. Raises ``Permanent``
    where it is behind, ``SiteInvalid`` where the site has mistakes.
    """
    present = build(root)
    if present.ledger.dialect == "sqlite":
        migrate.upgrade(present.ledger)
    else:
        revision, wanted = migrate.revisions(present.ledger)
        if migrate.is_newer(present.ledger, revision):
            # Migrations only add: while a new release is rolled out, workers of this one go on beside it.
            log.warning("the ledger is of a newer release", revision=revision, ours=wanted)
        elif revision != wanted:
            raise Permanent(
                f"the ledger is at revision {revision or 'none'} and this release needs {wanted}: "
                "run `catchment db upgrade`"
            )
    _ = present.site
    install(present)
    settle()
    return present
