"""What commands print: tables for people, JSON for programs. Nothing that comes from a cloud has power here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tasks.model.clock import rfc3339

#: Width of a table where there is no terminal to ask.
PIPED_WIDTH = 160
#: Characters of one value in a table or tree.
LONGEST = 300


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave a reader that has seen enough to the command group, which ends quietly."""
        raise BrokenPipeError


def console(err: bool = False) -> Console:
    """A console that takes everything as it is written: no markup, no emoji, no highlighting."""
    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else PIPED_WIDTH
    return _Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def visible(value: object) -> str:
    """Text that cannot move the cursor, colour the terminal or turn the reading direction."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))


def short(value: object, limit: int = LONGEST) -> str:
    """Visible text, cut where it is longer than a reader wants it; a nested value as one line of JSON."""
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = str(value)
    return visible(text) if len(text) <= limit else visible(text[: limit - 1]) + "…"


def text(value: object, style: str = "") -> Text:
    """A cell or line of one value; empty for None."""
    if value is None:
        return Text("")
    return Text(when(value) if isinstance(value, datetime) else short(value), style=style)


def when(moment: datetime) -> str:
    """A moment for people: UTC, to the second."""
    return rfc3339(moment)[:19].replace("T", " ") + "Z"


def ago(seconds: float | None) -> str:
    """An age for people, in its largest fitting unit."""
    if seconds is None:
        return "never"
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> None:
    """Print a table. Columns named in ``right`` hold numbers, which are never cut."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        number = name in right
        shown.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        shown.add_row(*(value if isinstance(value, Text) else text(value) for value in row))
    console().print(shown)


def as_document(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2))


def as_line(value: Any) -> None:
    """Print one JSON object on a line of its own, at once."""
    click.echo(json.dumps(value))


def hint(words: str) -> None:
    """Say something to people that is no part of the answer."""
    click.echo(words, err=True)


def complain(words: str) -> None:
    """Say on standard error, in red, what is wrong."""
    click.secho(visible(words), fg="red", err=True)
