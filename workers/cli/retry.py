"""``catchment retry``: open dead events and effects again."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import click

from tasks.conveyor.retry import dead_effects, dead_events, retry_effect, retry_event
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.clock import parse_utc
from tasks.site.load import site_root
from tasks.site.settings import Settings
from workers.installation import load_settings, open_ledger

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """A point in time: RFC 3339, or how long ago (``30m``, ``2h``, ``1d``). Raises ``click.BadParameter``."""
    if text[:-1].isdigit() and text[-1:] in _UNITS:
        return clock.now() - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    try:
        return parse_utc(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time: write 2026-11-21T10:00:00Z, or 2h for two hours ago") from error


@click.command()
@click.argument("ids", nargs=-1, type=int, metavar="[ID]…")
@click.option("--dead", is_flag=True, help="All that is dead, instead of single events.")
@click.option("--effects", is_flag=True, help="Effects instead of events.")
@click.option("--since", help="With --dead: only what died since then (a time, or 2h).")
@click.option("--provider", help="With --dead: only events of this provider.")
@click.option("--stage", help="With --dead: only events that died at this stage.")
@click.option("--site", "site", help="The site folder.")
def retry(
    ids: tuple[int, ...],
    *,
    dead: bool,
    effects: bool,
    since: str | None,
    provider: str | None,
    stage: str | None,
    site: str | None,
) -> None:
    """Send dead events on their way again, from the stage where they died.

    An event or effect is opened again, never made a second time; the running workers take it up within
    seconds.
    """
    if bool(ids) == dead:
        raise click.UsageError(
            "name the IDs to retry, or --dead for all that is dead (with --since, --provider, --stage)"
        )
    root: Path = site_root(site)
    settings = load_settings(root)
    ledger = open_ledger(settings, root)
    after = moment(since) if since else None
    if dead:
        with ledger.reading() as session:
            found = (
                dead_effects(session, since=after)
                if effects
                else dead_events(session, since=after, provider=provider, stage=stage)
            )
        ids = tuple(found)
    opened = [each for each in ids if _open(ledger, settings, each, effects=effects)]
    what = "effect" if effects else "event"
    click.echo(f"{len(opened)} {what}{'' if len(opened) == 1 else 's'} opened again")
    refused = sorted(set(ids) - set(opened))
    if refused:
        click.echo(
            f"not dead, left alone: {', '.join(map(str, refused[:20]))}{' …' if len(refused) > 20 else ''}", err=True
        )
        raise SystemExit(1)


def _open(ledger: Ledger, settings: Settings, identifier: int, *, effects: bool) -> bool:
    with ledger.transaction() as session:
        if effects:
            return retry_effect(session, identifier, clock.now())
        return retry_event(session, identifier, clock.now(), settings.conveyor.lanes)
