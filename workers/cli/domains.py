"""The domains that a command works on: those of a folder or a zip, or those of the site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tasks.effects.table import actions
from tasks.model.errors import SiteInvalid
from tasks.site.load import load_site, site_root
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.offline import load_folder
from workers import readers


def domains_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--domains``: a folder of domains instead of the site, with no ledger and no broker."""
    return click.option(
        "--domains",
        metavar="DIR",
        type=click.Path(exists=True, path_type=Path),
        help="A folder of domains, or a zip, instead of the site's.",
    )(command)


def datastore(domains: Path | None) -> Datastore:
    """The domains. Raises :class:`tasks.model.errors.SiteInvalid` with every mistake in them."""
    if domains is None:
        site, problems = load_site(site_root(None), readers.parts(), readers.kinds(), actions())
        if site is None:
            raise SiteInvalid(_told("the site has mistakes", problems))
        found: Datastore = site.part("automate")
        return found
    try:
        found, problems = load_folder(domains)
    except OSError as error:
        raise SiteInvalid(f"{domains} cannot be read: {error}") from error
    if any(problem.severity == "error" for problem in problems):
        raise SiteInvalid(_told(f"the domains in {domains} have mistakes", problems))
    if not found.all:
        raise SiteInvalid(f"{domains} holds no domain: a domain is a folder with __domain__.yaml")
    return found


def _told(what: str, problems: Any) -> str:
    return f"{what}:\n" + "\n".join(f"  {problem}" for problem in problems if problem.severity == "error")
