"""Reads ``.trig`` files (spec orchestrate 9.3), and the triggers inside of old schedule files (9.2)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from tasks.constraints import durations
from tasks.constraints.grammar import Findings
from tasks.constraints.xml import Element
from tasks.jobs.cron import read_cron
from tasks.jobs.cron_fields import CronMistake
from tasks.jobs.model import OnCron, OnEvent, OnTime, Trigger, event_name
from tasks.model import fact_types
from tasks.model.builtin_events import BUILTINS, is_taken

SCHEMA = "trigger_1_0_0.xsd"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_REPEAT = re.compile(r"-1|[0-9]{1,9}")
_WAYS = ("event", "cron", "time")
BAD_NAME, BAD_CRON, TAKEN, BAD_TIME = "E209", "E307", "E309", "E310"


def name_of(element: Element, findings: Findings, attribute: str = "name") -> str | None:
    """A name of a job, schedule or trigger; None where it is none."""
    written = element.attributes.get(attribute, "")
    if _NAME.fullmatch(written):
        return written
    what = f"{attribute}={written[:60]!r} is no name"
    findings.note(element, BAD_NAME, what, "Begin with a letter; go on with letters, digits, points, _ and -")
    return None


def read_trigger(root: Element, findings: Findings) -> Trigger | None:
    """Read a document of the root ``<trigger>``; None where it is wrong. Times are of the zone of ``findings``."""
    if root.name != "trigger":
        findings.unknown(root, "a .trig file", ("trigger",))
        return None
    if not findings.attributes(root, ("name",), ("description",)):
        return None
    name = name_of(root, findings)
    ways = [child for child in root.children if child.name in _WAYS]
    for child in root.children:
        if child.name not in _WAYS:
            findings.unknown(child, "trigger", _WAYS)
    if len(ways) != len(root.children):
        return None
    if len(ways) != 1:
        findings.note(root, "E203", "a trigger has one way to fire", "Write one of <event>, <cron> and <time>")
        return None
    way = ways[0]
    findings.leaf(way)
    start = {"event": _event, "cron": _cron, "time": _time}[way.name](way, findings)
    if name is None or start is None or not _free(root, name, start, findings):
        return None
    return make_trigger(name, root.attributes.get("description", ""), start)


def make_trigger(name: str, description: str, start: OnEvent | OnCron | OnTime) -> Trigger:
    """A trigger, with what tells whether it is still the same one."""
    match start:
        case OnEvent():
            said = ["event", start.name, start.external, start.delay.total_seconds()]
        case OnCron():
            said = ["cron", start.cron.text, str(start.zone), str(start.start), str(start.end)]
        case OnTime():
            interval = start.interval.total_seconds() if start.interval else None
            said = ["time", start.startin.total_seconds(), interval, start.repeat]
    return Trigger(name, description, start, json.dumps(said))


def _free(element: Element, name: str, start: OnEvent | OnCron | OnTime, findings: Findings) -> bool:
    """Triggers and events share their names: only the trigger of an event may have that event's name."""
    own = isinstance(start, OnEvent) and start.name.upper() == name.upper()
    if is_taken(name) and not (own and name in BUILTINS):
        findings.note(element, TAKEN, f"{name} is a built-in event", "Give the trigger a name of its own")
        return False
    if isinstance(start, OnEvent) and start.external and is_taken(start.name):
        findings.note(element, TAKEN, f"{start.name} is a built-in event: nobody outside fires it", "Use another name")
        return False
    return True


def _event(way: Element, findings: Findings) -> OnEvent | None:
    if not findings.attributes(way, ("name",), ("external", "delay")):
        return None
    name = event_name(way.attributes["name"])
    external = findings.flag(way, "external", False)
    delay = _pause(way, "delay", findings)
    if name not in BUILTINS and name_of(way, findings) is None:
        return None
    return None if delay is None else OnEvent(name, external, delay)


def _cron(way: Element, findings: Findings) -> OnCron | None:
    if not findings.attributes(way, ("expr",), ("timezone", "start", "end")):
        return None
    given = way.attributes
    zone = zone_of(given.get("timezone"), findings)
    if zone is None:
        mend = "Write a zone of the IANA database, such as Europe/Berlin"
        findings.note(way, BAD_TIME, f"timezone={given['timezone'][:60]!r}", mend)
        return None
    bounds = {}
    for name in ("start", "end"):
        try:
            bounds[name] = fact_types.parse(fact_types.DATE, given[name], zone) if name in given else None
        except fact_types.BadValue as mistake:
            findings.note(way, BAD_TIME, f"{name}={given[name][:60]!r}", str(mistake).capitalize())
            return None
    return make_cron(way, given["expr"], zone, findings, bounds["start"], bounds["end"])


def make_cron(
    element: Element,
    text: str,
    zone: ZoneInfo,
    findings: Findings,
    start: datetime | None = None,
    end: datetime | None = None,
) -> OnCron | None:
    """The times of a cron expression; None, with a complaint, where it never fires."""
    try:
        found = OnCron(read_cron(text), zone, start, end)
    except CronMistake as mistake:
        findings.note(element, BAD_CRON, str(mistake), "Write it as Quartz does: 0 30 2 * * ?")
        return None
    if end is not None and found.after(start or datetime(1970, 1, 1, tzinfo=UTC)) is None:
        findings.note(element, BAD_CRON, "it never fires before its end", "Correct start, end or expr")
        return None
    return found


def zone_of(name: str | None, findings: Findings) -> ZoneInfo | None:
    """A time zone of the IANA database, that of the site where none is named; None for a name that none has."""
    if name is None:
        return findings.zone if isinstance(findings.zone, ZoneInfo) else ZoneInfo("UTC")
    return ZoneInfo(name) if name in available_timezones() else None


def _time(way: Element, findings: Findings) -> OnTime | None:
    if not findings.attributes(way, (), ("startin", "interval", "repeat")):
        return None
    startin = _pause(way, "startin", findings)
    interval = _pause(way, "interval", findings) if "interval" in way.attributes else None
    return make_time(way, startin, interval, way.attributes.get("repeat"), findings)


def make_time(
    element: Element, startin: timedelta | None, interval: timedelta | None, repeat: str | None, findings: Findings
) -> OnTime | None:
    """Times after activation; None, with a complaint, where they make no sense."""
    if repeat is not None and not _REPEAT.fullmatch(repeat):
        findings.note(element, BAD_TIME, f"repeat={repeat[:60]!r}", "Write a count, or -1 for ever")
        return None
    if startin is None or interval == timedelta():
        if startin is not None:
            findings.note(element, BAD_TIME, "an interval of nothing", "Write an interval of a second or more")
        return None
    if interval is None and repeat not in (None, "0"):
        findings.note(element, BAD_TIME, "repeat without an interval", "Add interval, or remove repeat")
        return None
    return OnTime(startin, interval, int(repeat) if repeat is not None else -1)


def _pause(element: Element, name: str, findings: Findings) -> timedelta | None:
    """A duration that may be 0; none where the attribute is absent."""
    return pause_of(element, name, element.attributes.get(name, "0"), findings)


def pause_of(element: Element, name: str, text: str, findings: Findings) -> timedelta | None:
    """A duration that may be 0; None, with a complaint, where it is no duration."""
    if text.strip() == "0":
        return timedelta()
    try:
        return timedelta(seconds=durations.seconds(text))
    except ValueError as mistake:
        findings.note(element, BAD_TIME, f"{name}={text[:60]!r} is no duration", str(mistake).capitalize())
        return None
