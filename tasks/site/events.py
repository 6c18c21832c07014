"""Internal events that a site defines beside the shipped ones: ``events/*.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from tasks.expressions.mistakes import At, Mistake, from_validation, shown
from tasks.model.builtin_events import RESET_SUFFIX
from tasks.model.definitions import ANY, OWN, Definition, Definitions, shipped
from tasks.site.contracts import Problem
from tasks.site.listed import read_listed

PATTERNS = ("events/*.yaml", "events/*.yml")
#: Rule events are internal events as well.
RULE_SUFFIX = ".event"
RULES = f"rules/*{RULE_SUFFIX}"

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,200}$")]


class EventEntry(BaseModel, extra="forbid"):
    """One internal event."""

    name: _Name = Field(description="Its name: lower-case letters, digits, `_` and `-`.")
    description: str = Field("", max_length=500, description="What it is called.")
    target: _Name = Field(ANY, description="The kind of object that it is about, such as server; any, if any.")


def definitions_of(files: Mapping[str, bytes]) -> tuple[Definitions, list[Problem]]:
    """The shipped definitions and those of the files, with all problems found."""
    listed = {path: text for path, text in files.items() if not path.endswith(RULE_SUFFIX)}
    own, problems = read_listed(listed, "events", "an event", _read_event)
    return Definitions([*_rule_events(files), *own]), problems


def _rule_events(files: Mapping[str, bytes]) -> Iterator[Definition]:
    """The rule events of the site, which are named by their files; they are read by their own room."""
    for path in sorted(files):
        if path.endswith(RULE_SUFFIX):
            name = PurePosixPath(path).name.removesuffix(RULE_SUFFIX)
            yield Definition(name, f"Rule event {name}", OWN, ANY)
            yield Definition(f"{name}{RESET_SUFFIX}", f"Rule event {name} is armed again", OWN, ANY)


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
