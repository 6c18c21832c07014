"""``catchment providers``: how the providers are, whether they can be reached right now, and their entries."""

from __future__ import annotations

import click
from rich.text import Text

from tasks.effects.table import actions
from tasks.ledger import health
from tasks.ledger.health import ProviderHealth
from tasks.model import clock
from tasks.model.errors import Permanent, SiteInvalid
from tasks.site.contracts import Site
from tasks.site.load import load_site, site_root
from workers import readers
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.output import ago, as_document, complain, hint, short, table, text, when
from workers.cli.provider_entries import add, edit, remove
from workers.cli.trial import Trial, try_provider

_COLOURS = {
    **dict.fromkeys((*health.FAILED, health.SILENT), "bold red"),
    **dict.fromkeys((health.NEVER, health.CATCHING_UP, health.GAP, health.SUSPICIOUS), "yellow"),
    **dict.fromkeys((health.RECEIVING, health.QUIET, health.CONNECTED), "green"),
}


@click.group("providers")
@site_option
def providers() -> None:
    """Show how the providers are, try them, and change providers.yaml."""


providers.add_command(add)
providers.add_command(edit)
providers.add_command(remove)


@providers.command("list")
@json_option
@site_option
def list_providers(as_json: bool) -> None:
    """Show each provider's health, judged by the ledger."""
    with present_ledger() as ledger, ledger.reading() as session:
        found = health.providers(session, clock.now())
    if as_json:
        as_document([line.as_dict() for line in found])
    elif not found:
        hint("No provider was contacted yet: start the workers. `catchment providers test` tries those of the site.")
    else:
        columns = ("provider", "kind", "state", "monitor", "contact", "last event", "waiting", "listener", "inventory")
        table(columns, [_row(line) for line in found], right=("waiting",))
        for line in found:
            _remarks(line)


def _row(line: ProviderHealth) -> tuple[object, ...]:
    listener = "-" if line.listener is None else "alive" if line.listener_alive else "gone"
    return (
        line.name,
        line.kind,
        Text(line.state, style=_COLOURS[line.state]),
        line.monitor or "-",
        ago(line.contact_age),
        ago(line.event_age),
        line.waiting,
        listener,
        "ready" if line.ready else "not read yet",
    )


def _remarks(line: ProviderHealth) -> None:
    if line.state in health.FAILED:
        complain(f"{short(line.name, 60)}: {short(line.failure)}")
    if line.state == health.SUSPICIOUS and line.silent_since is not None:
        limit = f"; {ago(line.silence_limit).removesuffix(' ago')} is too long" if line.silence_limit else ""
        hint(f"{short(line.name, 60)}: the last thing came at {line.silent_since:%Y-%m-%d %H:%M:%S} UTC{limit}")
    for gap in line.gaps:
        hint(f"{short(line.name, 60)}: {short(gap.told(), 300)}")
    for monitor, reason in sorted(line.passed_over.items()):
        hint(f"{short(line.name, 60)}: {short(monitor, 60)} was passed over: {short(reason)}")
    if line.ready_note:
        hint(f"{short(line.name, 60)}: inventory: {short(line.ready_note)}")
    if line.reads_after is not None:
        hint(f"{short(line.name, 60)}: no inventory is read before {when(line.reads_after)}: {short(line.reads_note)}")


@providers.command("test")
@click.argument("name", required=False)
@json_option
@site_option
@click.pass_context
def test(context: click.Context, name: str | None, as_json: bool) -> None:
    """Sign in to each provider of the site, or to NAME, try its monitors and read from its inventory.

    Changes nothing, and asks the ledger nothing. Exits with 1 where a provider cannot be used.
    """
    site = _site()
    if name is not None and name not in site.providers:
        known = ", ".join(sorted(site.providers)) or "none"
        raise Permanent(f"the site has no provider {name}. It names: {known}")
    kinds = readers.kinds()
    wanted = [name] if name is not None else sorted(site.providers)
    trials = [try_provider(site.providers[each], kinds[site.providers[each].kind]) for each in wanted]
    if as_json:
        as_document([trial.as_dict() for trial in trials])
    elif not trials:
        hint("The site names no provider: add one to providers.yaml.")
    else:
        _print(trials)
    if not all(trial.ok for trial in trials):
        context.exit(1)


def _site() -> Site:
    root = site_root()
    site, problems = load_site(root, readers.parts(), readers.kinds(), actions())
    if site is None:
        errors = [str(problem) for problem in problems if problem.severity == "error"]
        raise SiteInvalid("\n".join(errors))
    return site


def _print(trials: list[Trial]) -> None:
    words = {True: Text("ok", style="green"), False: Text("failed", style="bold red"), None: Text("-", style="dim")}
    rows: list[tuple[object, ...]] = []
    for trial in trials:
        for step in trial.steps:
            rows.append((trial.provider, step.what, words[step.ok], text(step.note)))
        end = "can be used" if trial.ok else "cannot be used"
        rows.append((trial.provider, text(end, "green" if trial.ok else "bold red"), Text(""), Text("")))
    table(("provider", "what was tried", "result", "answer"), rows)
