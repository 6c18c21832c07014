"""The picture of a timeline: lanes of bars over an axis, in shares of the width, so that it fits any screen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt

from tasks.ledger.timeline import Count, Timeline, floor
from tasks.model.timeline import Group
from workers.web.timeline_links import Links
from workers.web.views import number

#: Heights in pixels: the name of a lane, its bars, the room below them, the axis.
NAME, BARS, GAP, AXIS = 18, 34, 10, 26
#: The least height of a part of a bar, so that one event among thousands is seen.
LEAST = 3
#: Marks on the axis, at the most; every second one is left out on a small screen.
TICKS = 8
_STEPS = (
    1, 5, 10, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400, 7 * 86400,
    14 * 86400, 30 * 86400, 90 * 86400, 365 * 86400, 1000 * 86400,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """The events of one level in a bar: top and height in pixels."""

    level: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The events of a group in one stretch of time. ``x`` and ``width`` are shares of the picture in percent."""

    x: str
    width: str
    parts: list[Part]
    label: str
    href: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """The bars of one group. ``y`` is where its name stands."""

    key: str
    title: str
    events: int
    y: int
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis; a ``minor`` one is left out on a small screen."""

    x: str
    text: str
    minor: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole picture."""

    height: int
    lanes: list[Lane]
    ticks: list[Tick]


def chart(found: Timeline, links: Links, at: datetime | None, lane: str | None) -> Chart:
    """The picture of a timeline; the bar of the group ``lane`` that begins ``at`` is the chosen one."""
    first = floor(found.since, found.seconds)
    length = timedelta(seconds=found.seconds)
    end = floor(found.until - timedelta(microseconds=1), found.seconds) + length
    bars: dict[Group, dict[datetime, list[Count]]] = defaultdict(lambda: defaultdict(list))
    for count in found.counts:
        bars[Group(count.source, count.group, count.title)][count.start].append(count)
    most = max((sum(c.events for c in counts) for starts in bars.values() for counts in starts.values()), default=0)
    lanes = []
    for place, (group, levels) in enumerate(found.groups().items()):
        key, top = f"{group.source}:{group.name}", place * (NAME + BARS + GAP)
        drawn = [
            Bar(
                x=_percent((start - first) / (end - first)),
                width=_percent(length / (end - first)),
                parts=_parts(counts, most, top + NAME + BARS),
                label=_label(group.title, start, start + length, counts),
                href=links.to(at=start, lane=key),
                chosen=start == at and lane in (None, key),
            )
            for start, counts in bars[group].items()
        ]
        lanes.append(Lane(key, group.title, levels.total(), top + NAME - 5, drawn))
    return Chart(len(lanes) * (NAME + BARS + GAP) + AXIS, lanes, _ticks(first, end))


def stretch(start: datetime, end: datetime) -> str:
    """A stretch of time in words; what both ends share is said once."""
    form = "%H:%M:%S" if (start.second or end.second) else "%H:%M"
    later = f"{end:{form}}" if start.date() == end.date() else f"{end:%Y-%m-%d {form}}"
    return f"{start:%Y-%m-%d {form}} to {later} UTC"


def _label(title: str, start: datetime, end: datetime, counts: Iterable[Count]) -> str:
    told = ", ".join(f"{number(count.events)} {count.level}" for count in counts)
    return f"{title}, {stretch(start, end)}: {told}"


def _parts(counts: Iterable[Count], most: int, ground: float) -> list[Part]:
    """The levels on one another, the gravest at the bottom. Heights go with the root: few are seen beside many."""
    counts = list(counts)
    events = sum(count.events for count in counts)
    height = max(LEAST * len(counts), BARS * sqrt(events / most))
    spare = height - LEAST * len(counts)
    parts = []
    for count in counts:
        tall = LEAST + spare * count.events / events
        ground -= tall
        parts.append(Part(count.level, round(ground, 1), round(tall, 1)))
    return parts


def _ticks(first: datetime, end: datetime) -> list[Tick]:
    step = next((s for s in _STEPS if (end - first) / timedelta(seconds=s) <= TICKS), _STEPS[-1])
    at = floor(first, step)
    found: list[Tick] = []
    while at < end:
        if at >= first:
            found.append(Tick(_percent((at - first) / (end - first)), _tick(at, step), len(found) % 2 == 1))
        at += timedelta(seconds=step)
    return found


def _tick(at: datetime, step: int) -> str:
    if step >= 365 * 86400:
        return f"{at:%Y}"
    if step >= 86400 or (at.hour, at.minute, at.second) == (0, 0, 0):
        return f"{at:%b} {at.day}"
    return f"{at:%H:%M:%S}" if step < 60 else f"{at:%H:%M}"


def _percent(share: float) -> str:
    return f"{share * 100:.3f}%"
