"""The keys of one alert in a file, and what each of them may be."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from tasks.expressions.entries import Kind, OneOrMany, RuleEntry

#: The longest pause between two notifications.
MAX_DELAY = timedelta(days=30)

_DELAY = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
_DELAYS = re.compile(r"(?:\d{1,9}[smhd]){1,4}", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

EventType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*?][\w.:*?-]{0,199}$")]


def read_delay(value: object) -> object:
    """A pause written as ``90s``, ``10m``, ``1h30m``, ``2d``, or in seconds. Raises ``ValueError``."""
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


class Threshold(BaseModel, extra="forbid"):
    """How often it must happen."""

    times: int = Field(ge=2, le=1000, description="So many events, this one among them.")
    within: Annotated[timedelta, BeforeValidator(read_delay)] = Field(description="In so long, up to this event.")


class AlertEntry(RuleEntry):
    """One alert. Trees and actions are checked apart, so that all their mistakes are found."""

    description: str = Field("", max_length=2000, description="The line that an incident carries; may hold ${…}.")
    severity: Literal["info", "warning", "error"] = Field("warning", description="How bad it is.")
    on: Annotated[list[EventType], OneOrMany] = Field(
        min_length=1,
        description="Event types, exact or with * and ?, such as vm_poweroff or compute.instance.*.error.",
    )
    target: Kind | None = Field(None, description="The kind of object that it is about. Any, when it is not given.")
    when: Any = Field(None, description="What must hold. Without it the alert fires each time.")
    delay: Annotated[timedelta, BeforeValidator(read_delay)] = Field(
        timedelta(minutes=10), description="Pause before the next notification about the same object."
    )
    notify: Any = Field(None, description="Actions to ask for when it fires.")
    at_least: Threshold | None = Field(
        None,
        description="Fires only when events that `on` names happened so often on the object: {times: 3, within: 10m}.",
    )
    resolved_by: Annotated[list[EventType], OneOrMany] = Field(
        default_factory=list,
        description="Event types, exact, that say that all is well again, such as vm_start: they close the incident.",
    )
