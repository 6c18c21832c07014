"""The keys of one policy in a file, and what each of them may be."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from tasks.expressions.delays import Delay, Period
from tasks.expressions.entries import Kind, Name, OneOrMany, RuleEntry

EventType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.:-]{0,199}$")]


class ConditionEntry(BaseModel, extra="forbid"):
    """One of several conditions. Its trees are read by :mod:`tasks.expressions.reader`."""

    name: Name = Field(description="A name for this condition, which `why` shows.")
    when: Any = Field(description="What must hold.")
    scope: Any = Field(None, description="Where this is false, the condition is passed over.")


class PolicyEntry(RuleEntry):
    """One policy. Trees and actions are checked apart, so that all their mistakes are found."""

    description: str = Field("", max_length=2000, description="What it is for.")
    mode: Literal["control", "compliance"] = Field(
        "control", description="compliance: it says how objects have to be, and is asked when one is checked."
    )
    target: Kind = Field(description="The kind of object that it judges, such as server or volume.")
    on: Annotated[list[EventType], OneOrMany] = Field(
        min_length=1,
        description="The internal events that it is asked on, by their exact names, such as vm_start.",
    )
    fresh: Delay | None = Field(
        None, description="How old the facts may be, such as 30s: older ones are read again before it is judged."
    )
    every: Period | None = Field(
        None, description="Of a compliance policy: how often all objects of the kind are checked, such as 6h."
    )
    scope: Any = Field(None, description="Where this is false, the policy does not apply.")
    when: Any = Field(None, description="What must hold. Without it the policy is always true.")
    conditions: list[Any] = Field(default_factory=list, description="Several conditions with names, instead of `when`.")
    then: Any = Field(None, description="Actions to ask for when all conditions are true.")
    otherwise: Any = Field(None, description="Actions to ask for when a condition is false.")
