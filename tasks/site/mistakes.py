"""Words for the mistakes that pydantic finds: what is wrong and how to mend it, without the value itself."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None where nothing is near."""
    found = difflib.get_close_matches(word.lower(), sorted(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A way to mend an unknown word: the nearest known one, or all of them."""
    names = sorted(known)
    close = nearest(word, names)
    if close is not None:
        return f"Did you mean {close!r}?"
    return f"Known are: {', '.join(names)}." if names else "Remove it."


def explain(error: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    """What is wrong with a key, and how to mend it.

    The value is never repeated: it may be a secret.
    """
    path = [part for part in error["loc"] if isinstance(part, str)]
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = _fields(model, path[:-1])
        return f"unknown key {path[-1] if path else name!r}", did_you_mean(path[-1] if path else name, known)
    if error["type"] == "missing":
        return f"the key {name!r} is missing", "Add it." + _meaning(model, path)
    message = error["msg"].removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:]}", "Correct the value." + _meaning(model, path)


def errors_of(mistake: ValidationError) -> list[ErrorDetails]:
    """All errors of a validation, in order, without the values that were wrong."""
    return mistake.errors(include_url=False, include_input=False, include_context=False)


def model_at(model: type[BaseModel], path: Iterable[str]) -> type[BaseModel] | None:
    """The model of a nested section, or None where the path leads to no section."""
    found: type[BaseModel] | None = model
    for part in path:
        if found is None or part not in found.model_fields:
            return None
        found = _as_model(found.model_fields[part].annotation)
    return found


def _as_model(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _fields(model: type[BaseModel], path: list[str]) -> set[str]:
    section = model_at(model, path)
    return set(section.model_fields) if section else set()


def _meaning(model: type[BaseModel], path: list[str]) -> str:
    section = model_at(model, path[:-1]) if path else None
    if section is None or path[-1] not in section.model_fields:
        return ""
    meaning = section.model_fields[path[-1]].description
    return f" Its meaning: {meaning}" if meaning else ""
