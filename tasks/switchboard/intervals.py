"""Spans of time as datastores write them: ``30``, ``2.minutes``, ``1.hour`` (F16, F36)."""

from __future__ import annotations

import re
from typing import Any

from tasks.switchboard.text import fold, text_of

_UNITS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "week": 604_800,
    "fortnight": 1_209_600,
    "month": 2_629_746,
    "year": 31_556_952,
}
_INTERVAL = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(?:\.([a-z]+?)s?)?")


def seconds_of(value: Any) -> float | None:
    """Seconds of an interval; None for what is no interval. Blank is none at all: 0."""
    text = fold(text_of(value)).strip()
    if not text:
        return 0.0
    match = _INTERVAL.fullmatch(text)
    unit = _UNITS.get(match[2] or "second") if match else None
    return float(match[1]) * unit if match and unit else None


def whole_seconds(value: Any) -> float:
    """The same, with 0 for what cannot be read."""
    return seconds_of(value) or 0.0
