"""Reads ``.sched`` files of the first generation (spec orchestrate 9.2) as what they mean in the second."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tasks.constraints.grammar import Findings
from tasks.constraints.xml import Element
from tasks.jobs.model import PRIORITIES, SYSTEM_USER, OnCron, OnTime, Schedule, Trigger
from tasks.jobs.schedules import arguments, triggers
from tasks.jobs.triggers import make_cron, make_time, make_trigger, name_of, pause_of, zone_of

_MARKS = (
    "resourcediscovery",
    "active",
    "passuserenv",
    "runonresourcestart",
    "runonserverstart",
    "runoneachresource",
)
_PARTS = ("jobargs", *_MARKS, "triggers")
_TIMES = ("cron", "startin", "interval", "repeat")


def is_old(root: Element) -> bool:
    """Whether a schedule file is of the first generation: its root has no name, and holds jobs and triggers."""
    return root.name == "schedule" and "name" not in root.attributes


def read_old(root: Element, findings: Findings) -> tuple[list[Schedule], list[Trigger]]:
    """The schedules and triggers of a document; what is wrong with them is noted."""
    findings.attributes(root, ())
    schedules: list[Schedule] = []
    made: list[Trigger] = []
    readers: dict[str, Callable[[Element], None]] = {
        "job": lambda child: schedules.extend(_job(child, findings)),
        "trigger": lambda child: made.extend(_trigger(child, findings)),
    }
    for child in root.children:
        if (reader := readers.get(child.name)) is None:
            findings.unknown(child, "schedule", readers)
        else:
            reader(child)
    if not root.children:
        findings.note(root, "E203", "a schedule without a name and without jobs", "Add name= and <runjob>, or <job>")
    return schedules, made


def _job(element: Element, findings: Findings) -> list[Schedule]:
    if not findings.attributes(element, ("name", "job"), ("user", "priority")):
        return []
    name, job = name_of(element, findings), name_of(element, findings, "job")
    marks: set[str] = set()
    given: dict[str, Element] = {}
    named: list[str] = []
    for child in element.children:
        if child.name not in _PARTS:
            findings.unknown(child, "job", _PARTS)
        elif child.name in _MARKS:
            findings.leaf(child)
            findings.attributes(child, ())
            marks.add(child.name)
        elif child.name == "triggers":
            named += triggers(child, findings)
        elif child.name in given:
            findings.note(child, "E203", f"<{child.name}> a second time", "Join the two")
        else:
            given[child.name] = child
    if "runonserverstart" in marks:
        named.append("SERVER_UP")
    if "runonresourcestart" in marks:
        named.append("RESOURCE_ONLINE")
    # With a start at each resource the event names the resource; alone it means all of them.
    each = "runoneachresource" in marks and "runonresourcestart" not in marks
    values = arguments(given["jobargs"], findings) if "jobargs" in given else {}
    priority = findings.chosen(element, "priority", PRIORITIES, "medium")
    if name is None or job is None:
        return []
    return [
        Schedule(
            name=name,
            job=job,
            active="active" in marks,
            user=element.attributes.get("user", SYSTEM_USER),
            priority=priority,
            arguments=values,
            foreach=each,
            triggers=tuple(dict.fromkeys(named)),
        )
    ]


def _trigger(element: Element, findings: Findings) -> list[Trigger]:
    if not findings.attributes(element, ("name",)):
        return []
    name = name_of(element, findings)
    given: dict[str, str] = {}
    for child in element.children:
        if child.name not in _TIMES:
            findings.unknown(child, "trigger", _TIMES)
        elif findings.attributes(child, ("value",)):
            findings.leaf(child)
            given[child.name] = child.attributes["value"]
    if ("cron" in given) == bool(given.keys() - {"cron"}):
        findings.note(element, "E203", "a trigger has one way to fire", "Write <cron>, or <startin> with <interval>")
        return []
    start: OnCron | OnTime | None
    if "cron" in given:
        zone = zone_of(None, findings)
        assert zone is not None
        start = make_cron(element, given["cron"], zone, findings)
    else:
        start = _times(element, given, findings)
    return [] if name is None or start is None else [make_trigger(name, "", start)]


def _times(element: Element, given: dict[str, str], findings: Findings) -> OnTime | None:
    pauses: dict[str, timedelta | None] = {
        key: pause_of(element, key, given[key], findings) for key in ("startin", "interval") if key in given
    }
    if None in pauses.values():
        return None
    return make_time(element, pauses.get("startin", timedelta()), pauses.get("interval"), given.get("repeat"), findings)
