"""What every command knows of the installation: the site that it was pointed at, and its ledger."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent
from tasks.site.load import VARIABLE, site_root
from workers.installation import database_url, ledger_file, load_settings, open_ledger

_F = TypeVar("_F", bound=Callable[..., Any])


def point(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    """Name the site for the rest of the command, and for the processes that it starts."""
    if value is None:
        return
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = value

    def restore() -> None:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before

    context.call_on_close(restore)


def site_option(command: _F) -> _F:
    """``--site``, on the group and on its commands alike: the one given last counts."""
    option = click.option(
        "--site",
        metavar="DIR",
        expose_value=False,
        callback=point,
        help="The site folder. Default: $CATCHMENT_SITE, else ./site.",
    )
    return option(command)


def json_option(command: _F) -> _F:
    """``--json``: for programs."""
    return click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of a table.")(command)


def ledger_of(root: Path) -> Ledger:
    """The ledger of the site in ``root``, to be read. A ledger that is not there is not made.

    Raises :class:`tasks.model.errors.Permanent` where there is none yet.
    """
    settings = load_settings(root)
    file = ledger_file(database_url(settings, root))
    if file is not None and not file.exists():
        raise Permanent(f"there is no ledger yet, {file} is missing: start the workers, or run `catchment db upgrade`")
    return open_ledger(settings, root)


@contextmanager
def present_ledger() -> Iterator[Ledger]:
    """The ledger of the site that the command was pointed at, closed afterwards."""
    ledger = ledger_of(site_root())
    try:
        yield ledger
    finally:
        ledger.close()
