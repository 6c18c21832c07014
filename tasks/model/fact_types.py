"""Types of facts: canonical values, how they are written, and how the ledger keeps them (spec orchestrate 4.1).

Canonical are ``str``, ``int``, ``Decimal``, ``bool``, a UTC moment, seconds of the day, a list of one scalar type, and
a mapping with text keys. A binary float is never kept: 0.1 is one tenth.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, tzinfo
from decimal import Decimal
from math import isfinite
from typing import Any

STRING, INTEGER, REAL, BOOLEAN = "string", "integer", "real", "boolean"
DATE, TIME, DICTIONARY = "date", "time", "dictionary"
#: Types of one plain value; a constraint may name any of them.
SCALARS = (STRING, INTEGER, REAL, BOOLEAN, DATE, TIME)
#: An array is written as the type of its elements and this.
ARRAY = "[]"
TYPES = (*SCALARS, DICTIONARY, *(f"{name}{ARRAY}" for name in SCALARS))

#: Longest text, in bytes of UTF-8, and most elements of an array or dictionary.
MAX_TEXT, MAX_ELEMENTS = 65_536, 4096
#: Digits before or behind the point: more of them are no measurement, and only cost memory.
MAX_DIGITS = 1000

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_LEGACY = re.compile(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{2} +[0-9]{1,2}:[0-9]{2} *[AaPp][Mm]")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2})?")


class BadValue(ValueError):
    """A value that is none of the type it should have; its text says what is wanted."""


def number(text: str) -> Decimal | None:
    """The number that a text is (spec orchestrate 4.1: ``.5``, ``5.``, ``1e3``, ``007``), or None.

    ASCII digits alone; no infinities, no blanks, no underscores, and at most :data:`MAX_DIGITS` digits.
    """
    if len(text) > MAX_DIGITS or not _NUMBER.fullmatch(text):
        return None
    found = Decimal(text)
    return found if abs(found.adjusted()) <= MAX_DIGITS else None


def is_whole(value: Decimal) -> bool:
    """Whether a number has no fraction."""
    return value == value.to_integral_value()


def parse(kind: str, text: str, zone: tzinfo = UTC) -> Any:
    """A written literal as a canonical value of a scalar type. Raises :class:`BadValue`.

    ``zone`` is that of dates without an offset.
    """
    reader = _READERS.get(kind)
    if reader is None:
        raise BadValue(f"a value of the type {kind} cannot be written as text; name another fact with factvalue")
    return reader(text.strip(" \t\r\n") if kind != STRING else text, zone)


def _parse_string(text: str, _: tzinfo) -> str:
    return _text(text)


def _parse_real(text: str, _: tzinfo) -> Decimal:
    found = number(text)
    if found is None:
        raise BadValue("a number is wanted, such as 2, .5, -1 or 1e3")
    return found


def _parse_integer(text: str, zone: tzinfo) -> int:
    found = _parse_real(text, zone)
    if not is_whole(found):
        raise BadValue("a whole number is wanted")
    return int(found)


def _parse_boolean(text: str, _: tzinfo) -> bool:
    word = text.lower()
    if word not in ("true", "false"):
        raise BadValue("true or false is wanted")
    return word == "true"


def _parse_date(text: str, zone: tzinfo) -> datetime:
    try:
        if _LEGACY.fullmatch(text):
            found = datetime.strptime("".join(text.split()), "%m/%d/%y%I:%M%p")  # noqa: DTZ007 - the zone comes below
        else:
            found = datetime.fromisoformat(text if _ISO.fullmatch(text) else "")
        return (found.replace(tzinfo=zone) if found.tzinfo is None else found).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadValue("a date is wanted, such as 2031-05-04T12:00:00Z, 2031-05-04 or 04/05/07 7:45 AM") from None


def _parse_time(text: str, _: tzinfo) -> int:
    try:
        found = time.fromisoformat(text if _TIME.fullmatch(text) else "")
    except ValueError:
        raise BadValue("a time of day is wanted, such as 07:45 or 12:01:02") from None
    return found.hour * 3600 + found.minute * 60 + found.second


_READERS: Mapping[str, Callable[[str, tzinfo], Any]] = {
    STRING: _parse_string,
    INTEGER: _parse_integer,
    REAL: _parse_real,
    BOOLEAN: _parse_boolean,
    DATE: _parse_date,
    TIME: _parse_time,
}


def element_of(kind: str) -> str | None:
    """The type of an array's elements; None for what is no array."""
    return kind.removesuffix(ARRAY) if kind.endswith(ARRAY) else None


def canonical(kind: str, value: Any) -> Any:
    """A value as it comes, in its canonical form; None stays None, and no number that is none is kept.

    Raises :class:`BadValue` where it cannot be one of the type.
    """
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return None
    if (element := element_of(kind)) is not None:
        if not isinstance(value, list | tuple) or len(value) > MAX_ELEMENTS:
            raise BadValue(f"a list of at most {MAX_ELEMENTS} elements is wanted")
        return [made for item in value if (made := canonical(element, item)) is not None]
    if kind == DICTIONARY:
        return _dictionary(value)
    if isinstance(value, str):
        return parse(kind, value)
    if kind in (INTEGER, REAL) and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        found = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if not found.is_finite():
            return None
        if abs(found.adjusted()) > MAX_DIGITS:
            raise BadValue(f"a number of at most {MAX_DIGITS} digits is wanted")
        if kind == REAL:
            return found
        if is_whole(found):
            return int(found)
    if (kind == BOOLEAN and isinstance(value, bool)) or (kind == TIME and type(value) is int and 0 <= value < 86_400):
        return value
    if kind == DATE and isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if kind == STRING and isinstance(value, bool | int | Decimal):
        return str(value).lower() if isinstance(value, bool) else str(value)
    raise BadValue(f"a value of the type {kind} is wanted")


def _text(value: str) -> str:
    made = unicodedata.normalize("NFC", value)
    try:
        size = len(made.encode("utf-8"))
    except UnicodeEncodeError:
        raise BadValue("the text has a character that UTF-8 cannot write") from None
    if "\x00" in made or size > MAX_TEXT:
        raise BadValue(f"a text of at most {MAX_TEXT} bytes without NUL is wanted")
    return made


def _dictionary(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or len(value) > MAX_ELEMENTS:
        raise BadValue(f"a mapping of at most {MAX_ELEMENTS} keys is wanted")
    return {_text(str(key)): _inner(inner, 1) for key, inner in value.items()}


def _inner(value: Any, depth: int) -> Any:
    if depth > 16:
        raise BadValue("a mapping of at most 16 levels is wanted")
    if isinstance(value, Mapping):
        return {_text(str(key)): _inner(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_inner(inner, depth + 1) for inner in value]
    if isinstance(value, float):
        return Decimal(repr(value)) if isfinite(value) else None
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int | Decimal):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise BadValue(f"{type(value).__name__} is no value of a fact")


def type_of(value: Any) -> str:
    """The type that a value of nobody's registry has."""
    match value:
        case bool():
            return BOOLEAN
        case int():
            return INTEGER
        case float() | Decimal():
            return REAL
        case datetime():
            return DATE
        case Mapping():
            return DICTIONARY
        case list() | tuple():
            kinds = {type_of(item) for item in value}
            return f"{kinds.pop() if len(kinds) == 1 and kinds <= set(SCALARS) else STRING}{ARRAY}"
    return STRING


def dump(kind: str, value: Any) -> str:
    """A canonical value as the ledger keeps it: text that :func:`load` reads back without loss."""
    if kind == BOOLEAN:
        return "true" if value else "false"
    if kind == DATE:
        return str(value.isoformat())
    if kind == DICTIONARY or element_of(kind) is not None:
        return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    return str(value)


def load(kind: str, text: str) -> Any:
    """The canonical value that :func:`dump` wrote."""
    if kind == STRING:
        return text
    if kind == BOOLEAN:
        return text == "true"
    if kind in (INTEGER, TIME):
        return int(text)
    if kind == REAL:
        return Decimal(text)
    if kind == DATE:
        return datetime.fromisoformat(text)
    found = json.loads(text, parse_float=Decimal)
    return found if kind == DICTIONARY else canonical(kind, found)


def plain(value: Any) -> Any:
    """A canonical value as JSON knows it; decimals become numbers where nothing of them is lost, else text."""
    if isinstance(value, Decimal):
        if is_whole(value) and abs(value) < 2**53:
            return int(value)
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def shown(kind: str, value: Any) -> str:
    """A canonical value for people."""
    if kind == TIME:
        return f"{value // 3600:02}:{value % 3600 // 60:02}:{value % 60:02}"
    return dump(kind, value)
