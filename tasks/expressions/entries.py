"""The entries of a file of policies or alerts: what both kinds have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, field_validator

from tasks.expressions.delays import Delay
from tasks.expressions.mistakes import At, Mistake, shown
from tasks.model.outcome import Limit


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


#: A name stands in keys, logs and pages.
Name = Annotated[str, StringConstraints(pattern=r"^\w[\w .-]{0,99}$")]
#: A kind of inventory object.
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
#: In front of a list: one text stands for a list of one.
OneOrMany = BeforeValidator(_one_or_many)
#: What was tried is remembered for so long.
MOST_WITHIN = timedelta(days=7)


class LimitEntry(BaseModel, extra="forbid"):
    """How often a rule's effects are tried in a time."""

    per_rule: int = Field(1_000_000, ge=1, le=1_000_000, description="So many effects of this rule.")
    per_target: int = Field(1_000_000, ge=1, le=1_000_000, description="So many of them on one object.")
    within: Delay = Field(description="In any time of this length, such as 10m or 1h; a week at the most.")

    @field_validator("within")
    @classmethod
    def _is_kept(cls, within: timedelta) -> timedelta:
        if not timedelta() < within <= MOST_WITHIN:
            raise ValueError(f"it must be longer than nothing and at most {MOST_WITHIN.days} days")
        return within

    def limit(self) -> Limit:
        """The limit as effects carry it."""
        return Limit(self.per_rule, self.per_target, self.within.total_seconds())


class RuleEntry(BaseModel, extra="forbid"):
    """The keys that policies and alerts share."""

    name: Name = Field(description="Its name, unique in the site: letters, digits, blanks, dots and dashes.")
    missing: Literal["faithful", "strict"] = Field(
        "faithful",
        description="What a missing value counts as: 0, empty or false; with strict it equals nothing.",
    )
    active: bool = Field(True, description="With false it is kept and not asked.")
    limit: LimitEntry | None = Field(
        None, description="What is beyond it goes to the desk untried: {per_target: 1, within: 1h}."
    )


class Names:
    """The names given so far in all files of one kind of rule."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._places: dict[str, str] = {}

    def note(self, name: object, at: At, place: str, mistakes: list[Mistake]) -> None:
        """Remember a name with its place in the site; one that is taken is a mistake."""
        if not isinstance(name, str):
            return
        if name in self._places:
            what = f"{self._noun} {shown(name)} is defined at {self._places[name]} already"
            mistakes.append(Mistake((*at, "name"), what, "Give each one a name of its own"))
        self._places.setdefault(name, place)


def entries(data: object, key: str, mistakes: list[Mistake]) -> Iterator[tuple[At, dict[Any, Any]]]:
    """The entries of a file under its one key, each with its place; notes what is no entry.

    YAML 1.1 reads a bare ``on`` as true: here it is the word that was meant.
    """
    if data is None:
        return
    if not isinstance(data, Mapping) or key not in data:
        mistakes.append(Mistake((), f"the file does not begin with `{key}:`", f"Write {key}: and the entries below it"))
        return
    mistakes += [
        Mistake((other,), f"{shown(other)} does not belong into this file", f"Only {key}: is read here: remove it")
        for other in data
        if other != key
    ]
    listed = data[key]
    if listed is None:
        return
    if not isinstance(listed, list):
        mistakes.append(Mistake((key,), f"`{key}` is no list", "Begin each entry with a dash"))
        return
    for index, entry in enumerate(listed):
        at = (key, index)
        if isinstance(entry, Mapping):
            yield (
                at,
                {"on" if name is True and "on" not in entry else name: value for name, value in entry.items()},
            )
        else:
            mistakes.append(Mistake(at, f"{shown(entry)} is no entry", "Write name: and the other keys"))


def as_written(at: At) -> At:
    """The place of an ``on`` as the YAML reader knows it: true."""
    return tuple(True if depth == 2 and part == "on" else part for depth, part in enumerate(at))
