"""Values as operators compare them: numbers, texts, sets (spec policy-alerts 3.3, and 3.4 on nil)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from tasks.expressions.mistakes import BadText, shown
from tasks.model import clock

Number = int | float

#: A range in a wanted set is written out; a longer one is a mistake.
MAX_RANGE = 1000

_KILO = 1024
#: Units that a number may carry after a dot: sizes in bytes, times in seconds.
UNITS: Mapping[str, Number] = MappingProxyType(
    {
        "byte": 1,
        "kilobyte": _KILO,
        "megabyte": _KILO**2,
        "gigabyte": _KILO**3,
        "terabyte": _KILO**4,
        "petabyte": _KILO**5,
        "second": 1,
        "minute": 60,
        "hour": 3600,
        "day": 86_400,
        "week": 604_800,
    }
)

_WRITTEN = re.compile(r"\s*([-+]?\d{1,3}(?:,\d{3}){1,12}|[-+]?\d{1,40})(\.\d{1,40})?(?:\.([a-z]{1,12}))?\s*", re.ASCII)
_LEADING = re.compile(r"\s{0,20}([-+]?\d[\d,]{0,39})(\.\d{1,40})?", re.ASCII)
_RANGE = re.compile(r"(-?\d{1,15})\.\.(-?\d{1,15})", re.ASCII)


def is_number(value: object) -> bool:
    """Whether a value is a number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_number(written: object) -> Number | None:
    """A number as it is written: ``4096``, ``"1,024"``, ``5.megabytes``, ``2.hours``; None for all else."""
    if isinstance(written, int | float) and not isinstance(written, bool):
        return written if not isinstance(written, float) or math.isfinite(written) else None
    if not isinstance(written, str) or len(written) > 120:
        return None
    match = _WRITTEN.fullmatch(written)
    if match is None:
        return None
    digits = match[1].replace(",", "")
    number: Number = float(digits + match[2]) if match[2] else int(digits)
    if match[3] is None:
        return number
    unit = UNITS.get(match[3].removesuffix("s"))
    return None if unit is None else number * unit


def number_of(found: Any) -> Number:
    """A found value as a number: nothing is 0, a text counts as far as it begins with a number (3.3)."""
    if isinstance(found, str):
        match = _LEADING.match(found)
        if match is None:
            return 0
        digits = match[1].replace(",", "")
        return float(digits + match[2]) if match[2] else int(digits)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else 0


def text_of(found: Any) -> str:
    """A found value as text: nothing is empty, and so is what is neither text nor number."""
    if isinstance(found, str):
        return found
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float) and found.is_integer() and abs(found) < 1e15:
        return str(int(found))
    if isinstance(found, int | float):
        return str(found)
    return clock.rfc3339(found) if isinstance(found, datetime) else ""


def members_of(found: Any) -> frozenset[str]:
    """A found value as a set: nothing is the empty set, a text is split at its commas."""
    if isinstance(found, str):
        return frozenset(part for piece in found.split(",") if (part := piece.strip()))
    if isinstance(found, list | tuple | set | frozenset):
        return frozenset(map(text_of, found))
    if isinstance(found, Mapping):
        return frozenset(map(str, found))
    return frozenset() if found is None else frozenset((text_of(found),))


def read_members(written: object) -> frozenset[str]:
    """A wanted set: a list, or a text with commas; ``1..4`` stands for its numbers. Raises ``BadText``."""
    pieces = written.split(",") if isinstance(written, str) else written
    if not isinstance(pieces, list):
        pieces = [pieces]
    members: set[str] = set()
    for piece in pieces:
        members |= _member(piece.strip() if isinstance(piece, str) else piece)
    members.discard("")
    if not members:
        raise BadText("no member is wanted", "Write a list such as [gold, silver]")
    return frozenset(members)


def _member(piece: object) -> set[str]:
    if isinstance(piece, str):
        span = _RANGE.fullmatch(piece)
        if span is None:
            return {piece}
        first, last = int(span[1]), int(span[2])
        if not 0 <= last - first <= MAX_RANGE:
            raise BadText(
                f"the range {shown(piece)} cannot be used",
                f"Write it upwards, with at most {MAX_RANGE} numbers",
            )
        return set(map(str, range(first, last + 1)))
    if isinstance(piece, bool | int | float):
        return {text_of(piece)}
    raise BadText(f"{shown(piece)} cannot be a member", "Write texts or numbers, quoted where they look like dates")


def written_scalar(written: object) -> bool | Number | str:
    """An operand of a comparison, plain. Raises ``BadText`` for nothing, lists, mappings and bare dates."""
    if written is None:
        raise BadText("nothing to compare with is given", "Write a value, or ask with `empty: true`")
    if isinstance(written, date):
        raise BadText(
            f"{written.isoformat()} is a date to YAML",
            "Put it in quotes, or compare with before, after, during",
        )
    if isinstance(written, list):
        raise BadText("a list cannot be compared as one value", "Write `in: […]` for one of several")
    if not isinstance(written, bool | int | float | str):
        raise BadText(f"{shown(written)} cannot be compared with", "Write a text, a number, true or false")
    return written
