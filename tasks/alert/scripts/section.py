"""One section of ``actions/*.conf``, and what it concludes on one event: run the script, or why not.

A script gets its values as arguments of a vector, which no shell reads. What keeps a section from running is told
and never an error: a key that the event does not have, a value that no program takes (spec esi 6).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tasks.expressions.verdict import EvaluationFault

#: The longest argument that Linux hands to a program, in bytes, and all values of one section together.
ARGUMENT_BYTES = 131_071
VALUES_BYTES = 262_144
#: How much of a value is told where a filter does not fit it, in characters.
_TOLD = 200

ASKED, NOT_MATCHED, SKIPPED = "asked", "not matched", "skipped"
Dash = Literal["refuse", "after_dashes", "allow"]


class _Missing:
    """What stands for a key that the event does not have."""


MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Filter:
    """A key of the event's data, and the regular expression that its value must begin with."""

    key: str
    pattern: str
    fits: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a section makes of an event: ``asked`` with the command, else the reason in ``detail``."""

    verdict: str
    detail: dict[str, Any]
    command: list[str]
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Section:
    """One section. ``levels`` are those of the file's queues, None: all. ``command`` is the script's vector."""

    file: str
    name: str
    events: tuple[str, ...]
    command: tuple[str, ...]
    params: tuple[str, ...]
    filters: tuple[Filter, ...]
    levels: frozenset[str] | None
    dash: Dash
    timeout_seconds: float

    @property
    def rule(self) -> str:
        """The name under which its effects are known."""
        return f"script-action:{self.label}"

    @property
    def label(self) -> str:
        """File and section."""
        return f"{self.file}:{self.name}"

    def judge(self, level: str, data: Mapping[str, Any]) -> Conclusion:
        """Conclude on the data of an event that the section names. All filters must fit. Never fails."""
        if self.levels is not None and level not in self.levels:
            return _not(SKIPPED, reason=f"its queues carry {', '.join(sorted(self.levels))}, and this is {level}")
        for one in self.filters:
            refused = _refused(one, data)
            if refused is not None:
                return refused
        values: dict[str, str] = {}
        for key in self.params:
            value = walk(data, key)
            if value is MISSING:
                return _not(SKIPPED, reason=f"the event has no {key}, which script_params names")
            values[key] = as_text(value)
        reason = self._unfit(values)
        if reason is not None:
            return _not(SKIPPED, reason=reason)
        dashes = ["--"] if self.dash == "after_dashes" and values else []
        command = [*self.command, *dashes, *(values[key] for key in self.params)]
        return Conclusion(ASKED, {"filters": {f.key: f.pattern for f in self.filters}}, command, values)

    def described(self) -> str:
        """What it does, in one line."""
        where = " and ".join(f"{one.key} begins with /{one.pattern}/" for one in self.filters)
        given = " ".join(f"<{key}>" for key in self.params)
        level = f" [{', '.join(sorted(self.levels))}]" if self.levels is not None else ""
        condition = f", where {where}," if where else ""
        return f"on {', '.join(self.events)}{level}{condition} runs {' '.join(self.command)} {given}".rstrip()

    def _unfit(self, values: Mapping[str, str]) -> str | None:
        """Why a value cannot be an argument; None where all can."""
        whole = 0
        for key, value in values.items():
            size = len(value.encode("utf-8", "surrogateescape"))
            whole += size
            if size > ARGUMENT_BYTES:
                return f"the value of {key} has {size} bytes, and a program takes {ARGUMENT_BYTES} in an argument"
            if "\x00" in value:
                return f"the value of {key} holds a NUL, which no argument can"
            if self.dash == "refuse" and value.startswith("-"):
                return (
                    f"the value of {key} begins with a dash, so the script might take it for an option: "
                    "set leading_dash = after_dashes or allow in the section"
                )
        if whole > VALUES_BYTES:
            return f"the values have {whole} bytes together, more than the {VALUES_BYTES} that are passed on"
        return None


def walk(data: Mapping[str, Any], key: str) -> Any:
    """The value under a key with dots for nested objects; ``MISSING`` where there is none."""
    value: Any = data
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return MISSING
        value = value[part]
    return value


def as_text(value: Any) -> str:
    """A value as an argument: text as it is, nothing for null, all else as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _refused(one: Filter, data: Mapping[str, Any]) -> Conclusion | None:
    value = walk(data, one.key)
    if value is MISSING:
        return _not(NOT_MATCHED, filter=one.key, expected=one.pattern, reason=f"the event has no {one.key}")
    text = as_text(value)
    try:
        fits = one.fits(text)
    except EvaluationFault as fault:
        return _not(SKIPPED, filter=one.key, reason=str(fault))
    return None if fits else _not(NOT_MATCHED, filter=one.key, expected=one.pattern, found=text[:_TOLD])


def _not(verdict: str, **detail: Any) -> Conclusion:
    return Conclusion(verdict, detail, [], {})


class ScriptActions:
    """The sections of all files, by the event types that they name, in the order of files and sections."""

    def __init__(self, sections: Sequence[Section] = ()) -> None:
        self.sections = tuple(sections)
        self._by_type: dict[str, list[Section]] = {}
        for section in self.sections:
            for name in section.events:
                self._by_type.setdefault(name, []).append(section)

    def __len__(self) -> int:
        return len(self.sections)

    def naming(self, *event_types: str) -> Sequence[Section]:
        """The sections that name one of these types, each once."""
        if not self._by_type:
            return ()
        return tuple(dict.fromkeys(s for name in event_types for s in self._by_type.get(name, ())))
