"""What the site hands to the readers of its files, and what they hand back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.model.definitions import Definitions
from tasks.providers.contracts import ProviderConfig
from tasks.site.settings import Settings


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a site: where it is, what is wrong and how to mend it.

    ``path`` is relative to the site folder, ``line`` counts from 1 (None: the file as a whole). A
    ``warning`` does not keep the site from being taken over.
    """

    path: str
    line: int | None
    what: str
    mend: str
    severity: str = "error"

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.what}. {self.mend}"


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of file in the site: which files, and who reads them.

    ``read`` gets the files that match ``patterns`` (relative path to content) and what was read before
    it (providers, settings), and returns the value that the room works with, with all problems found.
    It never raises for bad input and never stops at the first mistake.
    """

    name: str
    patterns: Sequence[str]
    read: Callable[[Mapping[str, bytes], SiteContext], tuple[Any, list[Problem]]]


@dataclass(frozen=True, slots=True)
class SiteContext:
    """What a reader may know of the rest of the site while it checks its own files.

    ``files`` are the paths of all files of the site, and ``root`` its folder; None where they are not known.
    ``parts`` are what the readers before it made of theirs.
    """

    settings: Settings
    providers: Mapping[str, ProviderConfig]
    actions: Mapping[str, Any]
    definitions: Definitions = field(default_factory=Definitions)
    files: frozenset[str] | None = None
    root: Path | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Site:
    """A site that was read without mistakes: what every decision is taken by.

    ``version`` is a short hash over all its files; decisions record it.
    """

    root: str
    version: str
    settings: Settings
    providers: Mapping[str, ProviderConfig]
    parts: Mapping[str, Any]
    definitions: Definitions = field(default_factory=Definitions)

    def part(self, name: str) -> Any:
        """What the reader of that part made of its files. Raises ``KeyError`` for an unknown part."""
        return self.parts[name]
