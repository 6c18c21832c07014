"""Mistakes in what an operator wrote: where in the data, what is wrong, how to mend it.

A room turns them into problems of the site with the file and the line (:mod:`tasks.site.contracts`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

At = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake; ``at`` is the keys and indexes that lead to it in the document."""

    at: At
    what: str
    mend: str
    severity: str = "error"

    @property
    def advice(self) -> str:
        """The way to mend it as a sentence."""
        return self.mend if self.mend.endswith((".", "?")) else f"{self.mend}."


class BadText(ValueError):
    """Something written that cannot be read: a path, an operand, a placeholder."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}. {mend}")
        self.what = what
        self.mend = mend

    def at(self, *at: Hashable) -> Mistake:
        """The same as a mistake at a place."""
        return Mistake(at, self.what, self.mend)


def shown(value: object, length: int = 60) -> str:
    """A written value as it is quoted in a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def nearest(word: object, words: Iterable[str], listing: str) -> str:
    """The way out for an unknown word: the nearest known one, and all of them where they are few."""
    known = sorted(words)
    close = get_close_matches(str(word)[:100].lower(), known, 1, 0.6)
    whole = f"{listing}: {', '.join(known)}"
    if not close:
        return whole
    return f"Did you mean {close[0]!r}? {whole}" if len(known) <= 12 else f"Did you mean {close[0]!r}?"


def from_validation(error: ValidationError, at: At, noun: str, model: type[BaseModel]) -> list[Mistake]:
    """Every complaint of a model about one mapping. What was written is not repeated: it may be a secret."""
    mistakes = []
    for complaint in error.errors(include_url=False, include_context=False):
        place: At = tuple(complaint["loc"])
        named = ".".join(map(str, place)) or noun
        if complaint["type"] == "extra_forbidden":
            what = f"{named!r} is no key of {noun}"
            mend = nearest(place[-1], model.model_fields, "Its keys are") if len(place) == 1 else "Remove it"
        elif complaint["type"] == "missing":
            what, mend = f"{noun} has no {named!r}", _meaning(model, place)
        else:
            what = f"{named!r} of {noun}: {_plainly(complaint)}"
            mend = _meaning(model, place)
            if complaint["type"] == "string_type" and isinstance(complaint["input"], bool):
                mend = "YAML reads on, off, yes and no as truth values: put the word in quotes"
        mistakes.append(Mistake((*at, *place), what, mend))
    return mistakes


def _plainly(complaint: ErrorDetails) -> str:
    if complaint["type"] == "string_pattern_mismatch":
        return "it has characters that it cannot have"
    message = complaint["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message[:1].lower() + message[1:]


def _meaning(model: type[BaseModel], place: At) -> str:
    field = model.model_fields.get(str(place[0])) if place else None
    if field is None or not field.description:
        return "Correct it"
    return f"It means: {field.description[:1].lower()}{field.description[1:].rstrip('.')}"
