"""Internal events that a site defines beside the shipped ones: ``events/*.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from tasks.expressions.entries import Names, entries
from tasks.expressions.mistakes import Mistake, from_validation, shown
from tasks.model.definitions import ANY, OWN, Definition, Definitions, shipped
from tasks.site.contracts import Problem
from tasks.site.lines import YamlMistake, load

PATTERNS = ("events/*.yaml", "events/*.yml")

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,200}$")]


class EventEntry(BaseModel, extra="forbid"):
    """One internal event."""

    name: _Name = Field(description="Its name: lower-case letters, digits, `_` and `-`.")
    description: str = Field("", max_length=500, description="What it is called.")
    target: _Name = Field(ANY, description="The kind of object that it is about, such as server; any, if any.")


def definitions_of(files: Mapping[str, bytes]) -> tuple[Definitions, list[Problem]]:
    """The shipped definitions and those of the files, with all problems found."""
    own: list[Definition] = []
    problems: list[Problem] = []
    names = Names("an event")
    for path in sorted(files):
        try:
            document = load(files[path])
        except YamlMistake as mistake:
            problems.append(Problem(path, mistake.line, mistake.what, "Correct the YAML."))
            continue
        mistakes: list[Mistake] = []
        for at, entry in entries(document.data, "events", mistakes):
            names.note(entry.get("name"), at, f"{path}:{document.line(*at)}", mistakes)
            if entry.get("name") in shipped():
                what = f"the event {shown(entry['name'])} comes with Catchment"
                mistakes.append(Mistake((*at, "name"), what, "Give yours another name"))
            try:
                checked = EventEntry.model_validate(entry)
            except ValidationError as error:
                mistakes += from_validation(error, at, "the event", EventEntry)
            else:
                own.append(Definition(checked.name, checked.description, OWN, checked.target))
        problems += [Problem(path, document.line(*m.at), m.what, m.advice, m.severity) for m in mistakes]
    return Definitions(own), problems
