"""The fields of a Quartz cron expression (spec orchestrate 9.4), each read into the numbers it lets through."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple


class CronMistake(ValueError):
    """A cron expression that cannot be; the text names field and value."""


class Field(NamedTuple):
    """One field: what it is called, its bounds, and its names."""

    name: str
    low: int
    high: int
    names: Mapping[str, int]


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

SECONDS = Field("seconds", 0, 59, {})
MINUTES = Field("minutes", 0, 59, {})
HOURS = Field("hours", 0, 23, {})
DAY_OF_MONTH = Field("day of month", 1, 31, {})
MONTH = Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)})
DAY_OF_WEEK = Field("day of week", 1, 7, {name: number for number, name in enumerate(_DAYS, 1)})
YEAR = Field("year", 1970, 2099, {})

_ITEM = re.compile(r"(?P<first>[0-9A-Z]+|\*)(?:-(?P<last>[0-9A-Z]+))?(?:/(?P<step>[0-9]+))?")
_NEAREST = re.compile(r"([0-9]{1,2})W")
_LAST_SUCH = re.compile(r"([0-9A-Z]+)L")
_NTH_SUCH = re.compile(r"([0-9A-Z]+)#([0-9]+)")
_DIGITS = re.compile(r"[0-9]{1,4}")


def numbers(field: Field, text: str) -> frozenset[int]:
    """The numbers that a field of lists, ranges and steps lets through.

    A range whose end lies before its start goes over the end of the field, but for years. Raises
    :class:`CronMistake`.
    """
    found: set[int] = set()
    for item in text.split(","):
        found.update(_item(field, item))
    return frozenset(found)


def _item(field: Field, item: str) -> range | list[int]:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise CronMistake(f"{field.name} {item!r} is no number, name, range or step")
    if match["first"] == "*":
        if match["last"]:
            raise CronMistake(f"{field.name} {item!r}: a range cannot begin with *")
        low, high = field.low, field.high
    else:
        low = _number(field, match["first"], item)
        # A start with a step and no end goes up to the end of the field.
        high = _number(field, match["last"], item) if match["last"] else field.high if match["step"] else low
    step = int(match["step"] or 1)
    if not 1 <= step <= field.high:
        raise CronMistake(f"{field.name} {item!r}: the step lies outside 1-{field.high}")
    if low <= high:
        return range(low, high + 1, step)
    if field is YEAR:
        raise CronMistake(f"year range {item} ends before it begins")
    size = field.high - field.low + 1
    return [(n - field.low) % size + field.low for n in range(low, high + size + 1, step)]


def _number(field: Field, word: str, item: str) -> int:
    if word in field.names:
        return field.names[word]
    if not _DIGITS.fullmatch(word):
        known = f", or one of {', '.join(field.names)}" if field.names else ""
        raise CronMistake(f"{field.name} {item!r}: {word!r} is no number{known}")
    if not field.low <= int(word) <= field.high:
        what = "range" if "-" in item else "value"
        raise CronMistake(f"{field.name} {what} {item} lies outside {field.low}-{field.high}")
    return int(word)


@dataclass(frozen=True, slots=True)
class Days:
    """Which days of a month an expression names: by their dates, their weekdays, or both in union."""

    dates: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    last: bool = False
    last_working: bool = False
    nearest: int | None = None
    last_weekday: int | None = None
    nth: tuple[int, int] | None = None

    def of(self, year: int, month: int) -> list[int]:
        """The days of that month, in order."""
        length = calendar.monthrange(year, month)[1]
        found = {day for day in self.dates if day <= length}
        if self.last:
            found.add(length)
        if self.last_working:
            found.add(_working(year, month, length, length))
        if self.nearest is not None and self.nearest <= length:
            found.add(_working(year, month, self.nearest, length))
        for weekday in self.weekdays:
            found.update(_such(year, month, weekday, length))
        if self.last_weekday is not None:
            found.add(_such(year, month, self.last_weekday, length)[-1])
        if self.nth is not None:
            weekday, number = self.nth
            found.update(_such(year, month, weekday, length)[number - 1 : number])
        return sorted(found)


def days(of_month: str, of_week: str) -> Days:
    """The days that both fields name together; ``*`` names none where the other field does.

    Raises :class:`CronMistake`.
    """
    open_month, open_week = of_month in "*?", of_week in "*?"
    if open_month and open_week:
        return Days(dates=frozenset(range(1, 32)))
    by_date = {} if open_month else _by_date(of_month)
    by_weekday = {} if open_week else _by_weekday(of_week)
    return Days(**by_date, **by_weekday)  # type: ignore[arg-type]  # the keys of the two are different fields


def _by_date(text: str) -> dict[str, object]:
    if text == "L":
        return {"last": True}
    if text == "LW":
        return {"last_working": True}
    if match := _NEAREST.fullmatch(text):
        return {"nearest": _number(DAY_OF_MONTH, match[1], text)}
    if "?" in text or "L" in text or "W" in text:
        raise CronMistake(f"day of month {text!r}: ?, L, W and LW stand alone, W after a single day")
    return {"dates": numbers(DAY_OF_MONTH, text)}


def _by_weekday(text: str) -> dict[str, object]:
    if text == "L":
        return {"weekdays": frozenset({7})}
    if match := _NTH_SUCH.fullmatch(text):
        number = int(match[2][:3])
        if not 1 <= number <= 5:
            raise CronMistake(f"day of week {text!r}: the number after # lies outside 1-5")
        return {"nth": (_number(DAY_OF_WEEK, match[1], text), number)}
    if match := _LAST_SUCH.fullmatch(text):
        return {"last_weekday": _number(DAY_OF_WEEK, match[1], text)}
    if "?" in text or "#" in text or any(item.endswith("L") for item in re.split("[,/-]", text)):
        raise CronMistake(f"day of week {text!r}: ?, L and # are not mixed with lists, ranges or steps")
    return {"weekdays": numbers(DAY_OF_WEEK, text)}


def _such(year: int, month: int, weekday: int, length: int) -> list[int]:
    """The dates of a weekday (1: Sunday) in a month."""
    first = (weekday - 1 - (date(year, month, 1).isoweekday() % 7)) % 7 + 1
    return list(range(first, length + 1, 7))


def _working(year: int, month: int, day: int, length: int) -> int:
    """The day from Monday to Friday that is nearest to this one, in the same month."""
    wanted = date(year, month, day)
    for shift in {5: (-1, 2), 6: (1, -2)}.get(wanted.weekday(), (0,)):
        if 1 <= day + shift <= length:
            return (wanted + timedelta(days=shift)).day
    raise AssertionError("a month has more than two days")
