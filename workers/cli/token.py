"""``catchment token``: make, list and revoke the tokens that open the HTTP API and the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import click

from tasks.effects.table import actions
from tasks.ledger import migrate, tokens
from tasks.ledger.access import Token
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.errors import Permanent, SiteInvalid
from tasks.site.load import load_site, site_root
from tasks.site.mistakes import did_you_mean
from workers import readers
from workers.cli import output
from workers.cli.installation import json_option, present_ledger, site_option
from workers.installation import load_settings, open_ledger

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
#: Longer spans run into the end of the calendar; `never` is said by leaving the option out.
_LONGEST = timedelta(days=36525)


class Span(click.ParamType[timedelta]):
    """A span of time such as ``12h``, ``30d`` or ``8w``."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The span that a text means; fails with a usage error for any other text."""
        found = re.fullmatch(r"([0-9]{1,6})([hdw])", str(value))
        span = int(found[1]) * _UNITS[found[2]] if found is not None else timedelta(0)
        if not timedelta(0) < span <= _LONGEST:
            self.fail(f"{value!r} is no span of time: write 12h, 30d or 8w, at the most a hundred years", param, ctx)
        return span


@click.group("token")
@site_option
def token() -> None:
    """Make and revoke tokens of the API and the pages."""


@token.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(tokens.ROLES), help="What it may do.")
@click.option("--push", "provider", metavar="PROVIDER", help="Instead: it may push events to PROVIDER, nothing else.")
@click.option("--project", metavar="ID", help="Narrow it to one project's events, objects and incidents.")
@click.option("--expires", type=Span(), help="Refuse it after this time: 12h, 30d, 8w. Left out: never.")
@json_option
@site_option
def create(
    name: str, role: str | None, provider: str | None, project: str | None, expires: timedelta | None, as_json: bool
) -> None:
    """Make a token and print it, this once; only its digest is kept."""
    if (role is None) == (provider is None):
        raise click.UsageError("say what it may do: --role view, operate or admin, or --push PROVIDER")
    if provider is not None:
        _known_provider(provider)
    role = role or tokens.PUSH
    now = clock.now()
    end = now + expires if expires is not None else None
    with _ready_ledger() as ledger, ledger.transaction() as session:
        clear = tokens.make(session, name, role, project, end, now, provider)
    if as_json:
        made = {"name": name, "role": role, "project": project, "provider": provider, "expires_at": _text(end)}
        output.as_document({**made, "token": clear})
        return
    click.echo(clear)
    output.hint("Keep it now: it is shown this once and cannot be shown again.")


@token.command("list")
@json_option
@site_option
def list_tokens(as_json: bool) -> None:
    """List all tokens, revoked ones too; their clear text is nowhere to be had."""
    now = clock.now()
    with present_ledger() as ledger, ledger.reading() as session:
        found = list(tokens.listing(session))
    if as_json:
        output.as_document([_row(line, now) for line in found])
        return
    rows = (
        (line.name, line.role, f"provider {line.provider}" if line.provider else line.project or "all",
         _state(line, now), line.made_at, line.expires_at or "never", line.used_at or "never")
        for line in found
    )  # fmt: skip
    output.table(("Name", "Role", "Project", "State", "Made", "Expires", "Last used"), rows)


@token.command("revoke")
@click.argument("name")
@site_option
def revoke(name: str) -> None:
    """Refuse a token from now on, sessions of browsers that were begun with it too."""
    with present_ledger() as ledger, ledger.transaction() as session:
        moved = tokens.revoke(session, name)
    click.echo(f"{name} is revoked" if moved else f"{name} was revoked before")


def _known_provider(name: str) -> None:
    """Raise where the site names no such provider: nobody could push with the token."""
    site, problems = load_site(site_root(), readers.parts(), readers.kinds(), actions())
    if site is None:
        errors = "\n".join(str(problem) for problem in problems if problem.severity == "error")
        raise SiteInvalid(f"the providers of the site are not known while it has mistakes:\n{errors}")
    if name not in site.providers:
        raise Permanent(f"the site has no provider {name!r}. {did_you_mean(name, site.providers)}")


@contextmanager
def _ready_ledger() -> Iterator[Ledger]:
    """The ledger; an embedded one is made where there is none, so that a token can come before the first start."""
    root = site_root()
    ledger = open_ledger(load_settings(root), root)
    try:
        if ledger.dialect == "sqlite":
            migrate.upgrade(ledger)
        yield ledger
    finally:
        ledger.close()


def _state(line: Token, now: datetime) -> str:
    if line.revoked_at is not None:
        return "revoked"
    return "good" if tokens.is_good(line, now) else "expired"


def _row(line: Token, now: datetime) -> dict[str, Any]:
    moments = {key: _text(getattr(line, key)) for key in ("made_at", "expires_at", "used_at", "revoked_at")}
    return {
        "name": line.name,
        "role": line.role,
        "project": line.project,
        "provider": line.provider,
        "state": _state(line, now),
        **moments,
    }


def _text(moment: datetime | None) -> str | None:
    return clock.rfc3339(moment) if moment is not None else None
