"""Reads ``rules/*.event`` and ``rules/*.policy`` of the site: all of them, or every mistake with its line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from tasks.constraints.xml import Complaint
from tasks.rules.definition import FactPolicy, RuleEvent, RuleSet
from tasks.rules.event_file import read_event
from tasks.rules.policy_file import read_policy
from tasks.site.contracts import Part, Problem, SiteContext

#: The ending of such a file; what stands before it is the event's name.
SUFFIX = ".event"
#: The ending of a policy of facts.
POLICY_SUFFIX = ".policy"


def read(files: Mapping[str, bytes], context: SiteContext) -> tuple[RuleSet, list[Problem]]:
    """The rule events and policies of facts of the files, with all problems found."""
    found: list[RuleEvent] = []
    problems: list[Problem] = []
    taken: dict[str, str] = {}
    zone = ZoneInfo(context.settings.rules.timezone)
    policies: list[FactPolicy] = []
    for path in sorted(files):
        if path.endswith(POLICY_SUFFIX):
            policy, complaints = read_policy(files[path], PurePosixPath(path).stem, path, zone)
            problems += [problem(path, complaint) for complaint in complaints]
            policies += [policy] if policy is not None else []
            continue
        stem = PurePosixPath(path).name.removesuffix(SUFFIX)
        rule, complaints = read_event(files[path], stem, path, zone)
        problems += [problem(path, complaint) for complaint in complaints]
        if (other := taken.setdefault(stem.lower(), path)) != path:
            what = f"E309 the name {stem} is taken by {other}: letters large and small are the same"
            problems.append(Problem(path, 1, what, "Give one of them another name."))
        elif rule is not None:
            found.append(rule)
    return RuleSet(found, policies), problems


def problem(path: str, complaint: Complaint) -> Problem:
    """A complaint as a problem of the site."""
    what = f"column {complaint.column}: {complaint.code} {complaint.what}"
    mend = complaint.mend if complaint.mend.endswith((".", "?")) else f"{complaint.mend}."
    return Problem(path, complaint.line, what, mend, complaint.severity)


PART = Part(name="rules", patterns=(f"rules/*{SUFFIX}", f"rules/*{POLICY_SUFFIX}"), read=read)
