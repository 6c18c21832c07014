"""Spans of time as operators write them: ``90s``, ``10m``, ``1h30m``, ``2d``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

#: The longest span that can be written.
MAX_DELAY = timedelta(days=30)
#: The clock looks once a minute: nothing happens more often by it.
SHORTEST_PERIOD = timedelta(minutes=1)

_DELAY = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
_DELAYS = re.compile(r"(?:\d{1,9}[smhd]){1,4}", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def read_delay(value: object) -> object:
    """A span written as ``90s``, ``10m``, ``1h30m``, ``2d``, or in seconds. Raises ``ValueError``."""
    if isinstance(value, timedelta):
        return value
    text = str(value).replace(" ", "")
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_DELAY.total_seconds():
        return timedelta(seconds=value)
    if not isinstance(value, str) or not _DELAYS.fullmatch(text):
        raise ValueError("write it as 90s, 10m, 1h30m or 2d")
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in _DELAY.findall(text))
    if seconds > MAX_DELAY.total_seconds():
        raise ValueError(f"it is longer than {MAX_DELAY.days} days")
    return timedelta(seconds=seconds)


def read_period(value: object) -> object:
    """How often something happens by the clock, written as a span. Raises ``ValueError``."""
    period = read_delay(value)
    if isinstance(period, timedelta) and period < SHORTEST_PERIOD:
        raise ValueError("it is shorter than 1m, and the clock looks once a minute")
    return period


def slot_of(now: float, period: timedelta) -> str:
    """The name of the period in which a moment lies, given in seconds since 1970: the same for every clock."""
    seconds = int(period.total_seconds())
    return f"{seconds}:{int(now // seconds)}"


def written(span: timedelta) -> str:
    """A span as operators write it."""
    left, parts = int(span.total_seconds()), ""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        number, left = divmod(left, size)
        parts += f"{number}{unit}" if number else ""
    return parts or "0s"


Delay = Annotated[timedelta, BeforeValidator(read_delay)]
Period = Annotated[timedelta, BeforeValidator(read_period)]
