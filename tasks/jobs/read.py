"""Reads ``jobs/`` of the site: archives, schedules and triggers, with everything that is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from tasks.constraints.grammar import Findings
from tasks.constraints.xml import Complaint, Element, Refused, against_schema, parse
from tasks.jobs import module, packaged, policies, schedules, schedules_old, triggers
from tasks.jobs.archive import Archive, BadArchive
from tasks.jobs.model import Job, JobSet, OnEvent, Schedule, Trigger
from tasks.model.builtin_events import BUILTINS
from tasks.site.contracts import Part, Problem, SiteContext

NOT_DEPLOYED, TAKEN, LAYOUT, NO_CONTEXT, UNRESOLVED = "E308", "E309", "E313", "W407", "W408"
_MAX_XML = 256 * 1024
_PARTS = (".sched", ".trig", ".policy")


@dataclass(slots=True)
class _Found:
    """What was read so far, and where each thing stands.

    ``zone`` is that of times without one. While ``gives_way`` a name that is taken is no mistake.
    """

    zone: tzinfo = UTC
    gives_way: bool = False
    jobs: dict[str, Job] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    places: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def note(self, path: str, complaint: Complaint) -> None:
        """Keep a complaint about a file."""
        what = f"column {complaint.column}: {complaint.code} {complaint.what}"
        mend = complaint.mend if complaint.mend.endswith((".", "?")) else f"{complaint.mend}."
        self.problems.append(Problem(path, complaint.line, what, mend, complaint.severity))

    def complain(self, path: str, line: int | None, code: str, what: str, mend: str) -> None:
        """Keep a mistake."""
        severity = "warning" if code.startswith("W") else "error"
        self.problems.append(Problem(path, line, f"{code} {what}", mend, severity))

    def free(self, kind: str, name: str, path: str, line: int) -> bool:
        """Whether nothing of this kind has the name yet, in any letter case."""
        key = (kind, name.lower())
        if key in self.places:
            first, at = self.places[key]
            if not self.gives_way:
                self.complain(path, line, TAKEN, f"the {kind} {name} is in {first}:{at} already", "Rename one of them.")
            return False
        self.places[key] = (path, line)
        return True


def read(files: Mapping[str, bytes], context: SiteContext) -> tuple[JobSet, list[Problem]]:
    """The jobs of the site and those that come with Catchment, with all problems found."""
    found = _Found(ZoneInfo(context.settings.rules.timezone))
    names = {PurePosixPath(path).stem.lower() for path in files if path.endswith(".job")}
    for path in sorted(files):
        if path.endswith(".job"):
            _archive(path, files[path], found)
        else:
            _document(path, files[path], found)
    # A job of the site takes the place of the shipped one of its name, and a schedule that of a shipped one.
    found.gives_way = True
    for name, archive in packaged.archives().items():
        if name.lower() not in names:
            _archive(f"{name}.job (shipped)", archive, found)
    _connect(found, context)
    return JobSet(found.jobs, found.schedules, found.triggers), found.problems


PART = Part(name="jobs", patterns=("jobs/*.job", "jobs/*.sched", "jobs/*.trig"), read=read)


def _document(path: str, content: bytes, found: _Found) -> None:
    """A schedule or a trigger, alone or in an archive."""
    root = _root(path, content, found)
    if root is None:
        return
    findings = Findings(zone=found.zone)
    if path.endswith(".trig"):
        trigger = triggers.read_trigger(root, findings)
        made: tuple[list[Schedule], list[Trigger]] = ([], [trigger] if trigger else [])
        schema: str | None = triggers.SCHEMA
    elif schedules_old.is_old(root):
        made, schema = schedules_old.read_old(root, findings), None
    elif root.name == "schedule":
        schedule = schedules.read_schedule(root, findings)
        made, schema = ([schedule] if schedule else [], []), schedules.SCHEMA
    else:
        findings.unknown(root, "a .sched file", ("schedule",))
        made, schema = ([], []), None
    _finish(path, content, schema, findings, found)
    for one in made[0]:
        if found.free("schedule", one.name, path, root.line):
            found.schedules[one.name] = one
    for other in made[1]:
        if found.free("trigger", other.name, path, root.line):
            found.triggers[other.name] = other


def _root(path: str, content: bytes, found: _Found) -> Element | None:
    try:
        return parse(content)
    except Refused as refused:
        found.note(path, refused.complaint)
        return None


def _finish(path: str, content: bytes, schema: str | None, findings: Findings, found: _Found) -> None:
    """Keep what was found; where that is nothing, the published schema has the last word."""
    complaints = list(findings.complaints)
    if schema is not None and not findings.errors:
        complaints += against_schema(content, schema)
    for complaint in complaints:
        found.note(path, complaint)


def _archive(path: str, content: bytes, found: _Found) -> None:
    """A job with all that lies in its archive."""
    name = PurePosixPath(path.removesuffix(" (shipped)")).stem
    try:
        archive = Archive(content)
        if f"{name}.py" not in archive.names:
            mend = f"Name the module {name}.py, and put it at the top of the archive."
            found.complain(path, None, LAYOUT, f"the archive has no {name}.py", mend)
            return
        parts = {
            inner: archive.read(inner, _MAX_XML)
            for inner in archive.names
            if "/" not in inner and inner.endswith(_PARTS)
        }
        text = archive.read(f"{name}.py", module.MAX_MODULE)
    except BadArchive as refused:
        found.complain(path, None, refused.code, str(refused), "Pack it anew with `catchment jobs pack`.")
        return
    handlers, complaints = module.handlers(text)
    for complaint in complaints:
        found.note(f"{path}/{name}.py", complaint)
    policy = policies.Policy()
    for inner, document in parts.items():
        if not inner.endswith(".policy"):
            _document(f"{path}/{inner}", document, found)
        elif inner != f"{name}.policy":
            found.complain(f"{path}/{inner}", None, LAYOUT, "a policy of another job", f"Name it {name}.policy.")
        else:
            policy = _policy(f"{path}/{inner}", document, found) or policy
    if _fits(name) and found.free("job", name, path, 1):
        digest = hashlib.sha256(content).hexdigest()[:16]
        found.jobs[name] = Job(
            name, digest, content, handlers=handlers, arguments=policy.arguments, constraints=policy.constraints,
            **policy.fields,
        )  # fmt: skip
    elif not _fits(name):
        found.complain(path, None, LAYOUT, f"{name!r} is no name of a job", "Begin with a letter; no blanks.")


def _fits(name: str) -> bool:
    """Whether a file's stem can be the name of a job: the module must be found by it, too."""
    return name.isidentifier() and name.isascii()


def _policy(path: str, content: bytes, found: _Found) -> policies.Policy | None:
    root = _root(path, content, found)
    if root is None:
        return None
    findings = Findings(zone=found.zone)
    made = policies.read_policy(root, findings)
    _finish(path, content, policies.SCHEMA, findings, found)
    return made


def _connect(found: _Found, context: SiteContext) -> None:
    """Check what schedules, jobs and triggers say of each other."""
    rules = {PurePosixPath(path).stem for path in context.files or () if path.endswith(".event")}
    known = {t.start.name for t in found.triggers.values() if isinstance(t.start, OnEvent)}
    known |= found.triggers.keys() | BUILTINS.keys() | rules | set(context.definitions)
    _free_of_rules(found, {rule.lower() for rule in rules})
    for schedule in found.schedules.values():
        path, line = found.places["schedule", schedule.name.lower()]
        job = found.jobs.get(schedule.job)
        if job is None:
            mend = f"Put {schedule.job}.job into jobs/, or name one of: {', '.join(sorted(found.jobs))}."
            found.complain(path, line, NOT_DEPLOYED, f"the job {schedule.job} is not deployed", mend)
            continue
        for name in schedule.arguments.keys() - job.arguments.keys() if job.arguments else ():
            what = f"the job {job.name} declares no argument {name!r}"
            found.complain(path, line, "W409", what, f"Declare jobargs.{name} in {job.name}.policy.")
        named = [JobSet(triggers=found.triggers).trigger(name) for name in schedule.triggers]
        if any(isinstance(trigger.start, OnEvent) for trigger in named) and not job.takes_context:
            mend = f'Add <fact name="jobargs.context" type="Dictionary"/> to {job.name}.policy.'
            found.complain(path, line, NO_CONTEXT, f"an event starts {job.name}, which takes no jobargs.context", mend)
        for name in schedule.triggers:
            if name not in known:
                what = f"no trigger is called {name}: it stands for the event of that name"
                found.complain(path, line, UNRESOLVED, what, "Deploy that rule event or trigger, or correct the name.")


def _free_of_rules(found: _Found, rules: Collection[str]) -> None:
    """Triggers and rule events share their names, and nobody outside fires the event of a rule."""
    for trigger in found.triggers.values():
        path, line = found.places["trigger", trigger.name.lower()]
        way = trigger.start
        own = isinstance(way, OnEvent) and way.name.lower() == trigger.name.lower()
        if trigger.name.lower() in rules and not own:
            what = f"{trigger.name} is a rule event"
            found.complain(path, line, TAKEN, what, "Give the trigger a name of its own.")
        elif isinstance(way, OnEvent) and way.external and way.name.lower() in rules:
            what = f"{way.name} is a rule event: nobody outside fires it"
            found.complain(path, line, TAKEN, what, "Give the external event another name.")
