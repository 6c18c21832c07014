"""``catchment policies import``: policies, profiles and alerts that ManageIQ exported become files of a site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from rich.text import Text

from tasks.effects.table import actions
from tasks.model.errors import Permanent
from tasks.site.load import site_root
from tasks.site.profiles import Assignment
from tasks.site.settings import Settings
from workers.cli.installation import json_option
from workers.cli.output import as_document, console, visible
from workers.installation import load_settings
from workers.manageiq import takeover
from workers.manageiq.report import CHANGED, LEFT_OUT, TAKEN, Report
from workers.manageiq.ruby import MAX_BYTES, UnreadableExport

_STYLES = {TAKEN: "green", CHANGED: "yellow", LEFT_OUT: "bold red"}


class PlaceType(click.ParamType[takeover.Place]):
    """A place where profiles apply: ``provider=north`` or ``provider=north,zone=az1``."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> takeover.Place:
        """The keys of ``assign`` with their values."""
        if isinstance(value, dict):
            return value
        place = {key.strip(): word.strip() for key, _, word in (one.partition("=") for one in value.split(","))}
        try:
            Assignment.model_validate(place)
        except ValidationError:
            keys = ", ".join(Assignment.model_fields)
            self.fail(f"{value!r} is no place: write KEY=VALUE, with commas between, of {keys}", param, ctx)
        return place


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--out", metavar="DIR|-", help="The site to write to, or - to print the files. Default: the site.")
@click.option("--assign", type=PlaceType(), multiple=True, help="Where the profiles apply, such as provider=north.")
@click.option("--force", is_flag=True, help="Replace files that exist and differ.")
@json_option
def import_policies(
    file: Path, out: str | None, assign: tuple[takeover.Place, ...], force: bool, as_json: bool
) -> None:
    """Take over policies, profiles and alerts that ManageIQ exported to FILE (YAML).

    Writes policies/imported-….yaml, profiles/… and alerts/…, after the site's own readers have read them, and
    tells what was taken over, what is not as it was, and what was left out and why. Profiles are written
    inactive unless --assign says where they apply. The exit status is 1 where something was left out, and 2
    where nothing could be done.
    """
    root = site_root(None if out == "-" else out)
    if out is None and not root.is_dir():
        raise Permanent(f"the site folder {root} does not exist: make one with catchment init, or name one with --out")
    existing = takeover.files_of_site(root)
    context = takeover.context_of(existing, actions(), load_settings(root) if root.is_dir() else Settings())
    try:
        drafts, report = takeover.convert(_content(file), context, assign)
    except UnreadableExport as mistake:
        where = file if mistake.line is None else f"{file}:{mistake.line}"
        raise Permanent(f"{where}: {mistake.what}") from mistake
    if out == "-":
        existing = {}
    made = takeover.placed(drafts, existing)
    takeover.prove(made, existing, context)
    if out == "-":
        if not as_json:
            _print(made)
        written = list(made)
    else:
        written = takeover.write(made, root, existing, force)
    if as_json:
        as_document({"files": list(made), "written": [] if out == "-" else written, **_lines(report)})
    else:
        _tell(report, written, "" if out == "-" else f" in {root}", err=out == "-")
    raise SystemExit(0 if report.complete() else 1)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as mistake:
        raise Permanent(f"{file} cannot be read: {mistake.strerror}") from mistake


def _print(made: Mapping[str, bytes]) -> None:
    for path, text in made.items():
        click.echo(f"--- # {path}\n{text.decode('utf-8')}", nl=False)


def _lines(report: Report) -> dict[str, Any]:
    lines = [{"verdict": told.verdict, "path": list(told.path), "text": told.text} for told in report.lines]
    return {"complete": report.complete(), "report": lines}


def _tell(report: Report, written: list[str], where: str, *, err: bool) -> None:
    printer = console(err)
    for told in report.lines:
        line = Text(f"{told.verdict:<10}  ", _STYLES[told.verdict])
        line.append(visible(f"{' / '.join(told.path)}: {told.text}"), "not bold")
        printer.print(line, soft_wrap=True)
    for path in written if where else []:
        printer.print(Text(visible(f"written     {path}")), soft_wrap=True)
    times = Counter(told.verdict for told in report.lines)
    printer.print(
        Text(
            visible(
                f"{len(written)} files{where or ' printed'}: {times[TAKEN]} items taken over, "
                f"{times[CHANGED]} changes, {times[LEFT_OUT]} left out"
            )
        ),
        soft_wrap=True,
    )
