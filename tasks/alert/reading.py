"""Whether a reading has been beyond its threshold for long enough: pure functions (spec policy-alerts 5.2)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

#: How a value is compared with the threshold.
OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
}
#: Without a span the newest reading decides, if it is not older than this.
NEWEST = timedelta(hours=1)

#: The readings have been beyond the threshold for the span, are not (any more), or nothing can be said.
HOLDS, OVER, OPEN = "holds", "over", "open"


@dataclass(frozen=True, slots=True)
class ReadingLimit:
    """What an alert says of readings: those of a name compare so with a value, all the time for a span."""

    name: str
    operator: str
    value: float
    span: timedelta

    def reach(self) -> timedelta:
        """How far back readings matter."""
        return self.span * 1.5 if self.span else NEWEST


class Run(NamedTuple):
    """What readings came to: the newest value, and how long it has been so without a break."""

    state: str
    found: float | None = None
    held: timedelta = timedelta()


def judge(limit: ReadingLimit, readings: Sequence[tuple[datetime, float]], until: datetime) -> Run:
    """Follow the readings, given oldest first, back from the newest while they match.

    They hold where that run reaches back to the beginning of the span. A gap that is longer than half the span
    breaks it, one after the newest reading as well: nobody knows what was there.
    """
    if not readings:
        return Run(OPEN)
    matches, newest = OPERATORS[limit.operator], readings[-1][1]
    if not matches(newest, limit.value):
        return Run(OVER, newest)
    if not limit.span:
        return Run(HOLDS, newest)
    since = until
    for at, value in reversed(readings):
        if since - at > limit.span / 2 or not matches(value, limit.value):
            break
        since = at
    held = until - since
    return Run(HOLDS if held >= limit.span else OPEN, newest, held)
