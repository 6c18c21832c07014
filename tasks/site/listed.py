"""Files of the site that hold a list under one key: policies, alerts, events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tasks.expressions.entries import Names, as_written, entries
from tasks.expressions.mistakes import At, Mistake
from tasks.site.contracts import Problem
from tasks.site.lines import Document, YamlMistake, load

Entry = TypeVar("Entry")


def read_listed(
    files: Mapping[str, bytes],
    key: str,
    noun: str,
    read: Callable[[dict[Any, Any], At, list[Mistake]], Entry | None],
    places: dict[str, tuple[str, int | None]] | None = None,
) -> tuple[list[Entry], list[Problem]]:
    """The entries of the files, in the order of their paths, with all problems found.

    ``read`` makes one entry, and notes its mistakes; two of one name are a mistake. ``noun`` is what an
    entry is called, with its article. ``places`` gets the file and line of each entry by its name.
    """
    found: list[Entry] = []
    problems: list[Problem] = []
    names = Names(noun)
    for path in sorted(files):
        try:
            document = load(files[path])
        except YamlMistake as mistake:
            problems.append(Problem(path, mistake.line, mistake.what, "Correct the YAML."))
            continue
        mistakes: list[Mistake] = []
        for at, entry in entries(document.data, key, mistakes):
            names.note(entry.get("name"), at, f"{path}:{_line(document, at)}", mistakes)
            made = read(entry, at, mistakes)
            if made is not None:
                found.append(made)
                if places is not None:
                    places.setdefault(str(entry.get("name")), (path, _line(document, at)))
        problems += [Problem(path, _line(document, m.at), m.what, m.advice, m.severity) for m in mistakes]
    return found, problems


def _line(document: Document, at: At) -> int | None:
    return document.line(*(as_written(at) if at not in document.lines else at))
