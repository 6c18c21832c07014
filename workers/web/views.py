"""Templates and the few filters that they use. Everything that a page shows is escaped here, by Jinja2."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks.ledger import health
from tasks.model import clock
from workers.web.timeline_links import of_object

#: A value nested deeper than this is shown as JSON text: a page has to be read.
NESTED = 6
#: Findings of one decision that are shown at once; the rest unfolds.
LONG = 30

#: How a word is to be taken: good, worth a look, or bad. Words that are not here are plain.
_TONES = {
    **dict.fromkeys(("fired", "done", "success", "read", "finished", "closed", "created", "converted"), "good"),
    **dict.fromkeys(("pending", "asked", "owed", "being read", "acknowledged", "warning", "holds"), "warn"),
    **dict.fromkeys(("dead", "failed", "failure", "error", "open", "critical", "missing", "cannot notify"), "bad"),
    # The words of runs of jobs.
    "completed": "good",
    "terminated": "bad",
    **dict.fromkeys(("queued", "paused", "cancelling", "suspended"), "warn"),
    # The words of tasks.ledger.health about a provider.
    **dict.fromkeys((health.RECEIVING, health.QUIET, health.CONNECTED, "exact"), "good"),
    **dict.fromkeys((health.CATCHING_UP, health.GAP, health.SUSPICIOUS, health.SILENT, health.NEVER, "late"), "warn"),
    **dict.fromkeys((*health.FAILED, "not exact"), "bad"),
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": moment,
        "ago": ago,
        "number": number,
        "compact": compact,
        "pretty": pretty,
        "tone": tone,
        "safe_part": Markup,
    }
    environment.globals |= {"NESTED": NESTED, "LONG": LONG, "timeline_of": of_object}
    return environment


def render(template: str, **values: Any) -> str:
    """A page as HTML. A name that the template uses and nobody gave raises ``jinja2.UndefinedError``."""
    return _environment().get_template(template).render(**values)


def moment(value: datetime | str | None) -> str:
    """A moment for people: UTC, to the second."""
    found = _read(value)
    return found.strftime("%Y-%m-%d %H:%M:%S") if found else "never"


def ago(value: datetime | str | float | None, now: datetime | None = None) -> str:
    """How long ago a moment was, or how long a number of seconds is, in its largest fitting unit."""
    if isinstance(value, int | float):
        return _span(float(value))
    found = _read(value)
    if found is None:
        return "never"
    passed = ((now or clock.now()) - found) / timedelta(seconds=1)
    return f"{_span(passed)} ago" if passed >= 0 else f"in {_span(-passed)}"


def number(value: float | None) -> str:
    """A count with its thousands apart."""
    return "–" if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def tone(word: str) -> str:
    """How a word is to be taken, as a class of the style sheet; empty where it is plain."""
    return _TONES.get(word, "")


def compact(value: Any) -> str:
    """Any plain data as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def pretty(value: Any) -> str:
    """Any plain data as JSON to read."""
    return json.dumps(value, ensure_ascii=False, default=str, indent=2)


def _read(value: datetime | str | None) -> datetime | None:
    if value is None:
        return None
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.astimezone(UTC)


def _span(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f}\N{NO-BREAK SPACE}{unit}"
    return f"{seconds:.0f}\N{NO-BREAK SPACE}s"
