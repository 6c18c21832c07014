"""Profiles (spec policy-alerts 2.1, 2.3, 5.6): which policies and alerts belong together, and where they apply."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from tasks.expressions.entries import Name
from tasks.expressions.facts import Facts
from tasks.expressions.mistakes import At, Mistake, from_validation, nearest
from tasks.site.contracts import Part, Problem, SiteContext
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
    policies: list[_Word] = Field(default_factory=list, description="The policies that belong to it, by name.")
    alerts: list[_Word] = Field(default_factory=list, description="The alerts that belong to it, by name.")
    assign: list[Assignment] = Field(min_length=1, description="Where they apply: one place that fits is enough.")
    active: bool = Field(True, description="False: its policies and alerts apply nowhere through it.")

    @model_validator(mode="after")
    def _holds_something(self) -> ProfileEntry:
        if not self.policies and not self.alerts:
            raise ValueError("nothing belongs to it: name policies, alerts or both")
        return self


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as it was read."""

    name: str
    policies: tuple[str, ...]
    assign: tuple[Assignment, ...]
    active: bool = True
    alerts: tuple[str, ...] = ()

    def fits(self, facts: Facts) -> bool:
        """Whether it is assigned to the event's object, or to what that belongs to."""
        return self.active and any(place.fits(facts) for place in self.assign)


class Assigned:
    """Which profiles hold each rule of one sort, ``policies`` or ``alerts``."""

    def __init__(self, profiles: Iterable[Profile], sort: str) -> None:
        self._in: dict[str, list[Profile]] = {}
        for profile in profiles:
            for name in dict.fromkeys(getattr(profile, sort)):
                self._in.setdefault(name, []).append(profile)

    def applies(self, rule: str, facts: Facts) -> tuple[bool, list[str]]:
        """Whether a rule applies to the event's object, and the profiles that it belongs to.

        One that belongs to none applies to every object of its kind.
        """
        held = self._in.get(rule)
        if held is None:
            return True, []
        fitting = [profile.name for profile in held if profile.fits(facts)]
        return bool(fitting), fitting or [profile.name for profile in held]


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profiles of a site, with the file and line of each."""

    listed: Sequence[Profile] = ()
    places: Mapping[str, tuple[str, int | None]] = field(default_factory=dict)

    def unknown(self, sort: str, known: Sequence[str]) -> list[Problem]:
        """Names of ``sort`` (``policies`` or ``alerts``) in profiles that nothing has."""
        noun = "policy" if sort == "policies" else "alert"
        found = []
        for profile in self.listed:
            for name in getattr(profile, sort):
                if name not in known:
                    mend = nearest(name, known, f"{sort.capitalize()} are")
                    found.append(Problem(*self.places[profile.name], f"there is no {noun} {name!r}", mend))
        return found


def profiles_of(context: SiteContext) -> Profiles:
    """The profiles that were read before the file at hand."""
    found = context.parts.get(PART.name)
    return found if isinstance(found, Profiles) else Profiles()


def _profile(entry: dict[Any, Any], at: At, mistakes: list[Mistake]) -> Profile | None:
    try:
        checked = ProfileEntry.model_validate(entry)
    except ValidationError as error:
        mistakes += from_validation(error, at, "the profile", ProfileEntry)
        return None
    return Profile(checked.name, tuple(checked.policies), tuple(checked.assign), checked.active, tuple(checked.alerts))


def read(files: Mapping[str, bytes], _context: SiteContext) -> tuple[Profiles, list[Problem]]:
    """All profiles of the site. The names in them are checked where those of the rules are known."""
    places: dict[str, tuple[str, int | None]] = {}
    found, problems = read_listed(files, "profiles", "a profile", _profile, places)
    return Profiles(found, places), problems


PART = Part(name="profiles", patterns=PATTERNS, read=read)
