"""Dates as operators write them: ``2 Days Ago``, ``Last Week``, ``2026-11-21`` (spec policy-alerts 3.5).

Each stands for a span of time. What is relative is reckoned from the moment of evaluation, in the zone of
that moment, which is UTC for policies and alerts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tasks.expressions.mistakes import BadText, shown
from tasks.model import clock

Bounds = tuple[datetime, datetime]
Span = Callable[[datetime], Bounds]

_AGO = re.compile(r"(\d{1,5})\s+(minute|hour|day|week|month|quarter|year)s?\s+ago")
_NAMED = re.compile(r"(this|last)\s+(minute|hour|day|week|month|quarter|year)")
_WORDS = {"today": ("day", 0), "yesterday": ("day", 1), "now": ("hour", 0)}
_AMERICAN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:\s+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_FIXED = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_TICK = timedelta(microseconds=1)
#: A timestamp has at most this many characters.
_MAX_STAMP = 40


def read_span(written: object) -> Span:
    """The span that a text or a YAML date means. Raises ``BadText``."""
    if isinstance(written, datetime):
        moment = written.replace(tzinfo=UTC) if written.tzinfo is None else written
        return lambda _now: (moment, moment)
    if isinstance(written, date):
        return _whole_day(written)
    text = " ".join(written[:100].lower().split()) if isinstance(written, str) else ""
    if relative := _relative(text):
        unit, shift = relative
        return lambda now: span(unit, shift, now)
    if absolute := _absolute(text):
        return absolute
    raise BadText(
        f"{shown(written)} is no date",
        "Write '2 Days Ago', 'Last Week', 'Today', 2026-11-21 or '2026-11-21 10:00'",
    )


def _relative(text: str) -> tuple[str, int] | None:
    if text in _WORDS:
        return _WORDS[text]
    if match := _AGO.fullmatch(text):
        return match[2], int(match[1])
    if match := _NAMED.fullmatch(text):
        return match[2], int(match[1] == "last")
    return None


def _absolute(text: str) -> Span | None:
    try:
        if match := _AMERICAN.fullmatch(text):
            day = date(int(match[3]), int(match[1]), int(match[2]))
            if match[4] is None:
                return _whole_day(day)
            moment = datetime.combine(day, time(int(match[4]), int(match[5]), int(match[6] or 0)), UTC)
        elif ":" in text:
            moment = clock.parse_utc(text.upper())
        else:
            return _whole_day(date.fromisoformat(text))
    except (ValueError, OverflowError):
        return None
    return lambda _now: (moment, moment)


def _whole_day(day: date) -> Span:
    def bounds(now: datetime) -> Bounds:
        begin = datetime.combine(day, time(), now.tzinfo)
        return begin, begin + timedelta(days=1) - _TICK if day < date.max else datetime.combine(
            day, time.max, now.tzinfo
        )

    return bounds


def span(unit: str, shift: int, now: datetime) -> Bounds:
    """First and last instant of the unit that lies ``shift`` units before the present one.

    Weeks begin on Monday. What lies before the first year of the calendar is that year.
    """
    try:
        begin = _begin(unit, now)
        if unit in _FIXED:
            begin -= shift * _FIXED[unit]
            return begin, begin + _FIXED[unit] - _TICK
        months = _MONTHS[unit]
        begin = _months_later(begin, -shift * months)
        return begin, _months_later(begin, months) - _TICK
    except (OverflowError, ValueError):
        first = datetime.min.replace(tzinfo=now.tzinfo)
        return first, first


def _begin(unit: str, now: datetime) -> datetime:
    if unit == "minute":
        return now.replace(second=0, microsecond=0)
    if unit == "hour":
        return now.replace(minute=0, second=0, microsecond=0)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "day":
        return day
    first = day.replace(day=1)
    months = _MONTHS[unit]
    return first.replace(month=(first.month - 1) // months * months + 1)


def _months_later(begin: datetime, months: int) -> datetime:
    year, month = divmod(begin.year * 12 + begin.month - 1 + months, 12)
    return begin.replace(year=year, month=month + 1)


def moment_of(found: Any) -> datetime | None:
    """A found value as a moment; None for what is no timestamp: no date operator is true of it (3.4)."""
    if isinstance(found, datetime):
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    if not isinstance(found, str) or len(found) > _MAX_STAMP:
        return None
    try:
        return clock.parse_utc(found)
    except (ValueError, OverflowError):
        return None
