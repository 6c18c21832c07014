"""Policy profiles (spec policy-alerts 2.1, 2.3): which policies belong together, and where they apply."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from tasks.expressions.entries import Name
from tasks.expressions.facts import Facts
from tasks.expressions.mistakes import At, Mistake, from_validation, nearest
from tasks.site.contracts import Problem
from tasks.site.listed import read_listed

PATTERNS = ("profiles/*.yaml", "profiles/*.yml")

_Word = Annotated[str, Field(min_length=1, max_length=255)]


class Assignment(BaseModel, extra="forbid"):
    """One place where a profile applies: all that is given must fit the object or what it belongs to."""

    provider: _Word | None = Field(None, description="The provider of the object.")
    project: _Word | None = Field(None, description="Its project.")
    host: _Word | None = Field(None, description="The host that it is on, or that it is.")
    zone: _Word | None = Field(None, description="Its availability zone.")
    aggregate: _Word | None = Field(None, description="An aggregate that its host is in, or that it is.")
    cluster: _Word | None = Field(None, description="The cluster that it is in, or that it is: its name or id.")
    tag: _Word | None = Field(None, description="One of its tags.")
    object: _Word | None = Field(None, description="The object itself, as KIND/ID.")

    @model_validator(mode="after")
    def _says_something(self) -> Assignment:
        places = ", ".join(type(self).model_fields)
        if not self.model_fields_set:
            raise ValueError(f"it names no place: give {places}")
        return self

    def fits(self, facts: Facts) -> bool:
        """Whether the event's object is there."""
        event, target = facts.event, facts.target
        ref = event.target()
        known: Mapping[str, Any] = target.attributes if target is not None else {}
        name = (target.name if target is not None else None) or (ref.id if ref else None)
        own_host = name if ref is not None and ref.kind == "host" else None
        has = {
            "provider": event.provider,
            "project": (target.tenant_id if target is not None else None) or event.facts.tenant_id,
            "host": own_host or known.get("host") or event.facts.host,
            "zone": known.get("availability_zone"),
            "object": str(ref) if ref else None,
        }
        wanted = self.model_dump(exclude_none=True)
        own = ref.kind if ref is not None else ""
        many = {
            "tag": _texts(known.get("tags")),
            "aggregate": {name} if own == "aggregate" else _texts(known.get("aggregates")),
            "cluster": {name, ref and ref.id} if own == "cluster" else _cluster(known),
        }
        in_all = all(wanted.pop(key) in values for key, values in many.items() if key in wanted)
        return in_all and all(has[key] == value for key, value in wanted.items())


def _texts(value: object) -> Collection[Any]:
    """The members of a list; a text is none."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _cluster(known: Mapping[str, Any]) -> Collection[Any]:
    """What an object's attributes say of its cluster: its name and its id, as far as they are there."""
    return [known.get(name) for name in ("cluster", "cluster_id", "cluster_name")]


class ProfileEntry(BaseModel, extra="forbid"):
    """One profile."""

    name: Name = Field(description="Its name.")
    description: str = Field("", max_length=2000, description="What it is for.")
    policies: list[_Word] = Field(min_length=1, description="The policies that belong to it, by name.")
    assign: list[Assignment] = Field(min_length=1, description="Where they apply: one place that fits is enough.")
    active: bool = Field(True, description="False: its policies apply nowhere through it.")


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as it was read."""

    name: str
    policies: tuple[str, ...]
    assign: tuple[Assignment, ...]
    active: bool

    def fits(self, facts: Facts) -> bool:
        """Whether it is assigned to the event's object, or to what that belongs to."""
        return self.active and any(place.fits(facts) for place in self.assign)


def read_profiles(files: Mapping[str, bytes], policies: Sequence[str]) -> tuple[list[Profile], list[Problem]]:
    """The profiles of the files, with all problems found. ``policies`` are the names that there are."""

    def one(entry: dict[Any, Any], at: At, mistakes: list[Mistake]) -> Profile | None:
        try:
            checked = ProfileEntry.model_validate(entry)
        except ValidationError as error:
            mistakes += from_validation(error, at, "the profile", ProfileEntry)
            return None
        for name in checked.policies:
            if name not in policies:
                mend = nearest(name, policies, "Policies are")
                mistakes.append(Mistake((*at, "policies"), f"there is no policy {name!r}", mend))
        return Profile(checked.name, tuple(checked.policies), tuple(checked.assign), checked.active)

    return read_listed(files, "profiles", "a profile", one)
