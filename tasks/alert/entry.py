"""The keys of one alert in a file, and what each of them may be."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from tasks.expressions.delays import Delay, Period
from tasks.expressions.entries import Kind, OneOrMany, RuleEntry

EventType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*?][\w.:*?-]{0,199}$")]


class Threshold(BaseModel, extra="forbid"):
    """How often it must happen."""

    times: int = Field(ge=2, le=1000, description="So many events, this one among them.")
    within: Delay = Field(description="In so long, up to this event.")


class ReadingEntry(BaseModel, extra="forbid"):
    """Which readings, and how they have to be for how long."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,63}$")] = Field(
        description="What is measured, such as cpu_percent."
    )
    operator: Literal[">", ">=", "<", "<=", "="] = Field(">", description="How the value is compared.")
    value: float = Field(strict=True, allow_inf_nan=False, description="The threshold.")
    span: Delay = Field(timedelta(), alias="for", le=timedelta(days=1), description="For how long, such as 10m.")


class AlertEntry(RuleEntry):
    """One alert. Trees and actions are checked apart, so that all their mistakes are found."""

    description: str = Field("", max_length=2000, description="The line that an incident carries; may hold ${…}.")
    severity: Literal["info", "warning", "error"] = Field("warning", description="How bad it is.")
    on: Annotated[list[EventType], OneOrMany] = Field(
        default_factory=list,
        min_length=1,
        description="Event types, exact or with * and ?, such as vm_poweroff or compute.instance.*.error.",
    )
    every: Period | None = Field(
        None, description="Instead of `on`: how often it is asked about each known object of its kind, such as 1h."
    )
    reading: ReadingEntry | None = Field(
        None, description="Instead of `on`: {name: cpu_percent, operator: '>', value: 90, for: 10m}."
    )
    target: Kind | None = Field(None, description="The kind of object that it is about. Any, when it is not given.")
    when: Any = Field(None, description="What must hold. Without it the alert fires each time.")
    delay: Delay = Field(timedelta(minutes=10), description="Pause before the next notification about the same object.")
    notify: Any = Field(None, description="Actions to ask for when it fires.")
    at_least: Threshold | None = Field(
        None,
        description="Fires only when events that `on` names happened so often on the object: {times: 3, within: 10m}.",
    )
    resolved_by: Annotated[list[EventType], OneOrMany] = Field(
        default_factory=list,
        description="Event types, exact, that say that all is well again, such as vm_start: they close the incident.",
    )
