"""Reads ``rules/*.event`` of the site: every rule event, or every mistake with its line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from tasks.constraints.xml import Complaint
from tasks.rules.definition import RuleEvent, RuleSet
from tasks.rules.event_file import read_event
from tasks.site.contracts import Part, Problem, SiteContext

#: The ending of such a file; what stands before it is the event's name.
SUFFIX = ".event"


def read(files: Mapping[str, bytes], context: SiteContext) -> tuple[RuleSet, list[Problem]]:
    """The rule events of the files, with all problems found."""
    found: list[RuleEvent] = []
    problems: list[Problem] = []
    taken: dict[str, str] = {}
    for path in sorted(files):
        stem = PurePosixPath(path).name.removesuffix(SUFFIX)
        rule, complaints = read_event(files[path], stem, path, ZoneInfo(context.settings.rules.timezone))
        problems += [problem(path, complaint) for complaint in complaints]
        if (other := taken.setdefault(stem.lower(), path)) != path:
            what = f"E309 the name {stem} is taken by {other}: letters large and small are the same"
            problems.append(Problem(path, 1, what, "Give one of them another name."))
        elif rule is not None:
            found.append(rule)
    return RuleSet(found), problems


def problem(path: str, complaint: Complaint) -> Problem:
    """A complaint as a problem of the site."""
    what = f"column {complaint.column}: {complaint.code} {complaint.what}"
    mend = complaint.mend if complaint.mend.endswith((".", "?")) else f"{complaint.mend}."
    return Problem(path, complaint.line, what, mend, complaint.severity)


PART = Part(name="rules", patterns=(f"rules/*{SUFFIX}",), read=read)
