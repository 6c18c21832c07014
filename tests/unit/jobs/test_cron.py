"""Quartz cron expressions: next times against an oracle that tries every second, and the checks of spec orchestrate."""

from __future__ import annotations

import calendar
import contextlib
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.jobs.cron import Cron, read_cron
from tasks.jobs.cron_fields import CronMistake

UTC_ZONE = ZoneInfo("UTC")
NAMES = {n: i for i, n in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
MONTHS = {n.upper(): i for i, n in enumerate(calendar.month_abbr) if n}


def firings(text: str, start: datetime, count: int, zone: str = "UTC") -> list[datetime]:
    """The next firings after a moment, on the wall clock of the zone."""
    cron, found, moment = read_cron(text), [], start
    while len(found) < count:
        after = cron.after(moment, ZoneInfo(zone))
        if after is None:
            break
        assert after > moment
        moment = after
        found.append(after.astimezone(ZoneInfo(zone)))
    return found


def days(text: str, year: int, month: int) -> list[int]:
    """The days of one month on which an expression fires."""
    found, last = [], calendar.monthrange(year, month)[1]
    moment = datetime(year, month, 1, tzinfo=UTC) - timedelta(seconds=1)
    while True:
        after = read_cron(text).after(moment, UTC_ZONE)
        if after is None or (after.year, after.month) != (year, month):
            assert len(found) <= last
            return found
        found.append(after.day)
        moment = after


# The oracle: written apart from the code, by the words of the spec, one field at a time.


def _hits(text: str, low: int, high: int, value: int, names: dict[str, int]) -> bool:
    if text == "*":
        return True
    for item in text.split(","):
        base, _, step = item.partition("/")
        first, _, last = base.partition("-")
        if base == "*":
            start, end = low, high
        else:
            start = names.get(first) or int(first)
            end = (names.get(last) or int(last)) if last else (high if step else start)
        allowed = start
        span = (end - start) % (high - low + 1)
        for offset in range(0, span + 1, int(step or 1)):
            allowed = low + (start - low + offset) % (high - low + 1)
            if allowed == value:
                return True
    return False


def _works(day: datetime) -> bool:
    return day.weekday() < 5


def _date_hits(text: str, day: datetime) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if text == "L":
        return day.day == last
    if text == "LW":
        return _works(day) and not any(_works(day.replace(day=d)) for d in range(day.day + 1, last + 1))
    if text.endswith("W"):
        wanted = int(text[:-1])
        if wanted > last or not _works(day):
            return False
        working = [d for d in range(1, last + 1) if _works(day.replace(day=d))]
        return day.day == min(working, key=lambda d: (abs(d - wanted), d))
    return _hits(text, 1, 31, day.day, {})


def _weekday_hits(text: str, day: datetime) -> bool:
    number = day.isoweekday() % 7 + 1
    if text == "L":
        return number == 7
    if "#" in text:
        name, _, which = text.partition("#")
        return number == (NAMES.get(name) or int(name)) and (day.day - 1) // 7 + 1 == int(which)
    if text.endswith("L"):
        last = calendar.monthrange(day.year, day.month)[1]
        return number == (NAMES.get(text[:-1]) or int(text[:-1])) and day.day + 7 > last
    return _hits(text, 1, 7, number, NAMES)


def oracle(text: str, local: datetime) -> bool:
    """Whether an expression fires at a time of the wall clock."""
    second, minute, hour, day, month, weekday, *year = text.upper().split()
    if not (_hits(second, 0, 59, local.second, {}) and _hits(minute, 0, 59, local.minute, {})):
        return False
    if not (_hits(hour, 0, 23, local.hour, {}) and _hits(month, 1, 12, local.month, MONTHS)):
        return False
    if year and not _hits(year[0], 1970, 2099, local.year, {}):
        return False
    asked = [hits(text, local) for hits, text in ((_date_hits, day), (_weekday_hits, weekday)) if text not in "*?"]
    return any(asked) if asked else True


def field(low: int, high: int, names: list[str] = []) -> st.SearchStrategy[str]:  # noqa: B006
    value = st.one_of(st.integers(low, high).map(str), *([st.sampled_from(names)] if names else []))
    ranged = st.tuples(value, value).map("-".join)
    stepped = st.tuples(st.one_of(st.just("*"), value, ranged), st.integers(1, high).map(str)).map("/".join)
    item = st.one_of(value, ranged, stepped)
    return st.one_of(st.just("*"), st.lists(item, min_size=1, max_size=3).map(",".join))


DATE = st.one_of(field(1, 31), st.just("?"), st.just("L"), st.just("LW"), st.integers(1, 31).map("{}W".format))
WEEKDAY = st.one_of(
    field(1, 7, list(NAMES)),
    st.just("?"),
    st.just("L"),
    st.sampled_from([*NAMES, *"1234567"]).map("{}L".format),
    st.tuples(st.sampled_from([*NAMES, *"1234567"]), st.sampled_from("12345")).map("#".join),
)
SECOND, MINUTE, HOUR = field(0, 59), field(0, 59), field(0, 23)
MONTH = field(1, 12, list(MONTHS))
EXPRESSION = st.tuples(SECOND, MINUTE, HOUR, DATE, MONTH, WEEKDAY).map(" ".join)
MOMENT = st.datetimes(datetime(2028, 1, 1), datetime(2033, 1, 1)).map(lambda m: m.replace(tzinfo=UTC))


@given(EXPRESSION, MOMENT)
@settings(max_examples=120, deadline=None)
def test_next_firing_is_one_and_no_second_before_it_is(text: str, moment: datetime) -> None:
    try:
        cron = read_cron(text)
    except CronMistake:
        # The strategy makes nothing else that is refused.
        assert not any(oracle(text, moment + timedelta(days=day)) for day in range(1500))
        return
    found = cron.after(moment, UTC_ZONE)
    assert found is not None
    assert oracle(text, found)
    second = moment.replace(microsecond=0) + timedelta(seconds=1)
    for _ in range(400):
        if second >= found:
            return
        assert not oracle(text, second), second
        second += timedelta(seconds=1)
    # Further on, day by day, at every minute and second that could fire in the day.
    day = second.replace(hour=0, minute=0, second=0)
    while day < found:
        for hour in cron.hours:
            at = day.replace(hour=hour, minute=cron.minutes[0], second=cron.seconds[0])
            assert not (second <= at < found and oracle(text, at)), at
        day += timedelta(days=1)


def _minutes_of(text: str, zone: ZoneInfo, start: datetime, hours: int) -> list[datetime]:
    """Firings by trying every minute that passes, with fixed times of a gap moved to the instant after it."""
    elapsed = text.split()[2] == "*" or "/" in text.split()[2]
    found, seen = [], set[datetime]()
    before = None
    hits = cache(lambda minute, hour: oracle(text, start.replace(minute=minute, hour=hour)))
    for step in range(-60, hours * 60):
        instant = start + timedelta(minutes=step)
        local = instant.astimezone(zone).replace(tzinfo=None)
        if before is not None and local > before + timedelta(minutes=1):
            skipped = before + timedelta(minutes=1)
            due = False
            while skipped < local:
                due |= hits(skipped.minute, skipped.hour)
                skipped += timedelta(minutes=1)
            if due and not elapsed:
                found.append(instant)
        if hits(local.minute, local.hour) and (elapsed or local not in seen):
            found.append(instant)
        seen.add(local)
        before = local
    return sorted({instant for instant in found if instant > start})


#: Zones and days on which clocks are changed: by an hour, by half an hour, at midnight, over a whole day.
CHANGES = [
    ("Europe/Berlin", datetime(2031, 3, 29, 12)),
    ("Europe/Berlin", datetime(2031, 10, 25, 12)),
    ("Australia/Lord_Howe", datetime(2024, 10, 5, 3)),
    ("Australia/Lord_Howe", datetime(2024, 4, 6, 3)),
    ("America/Sao_Paulo", datetime(2018, 11, 3, 12)),
    ("America/Sao_Paulo", datetime(2018, 2, 17, 12)),
    ("America/St_Johns", datetime(2010, 11, 6, 12)),
    ("Pacific/Apia", datetime(2011, 12, 29, 12)),
]


@pytest.mark.parametrize(("name", "start"), CHANGES)
@given(st.sampled_from(["0", "30", "59", "0/20", "1,31", "5-8"]), field(0, 23))
@settings(max_examples=10, deadline=None)
def test_firings_over_a_change_of_clocks_are_those_of_every_minute(
    name: str, start: datetime, minute: str, hour: str
) -> None:
    text, zone = f"0 {minute} {hour} * * ?", ZoneInfo(name)
    begin = start.replace(tzinfo=UTC)
    wanted = _minutes_of(text, zone, begin, 36)
    cron, moment, found = read_cron(text), begin, []
    while (after := cron.after(moment, zone)) is not None and after < begin + timedelta(hours=36):
        found.append(after)
        moment = after
    assert found == wanted


def test_orchestrate_83_cron_fires_as_quartz_does() -> None:
    start = datetime(2031, 1, 1, tzinfo=UTC)
    assert [f.minute for f in firings("0 0/5 14 * * ?", start, 12)] == list(range(0, 60, 5))
    assert firings("0 0/5 14 * * ?", start, 13)[-1].day == 2
    assert {f.weekday() for f in firings("0 0 9 ? * 2-6", start, 20)} == {0, 1, 2, 3, 4}
    assert [days("0 0 0 L * ?", 2031, month) for month in (1, 2, 4)] == [[31], [28], [30]]
    assert days("0 0 0 L * ?", 2032, 2) == [29]
    assert (days("0 0 0 1W * ?", 2031, 2), datetime(2031, 2, 1).weekday()) == ([3], 5)
    assert days("0 0 0 ? * 6#3", 2031, 1) == [17]
    assert days("0 0 0 LW * ?", 2031, 8) == [29]
    assert days("0 0 0 ? * FRIL", 2031, 1) == days("0 0 0 ? * 6L", 2031, 1) == [31]
    assert days("0 0 0 ? * L", 2031, 2) == [1, 8, 15, 22]
    assert days("0 0 0 ? * 2#5", 2031, 2) == []


def test_orchestrate_84_both_day_fields_are_in_union_and_a_day_fires_once() -> None:
    assert days("0 0 0 15 * 1", 2031, 6) == [1, 8, 15, 22, 29]
    assert days("0 0 0 1,16 * 1", 2031, 6) == [1, 8, 15, 16, 22, 29]
    assert days("0 0 0 * * 1", 2031, 6) == days("0 0 0 ? * 1", 2031, 6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0 0 3-39 * * ?", "hours range 3-39 lies outside 0-23"),
        ("0 12 * * ?", "5 fields: the seconds are missing"),
        ("0 0 0 L,15 * ?", "day of month 'L,15'"),
        ("60 * * * * ?", "seconds value 60 lies outside 0-59"),
        ("0 0 0 30 2 ?", "never comes before the year 2100"),
        ("0 0 0 ? * 6L,3", "day of week '6L,3'"),
        ("0 0 0 ? * 6#6", "after # lies outside 1-5"),
        ("0 0 0 1-5W * ?", "W after a single day"),
        ("0 0 0 0 * ?", "day of month value 0"),
        ("0 0 0 ? * 8", "day of week value 8 lies outside 1-7"),
        ("0 0 0 ? FOO 1", "JAN, FEB"),
        ("0 0 0 1 1 ? 2031-2030", "year range"),
        ("0 0 0 1 1 ? 2100", "year value 2100 lies outside 1970-2099"),
        ("0 */0 0 1 1 ?", "the step lies outside 1-59"),
        ("0 */60 0 1 1 ?", "the step lies outside 1-59"),
        ("0 *-5 0 1 1 ?", "cannot begin with *"),
        ("0 ٣ 0 1 1 ?", "is no number"),
        ("0 1,,2 0 1 1 ?", "minutes ''"),
        ("", "0 fields"),
        ("0 " * 4000, "at most 250 characters"),
    ],
)
def test_orchestrate_85_what_cannot_be_names_its_field(text: str, told: str) -> None:
    with pytest.raises(CronMistake, match=re.escape(told)):
        read_cron(text)


def test_orchestrate_86_a_fixed_time_fires_once_in_a_gap_and_once_in_an_overlap() -> None:
    berlin = "Europe/Berlin"
    spring = firings("0 30 2 * * ?", datetime(2031, 3, 29, 12, tzinfo=UTC), 2, berlin)
    assert [f.isoformat() for f in spring] == ["2031-03-30T03:00:00+02:00", "2031-03-31T02:30:00+02:00"]
    autumn = firings("0 30 2 * * ?", datetime(2031, 10, 25, 12, tzinfo=UTC), 2, berlin)
    assert [f.isoformat() for f in autumn] == ["2031-10-26T02:30:00+02:00", "2031-10-27T02:30:00+01:00"]
    every = firings("0 30 * * * ?", datetime(2031, 10, 25, 23, 50, tzinfo=UTC), 3, berlin)
    assert [f.isoformat() for f in every] == [
        "2031-10-26T02:30:00+02:00",
        "2031-10-26T02:30:00+01:00",
        "2031-10-26T03:30:00+01:00",
    ]


def test_names_and_steps_are_read_in_any_letter_case() -> None:
    first, second = read_cron("0 0 2/3 ? jan-mar mon,Fri"), read_cron("0 0 2,5,8,11,14,17,20,23 ? 1-3 2,6")
    assert (first.hours, first.months, first.days) == (second.hours, second.months, second.days)
    assert read_cron("0 0 22-2 ? nov-feb 1").hours == (0, 1, 2, 22, 23)


def test_an_expression_with_a_last_year_comes_to_its_end() -> None:
    cron: Cron = read_cron("0 0 0 1 1 ? 2031")
    assert cron.after(datetime(2031, 1, 1, tzinfo=UTC), UTC_ZONE) is None


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(CronMistake):
        assert read_cron(text).hours
