"""Reads ``catchment.toml`` into settings, with the line of every mistake."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from tasks.site.contracts import Problem
from tasks.site.mistakes import errors_of, explain
from tasks.site.settings import Settings, read_settings

FILE = "catchment.toml"
#: Where the mistakes of CATCHMENT_… variables are shown; no file has them.
ENVIRONMENT = "environment"

_HEADER = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_POSITION = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


def settings_of(content: bytes | None) -> tuple[Settings | None, list[Problem]]:
    """The settings of a site, the environment above the file, and all mistakes in either.

    ``content`` is None where there is no file: then everything has its default.
    """
    data, problems = _parse(content or b"")
    if problems:
        return None, problems
    text = (content or b"").decode("utf-8")
    try:
        return read_settings(data), []
    except ValidationError as mistake:
        return None, [_problem(error, text) for error in errors_of(mistake)]
    except SettingsError:
        # Its text may repeat the variable's value.
        what = "a CATCHMENT_… variable that names a whole section is no JSON"
        return None, [Problem(ENVIRONMENT, None, what, "Set single keys instead, as in CATCHMENT_WEB__PORT.")]


def line_of(text: str, path: Sequence[str]) -> int | None:
    """The line of a key, or of the nearest section above it, by its path; None where nothing is found."""
    best: tuple[int, int | None] = (0, None)
    for number, found in _keys(text):
        depth = len(found)
        if tuple(path[:depth]) == found and depth > best[0]:
            best = (depth, number)
    return best[1]


def _keys(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """Every header and key with its line. Lines inside multi-line strings are passed over."""
    found: list[tuple[int, tuple[str, ...]]] = []
    section: tuple[str, ...] = ()
    inside: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if inside is not None:
            if inside in line:
                inside = None
            continue
        if header := _HEADER.match(line):
            section = _split(header.group(1))
            found.append((number, section))
        elif key := _KEY.match(line):
            found.append((number, (*section, *_split(key.group(1)))))
            inside = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), None)
    return found


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _parse(content: bytes) -> tuple[dict[str, Any], list[Problem]]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as mistake:
        line = content[: mistake.start].count(b"\n") + 1
        return {}, [Problem(FILE, line, "the text is not UTF-8", "Save the file as UTF-8.")]
    try:
        return tomllib.loads(text), []
    except tomllib.TOMLDecodeError as mistake:
        position = _POSITION.search(str(mistake))
        last = max(len(text.splitlines()), 1)
        line = int(position.group(1)) if position and position.group(1) else last
        what = _POSITION.sub("", str(mistake))
        mend = 'Write key = value; texts stand in "quotes", sections in [brackets].'
        return {}, [Problem(FILE, line, f"this is no TOML: {what[:1].lower()}{what[1:]}", mend)]
    except RecursionError:
        return {}, [Problem(FILE, None, "the text is nested too deeply", "Write it flat.")]


def _problem(error: Any, text: str) -> Problem:
    path = [str(part) for part in error["loc"]]
    what, mend = explain(error, Settings)
    variable = _variable(path)
    if variable is not None:
        return Problem(ENVIRONMENT, None, f"{variable}: {what}", mend)
    return Problem(FILE, line_of(text, path), what, mend)


def _variable(path: Sequence[str]) -> str | None:
    """The environment variable that set a key: it stands above the file, so the mistake is there."""
    wanted = {f"CATCHMENT_{'__'.join(path[:n])}".upper() for n in range(1, len(path) + 1)}
    return next((name for name in sorted(os.environ) if name.upper() in wanted), None)
