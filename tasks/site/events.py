"""Internal events that a site defines beside the shipped ones: ``events/*.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from tasks.expressions.mistakes import At, Mistake, from_validation, shown
from tasks.model.definitions import ANY, OWN, Definition, Definitions, shipped
from tasks.site.contracts import Problem
from tasks.site.listed import read_listed

PATTERNS = ("events/*.yaml", "events/*.yml")

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,200}$")]


class EventEntry(BaseModel, extra="forbid"):
    """One internal event."""

    name: _Name = Field(description="Its name: lower-case letters, digits, `_` and `-`.")
    description: str = Field("", max_length=500, description="What it is called.")
    target: _Name = Field(ANY, description="The kind of object that it is about, such as server; any, if any.")


def definitions_of(files: Mapping[str, bytes]) -> tuple[Definitions, list[Problem]]:
    """The shipped definitions and those of the files, with all problems found."""
    own, problems = read_listed(files, "events", "an event", _read_event)
    return Definitions(own), problems


def _read_event(entry: dict[Any, Any], at: At, mistakes: list[Mistake]) -> Definition | None:
    if entry.get("name") in shipped():
        what = f"the event {shown(entry['name'])} comes with Catchment"
        mistakes.append(Mistake((*at, "name"), what, "Give yours another name"))
    try:
        checked = EventEntry.model_validate(entry)
    except ValidationError as error:
        mistakes += from_validation(error, at, "the event", EventEntry)
        return None
    return Definition(checked.name, checked.description, OWN, checked.target)
