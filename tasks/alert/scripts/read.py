"""Reads ``actions/*.conf``: every section, or every mistake with its line and a way to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, get_args

from tasks.alert.scripts.conf import Written, read_conf
from tasks.alert.scripts.program import NoProgram, command_of
from tasks.alert.scripts.queues import levels_of, queue_problems
from tasks.alert.scripts.run import PART as NAME
from tasks.alert.scripts.section import Dash, Filter, ScriptActions, Section
from tasks.expressions.mistakes import BadText, shown
from tasks.expressions.patterns import read_prefix
from tasks.site.contracts import Part, Problem, SiteContext
from tasks.site.mistakes import did_you_mean, nearest

#: All that ESI Leap sends (spec esi 1).
EVENTS = tuple(f"esi_leap.lease.{action}.{phase}" for action in ("fulfill", "delete") for phase in
               ("start", "end", "error"))  # fmt: skip
#: The longest run of a script unless its section says otherwise, in seconds, and the longest that it may say.
TIMEOUT_SECONDS, LONGEST_SECONDS = 300.0, 3600.0
_CONNECTION = frozenset({"user", "password", "host", "port", "queues"})
_OWN = ("events", "script", "script_params", "filter_params", "leading_dash", "timeout_seconds")
_SAMPLE = '{"purpose": "test", "properties.vendor": "foo"}'


def read(files: Mapping[str, bytes], context: SiteContext) -> tuple[ScriptActions, list[Problem]]:
    """The sections of the files, in the order of their paths, with all problems found."""
    found: list[Section] = []
    problems: list[Problem] = []
    for path in sorted(files):
        written, wrong = read_conf(path, files[path])
        problems += wrong
        if not written:
            continue
        default, *sections = written
        problems += queue_problems(path, default, context)
        levels = levels_of(default.options.get("queues", ""))
        if not sections:
            problems.append(
                Problem(path, None, "the file has no section", "Add one: [name], events, script.", "warning")
            )
        for section in sections:
            made = _Reading(path, section, context, levels).section()
            problems += made[1]
            if made[0] is not None:
                found.append(made[0])
    return ScriptActions(found), problems


PART = Part(name=NAME, patterns=("actions/*.conf",), read=read)


class _Reading:
    """One section on its way from text to what it means."""

    def __init__(self, path: str, written: Written, context: SiteContext, levels: frozenset[str] | None) -> None:
        self._path, self._written, self._context, self._levels = path, written, context, levels
        self._problems: list[Problem] = []

    def section(self) -> tuple[Section | None, list[Problem]]:
        """The section, None where it has a mistake."""
        self._unknown()
        events = tuple(self._events())
        command = self._command()
        filters = tuple(self._filters())
        dash = self._dash()
        seconds = self._seconds()
        if any(problem.severity == "error" for problem in self._problems):
            return None, self._problems
        made = Section(
            file=PurePosixPath(self._path).name,
            name=self._written.name,
            events=events,
            command=command,
            params=tuple(_listed(self._written.options.get("script_params", ""))),
            filters=filters,
            levels=self._levels,
            dash=dash,
            timeout_seconds=seconds,
        )
        return made, self._problems

    def _note(self, option: str, what: str, mend: str, severity: str = "error") -> None:
        where = f"section [{self._written.name}]: "
        self._problems.append(Problem(self._path, self._written.line_of(option), where + what, mend, severity))

    def _unknown(self) -> None:
        for option in self._written.options:
            if option not in _CONNECTION and option not in _OWN:
                self._note(option, f"nobody reads {shown(option)}", did_you_mean(option, _OWN), "warning")

    def _events(self) -> Iterator[str]:
        names = list(_listed(self._written.options.get("events", "")))
        if not names:
            self._note("events", "it names no event", f"Add events = {EVENTS[1]}, or another of its kind.")
        for name in names:
            if name.startswith("esi_leap.") and name not in EVENTS:
                close = nearest(name, EVENTS)
                mend = f"Did you mean {close}?" if close else f"It sends {', '.join(EVENTS)}."
                self._note("events", f"ESI Leap sends no {shown(name)}", mend, "warning")
            yield name

    def _command(self) -> tuple[str, ...]:
        script = self._written.options.get("script", "")
        if not script:
            self._note("script", "it names no script", "Add script = fulfill.sh, and put that beside the file.")
            return ()
        try:
            return command_of(script, self._context)
        except NoProgram as mistake:
            self._note("script", mistake.what, mistake.mend)
            return ()

    def _filters(self) -> Iterator[Filter]:
        text = self._written.options.get("filter_params", "")
        for key, pattern in self._filter_object(text).items():
            try:
                yield Filter(key, str(pattern), read_prefix(pattern))
            except BadText as mistake:
                self._note("filter_params", f"filter_params, {shown(key)}: {mistake.what}", f"{mistake.mend}.")

    def _filter_object(self, text: str) -> dict[str, Any]:
        if not text:
            return {}
        try:
            found, end = json.JSONDecoder().raw_decode(text)
        except ValueError as mistake:
            # The parser's position counts within the value alone.
            what = f"filter_params is no JSON ({getattr(mistake, 'msg', 'it cannot be read')})"
            self._note("filter_params", what, f"Write an object of texts, such as {_SAMPLE}.")
            return {}
        except RecursionError:
            self._note("filter_params", "filter_params is nested too deeply", f"Write {_SAMPLE}.")
            return {}
        if not isinstance(found, dict):
            self._note("filter_params", "filter_params is no object", f"Write an object of texts, such as {_SAMPLE}.")
            return {}
        rest = text[end:].strip()
        if rest:
            surplus = not rest.strip("} \t\n")
            what = f"filter_params is no JSON: {shown(rest[:40])} stands behind the object"
            self._note("filter_params", what, "Remove it." if surplus else "Keep one object.",
                       "warning" if surplus else "error")  # fmt: skip
        return found

    def _dash(self) -> Dash:
        word: Any = self._written.options.get("leading_dash", "refuse")
        if word not in get_args(Dash):
            self._note("leading_dash", f"leading_dash is {shown(word)}", did_you_mean(str(word), get_args(Dash)))
            return "refuse"
        found: Dash = word
        return found

    def _seconds(self) -> float:
        text = self._written.options.get("timeout_seconds", "")
        try:
            seconds = float(text) if text else TIMEOUT_SECONDS
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= LONGEST_SECONDS:
            self._note("timeout_seconds", "timeout_seconds is no number of seconds", f"Write 1 to {LONGEST_SECONDS:g}.")
        return seconds


def _listed(text: str) -> Iterator[str]:
    """The elements of a list with commas, without the blanks around them."""
    return (part for part in (part.strip() for part in text.split(",")) if part)
