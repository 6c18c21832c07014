"""Quartz cron expressions: when they fire next, in their own time zone (spec orchestrate 9.4)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tasks.jobs import cron_fields as fields
from tasks.jobs.cron_fields import CronMistake, Days

#: The longest expression that is read.
LONGEST = 250
_HOUR, _SECOND = timedelta(hours=1), timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression. ``elapsed``: its hours are ``*`` or a step, so it goes by elapsed time over clock changes."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    years: frozenset[int]
    days: Days
    elapsed: bool

    def after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """The first firing after a moment, in UTC; None where there is none before the year 2100.

        Where clocks go forward, a fixed time in the gap fires once at the first instant after it; where they go
        back, it fires once, at the first pass. With ``elapsed`` it fires at every pass, and not at all in a gap.
        """
        best: datetime | None = None
        # The day before, too: clocks that are set back over midnight repeat its last hour.
        for day in self._dates((moment.astimezone(zone) - timedelta(days=1)).date()):
            for hour in self.hours:
                start = datetime.combine(day, time(hour))
                if best is not None and _is_plain(start, zone):
                    return best
                found = self._in_hour(start, moment, zone)
                if found is not None and (best is None or found < best):
                    best = found
                    if _is_plain(start, zone):
                        return best
        return best

    def _dates(self, first: date) -> Iterator[date]:
        for year in sorted(self.years):
            if year < first.year:
                continue
            for month in sorted(self.months):
                if (year, month) < (first.year, first.month):
                    continue
                for day in self.days.of(year, month):
                    if date(year, month, day) >= first:
                        yield date(year, month, day)

    def _in_hour(self, start: datetime, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """The first firing after the moment among those of one hour of the wall clock."""
        if not _is_plain(start, zone):
            return min((i for i in self._around_change(start, zone) if i > moment), default=None)
        begin = start.replace(tzinfo=zone).astimezone(UTC)
        into = moment - begin
        if into >= _HOUR:
            return None
        if into < timedelta():
            return begin + timedelta(minutes=self.minutes[0], seconds=self.seconds[0])
        minute, second = divmod(into // _SECOND, 60)
        if minute in self.minutes:
            at = bisect_right(self.seconds, second)
            if at < len(self.seconds):
                return begin + timedelta(minutes=minute, seconds=self.seconds[at])
        at = bisect_right(self.minutes, minute)
        if at == len(self.minutes):
            return None
        return begin + timedelta(minutes=self.minutes[at], seconds=self.seconds[0])

    def _around_change(self, start: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """All firings of an hour in which clocks are changed."""
        for minute in self.minutes:
            for second in self.seconds:
                local = start.replace(minute=minute, second=second)
                passes = instants(local, zone)
                if not passes:
                    if not self.elapsed:
                        yield first_after_gap(local, zone)
                else:
                    yield from passes if self.elapsed else passes[:1]


def read_cron(text: str) -> Cron:
    """Read an expression of 6 or 7 fields.

    Raises :class:`CronMistake` that names the field and what is wrong with it, also for one that never fires.
    """
    if len(text) > LONGEST:
        raise CronMistake(f"a cron expression has at most {LONGEST} characters")
    parts = text.upper().split()
    if len(parts) == 5:
        raise CronMistake("5 fields: the seconds are missing, put 0 in front (day of week counts from 1 = Sunday)")
    if len(parts) not in (6, 7):
        raise CronMistake(
            f"{len(parts)} fields: 6 or 7 are wanted (seconds minutes hours day-of-month month day-of-week [year])"
        )
    second, minute, hour, day, month, weekday = parts[:6]
    cron = Cron(
        " ".join(parts),
        tuple(sorted(fields.numbers(fields.SECONDS, second))),
        tuple(sorted(fields.numbers(fields.MINUTES, minute))),
        tuple(sorted(fields.numbers(fields.HOURS, hour))),
        fields.numbers(fields.MONTH, month),
        fields.numbers(fields.YEAR, parts[6] if len(parts) == 7 else "*"),
        fields.days(day, weekday),
        hour == "*" or "/" in hour,
    )
    if next(cron._dates(date(fields.YEAR.low, 1, 1)), None) is None:
        raise CronMistake(f"day of month {day} with month {month} never comes before the year 2100")
    return cron


@lru_cache(maxsize=4096)
def instants(local: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The instants, in UTC, at which clocks of the zone show a time: none in a gap, two where they were set back."""
    found: list[datetime] = []
    for fold in (0, 1):
        instant = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if instant not in found and instant.astimezone(zone).replace(tzinfo=None) == local:
            found.append(instant)
    return tuple(found)


@lru_cache(maxsize=4096)
def first_after_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after the gap in which a time of the wall clock lies."""
    # Read with the offset before the gap it lies after the change, with the one after it before the change.
    high = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    low = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    before = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) // 2 // _SECOND * _SECOND
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def _is_plain(start: datetime, zone: ZoneInfo) -> bool:
    """Whether no clock is changed in this hour."""
    end = start + _HOUR - _SECOND
    offsets = {t.replace(tzinfo=zone, fold=fold).utcoffset() for t in (start, end) for fold in (0, 1)}
    return len(offsets) == 1
