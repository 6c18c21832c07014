"""Reads single values of a message that nobody vouches for: text or nothing, a moment or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tasks.model.clock import parse_utc

#: The longest text of a canonical column, in characters. Ceilometer cuts its traits there too (spec
#: capture 2.5), so that an id reads the same whichever way it came.
TEXT_LIMIT = 255

#: Stands in a message wherever a secret was.
MARKER = "***"

_NUMBER_LIMIT = 1 << 128
_MOMENT_LIMIT = 64


def text(value: object) -> str | None:
    """The value as bounded text; None for what says nothing (empty, blank, a removed secret, a structure)."""
    if type(value) is str:
        if not value or value == MARKER or value.isspace():
            return None
        return value if len(value) <= TEXT_LIMIT else value[:TEXT_LIMIT]
    if type(value) is int and -_NUMBER_LIMIT < value < _NUMBER_LIMIT:
        return str(value)
    if type(value) is float:
        return str(value)
    return None


def first(source: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """The first of the keys that holds text."""
    for key in keys:
        found = text(source.get(key))
        if found is not None:
            return found
    return None


def mapping(value: object) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def only_or_first(value: object) -> Mapping[str, Any]:
    """The first object of a list of objects; empty where there is none."""
    return mapping(value[0]) if isinstance(value, list) and value else {}


def moment(value: object) -> datetime | None:
    """A provider's timestamp, aware and in UTC; None for what is no date and time."""
    if not isinstance(value, str) or not value or len(value) > _MOMENT_LIMIT:
        return None
    try:
        return parse_utc(value)
    except (ValueError, OverflowError):
        return None
