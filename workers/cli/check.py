"""``catchment check``: every mistake in a site, with file, line and a way to mend it."""

from __future__ import annotations

import json
from collections.abc import Sequence, Sized
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from tasks.effects.table import actions
from tasks.model.errors import CatchmentError
from tasks.providers.table import broken
from tasks.site.contracts import Problem, Site
from tasks.site.load import load_site, site_root
from workers import readers

_COLOURS = {"error": "bold red", "warning": "yellow"}


@click.command("check")
@click.option("--site", metavar="DIR", help="The site folder. Default: $CATCHMENT_SITE, else ./site.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
def check(site: str | None, as_json: bool) -> None:
    """Report every mistake in a site.

    Exits with 0 where the site can be used, warnings or not, and with 1 where it cannot.
    """
    root = site_root(site)
    try:
        found, problems = load_site(root, readers.parts(), readers.kinds(), actions())
        problems += _packages()
    except CatchmentError as mistake:
        raise click.ClickException(str(mistake)) from mistake
    if as_json:
        click.echo(json.dumps(_report(root, found, problems), indent=2))
    else:
        _print(root, found, problems)
    if found is None:
        raise click.exceptions.Exit(1)


def _packages() -> list[Problem]:
    """Warnings for installed packages whose kind of provider or monitor cannot be used."""
    mend = "Correct or remove the package; all others work on."
    return [
        Problem(
            "providers.yaml",
            None,
            f"what the package's {each.entry_point} brings is left out: {each.reason}",
            mend,
            "warning",
        )
        for each in broken()
    ]


def counts(site: Site) -> dict[str, int]:
    """How many of each a site has: providers, and whatever its parts can count."""
    sized = {name: len(value) for name, value in site.parts.items() if isinstance(value, Sized)}
    return {"providers": len(site.providers), **sized}


def _actions(site: Site | None) -> dict[str, str]:
    """What each section of ``actions/*.conf`` would run, and on what."""
    found: Any = site.parts.get("actions") if site else None
    return {section.label: section.described() for section in found.sections} if found else {}


def _report(root: Path, site: Site | None, problems: Sequence[Problem]) -> dict[str, object]:
    return {
        "site": str(root),
        "ok": site is not None,
        "version": site.version if site else None,
        "counts": counts(site) if site else None,
        "actions": _actions(site),
        "problems": [asdict(problem) for problem in problems],
    }


def _print(root: Path, site: Site | None, problems: Sequence[Problem]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for problem in problems:
        where = problem.path if problem.line is None else f"{problem.path}:{problem.line}"
        line = Text(_visible(where), style="bold")
        line.append(": ", style="not bold")
        line.append(f"{problem.severity}: " if problem.severity != "error" else "", style=_COLOURS["warning"])
        line.append(_visible(problem.what), style=_COLOURS.get(problem.severity, "red"))
        line.append(f". {_visible(problem.mend)}", style="not bold")
        console.print(line)
    if site is not None:
        for section, words in _actions(site).items():
            console.print(Text(_visible(f"{section}: {words}"), style="dim"))
        listed = ", ".join(_counted(number, name) for name, number in counts(site).items())
        console.print(Text(f"site ok: {listed}, version {site.version}", style="green"))
        return
    errors = sum(problem.severity == "error" for problem in problems)
    console.print(Text(f"{_visible(str(root))}: {_counted(errors, 'mistakes')}", style="bold red"))


def _counted(number: int, name: str) -> str:
    if number != 1:
        return f"{number} {name}"
    one = name[:-3] + "y" if name.endswith("ies") else name.removesuffix("s")
    return f"{number} {one}"


def _visible(text: str) -> str:
    """Text from a file, unable to move the cursor or to colour the terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
