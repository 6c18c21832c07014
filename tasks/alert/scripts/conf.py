"""Reads the sections of a listener's configuration file as its own parser does (spec esi 5), each with its lines.

Beyond that parser, a comment may stand behind a value, after a blank and outside of quotes, as in the published
example; and nothing is interpolated, so that a ``%`` means itself.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.site.contracts import Problem

_HEADER = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<name>[^\s=:#;\[][^=:]*?)\s*[=:]")
_DEFAULT = configparser.DEFAULTSECT


@dataclass(frozen=True, slots=True)
class Written:
    """One section as it stands in the file: its options, those of ``[DEFAULT]`` among them, and their lines."""

    name: str
    line: int | None
    options: dict[str, str]
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, option: str) -> int | None:
        """The line of an option, or of the section where it has no such option."""
        return self.lines.get(option, self.line)


def read_conf(path: str, content: bytes) -> tuple[list[Written], list[Problem]]:
    """The sections of a file in their order, ``[DEFAULT]`` first, and what keeps it from being read."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as mistake:
        line = content.count(b"\n", 0, mistake.start) + 1
        return [], [Problem(path, line, "the text is not UTF-8", "Save it as UTF-8.")]
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error as mistake:
        return [], [_told(path, mistake)]
    headers, options = _lines(text)
    shared = options.get(_DEFAULT, {})
    found = [Written(_DEFAULT, headers.get(_DEFAULT), _plain(parser.defaults()), shared)]
    for name in parser.sections():
        own = {**shared, **options.get(name, {})}
        found.append(Written(name, headers.get(name), _plain(dict(parser.items(name))), own))
    return found, []


def uncommented(value: str) -> str:
    """A value without the comments behind it, line by line."""
    return "\n".join(_without_comment(line) for line in value.splitlines()).strip()


def _plain(options: Mapping[str, str]) -> dict[str, str]:
    return {name: uncommented(value or "") for name, value in options.items()}


def _without_comment(line: str) -> str:
    quote = ""
    for place, character in enumerate(line):
        if quote:
            if character == quote and line[place - 1] != "\\":
                quote = ""
        elif character in "\"'":
            quote = character
        elif character == "#" and place and line[place - 1].isspace():
            return line[:place].rstrip()
    return line


def _lines(text: str) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Where each section begins, and each of its options."""
    headers: dict[str, int] = {}
    options: dict[str, dict[str, int]] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header is not None:
            section = header["name"]
            headers.setdefault(section, number)
        elif not line[:1].isspace() and (option := _OPTION.match(line)) is not None:
            options.setdefault(section, {}).setdefault(option["name"].strip().lower(), number)
    return headers, options


def _told(path: str, mistake: configparser.Error) -> Problem:
    """What the parser stumbled over, without the line itself: it may be a password."""
    match mistake:
        case configparser.DuplicateOptionError():
            what = f"the section [{mistake.section}] has {mistake.option!r} twice"
            return Problem(path, mistake.lineno, what, "Keep one of them.")
        case configparser.DuplicateSectionError():
            what = f"the section [{mistake.section}] is there twice"
            return Problem(path, mistake.lineno, what, "Give one of them another name.")
        case configparser.MissingSectionHeaderError():
            what = "something stands before the first section"
            return Problem(path, mistake.lineno, what, "Begin with [DEFAULT], or put a # before it.")
        case configparser.ParsingError():
            line = mistake.errors[0][0] if mistake.errors else None
            return Problem(path, line, "this is neither a section nor an option", "Write name = value.")
    return Problem(path, None, "the file cannot be read", "Compare it with the published example.")
