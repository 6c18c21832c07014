"""One file of a domain: the envelope that all share (spec automate 1.2), and where each mistake stands."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import yaml

from tasks.site.contracts import Problem
from tasks.site.lines import Document, YamlMistake, load
from tasks.switchboard.text import MAX_TEXT

Place = tuple[Hashable, ...]

ATTRIBUTES: Place = ("object", "attributes")


def scalar_text(value: Any) -> str | None:
    """A YAML scalar as the text that a field holds: always the same for the same file (spec automate 1.4).

    Raises ``TypeError`` for a list or a map.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} where text is expected")


@dataclass(slots=True)
class Sheet:
    """A file with a readable envelope. ``problems`` is shared by all files of the domain."""

    path: str
    document: Document
    attributes: Mapping[str, Any]
    problems: list[Problem]

    def problem(self, place: Place, what: str, mend: str, severity: str = "error") -> None:
        """Note a mistake at a place in the file."""
        self.problems.append(Problem(self.path, self.document.line(*place), what, mend, severity))

    def warn(self, place: Place, what: str, mend: str) -> None:
        """Note something that is read and has no effect, or not the one that it seems to have."""
        self.problem(place, what, mend, "warning")

    def text_at(self, place: Place, value: Any) -> str | None:
        """A scalar of the file as text; None, with a problem, for anything else."""
        try:
            text = scalar_text(value)
        except TypeError as mistake:
            self.problem(place, f"{place[-1]} is {mistake}", "Write plain text, in quotes where it holds `: ` or `#`")
            return None
        except ValueError:
            self.problem(place, f"{place[-1]} is a number with too many digits", "Write it in quotes")
            return None
        if text is not None and len(text) > MAX_TEXT:
            self.problem(place, f"{place[-1]} has {len(text)} characters", f"Keep it below {MAX_TEXT}")
            return None
        return text

    def text(self, key: str) -> str | None:
        """An attribute as text."""
        return self.text_at((*ATTRIBUTES, key), self.attributes.get(key))

    def integer(self, key: str, default: int) -> int:
        """An attribute as a whole number."""
        text = self.text(key)
        if text is None or not text.strip():
            return default
        try:
            return int(text)
        except ValueError:
            self.problem((*ATTRIBUTES, key), f"{key} is {text[:40]!r}", "Write a whole number")
            return default

    def flag(self, key: str, default: bool) -> bool:
        """An attribute as true or false."""
        value = self.attributes.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.problem((*ATTRIBUTES, key), f"{key} is neither true nor false", "Write true or false")
            return default
        return value

    def known(self, place: Place, keys: Mapping[Any, Any], allowed: Collection[str]) -> None:
        """Warn of keys that nobody reads."""
        for key in keys:
            if key not in allowed:
                self.warn(
                    (*place, key),
                    f"the key {str(key)[:60]!r} is not known",
                    "It has no effect: check its spelling, or leave it out",
                )

    def rows(self, section: str) -> Iterator[tuple[Place, str, Mapping[str, Any]]]:
        """The one-key maps of ``schema``, ``fields`` or ``inputs``: place, key and the map behind it."""
        listed = self.document.data["object"].get(section)
        if listed is None:
            return
        if not isinstance(listed, list):
            self.problem(("object", section), f"{section} is no list", "Write one `- name:` entry for each")
            return
        for index, row in enumerate(listed):
            place: Place = ("object", section, index)
            if not isinstance(row, Mapping) or len(row) != 1:
                self.problem(
                    place,
                    f"an entry of {section} is not one key with its values",
                    "Write `- name:` and indent its values below",
                )
                continue
            ((key, inner),) = row.items()
            if inner is None:
                inner = {}
            if not isinstance(key, str) or not isinstance(inner, Mapping):
                self.problem(
                    (*place, key),
                    f"{str(key)[:60]} has no values of its own",
                    "Write `- name:` and indent `value: ...` below",
                )
                continue
            yield (*place, key), key, inner


def open_sheet(path: str, content: bytes, problems: list[Problem]) -> Sheet | None:
    """Read a file and its envelope; None, with the problem noted, where there is none to work with."""
    try:
        document = load(content)
    except YamlMistake as mistake:
        problems.append(
            Problem(
                path,
                mistake.line,
                f"this is no YAML that can be read: {mistake.what}",
                "Mend the text at that line",
            )
        )
        return None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as mistake:
        problems.append(Problem(path, None, f"this is no YAML that can be read: {str(mistake)[:200]}", "Mend the text"))
        return None
    outer = document.data
    envelope = outer.get("object") if isinstance(outer, Mapping) else None
    attributes = envelope.get("attributes") if isinstance(envelope, Mapping) else None
    if not isinstance(attributes, Mapping):
        problems.append(
            Problem(
                path,
                document.line("object"),
                "there is no object with attributes in it",
                "Begin with `object:`, below it `attributes:`, below that `name:`",
            )
        )
        return None
    return Sheet(path, document, attributes, problems)
