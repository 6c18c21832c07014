"""Walks the site folder: which files it has, bounded in number and size, none from outside it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from tasks.site.contracts import Problem

#: A site is written by hand; more than this is a folder named by mistake.
MAX_FILES = 5000
MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_ALL_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 16

_EDITOR_FILES = re.compile(r"^(?:\.|#)|~$|\.(?:swp|swo|bak|orig|rej|tmp|pyc)$|^__pycache__$|^4913$")


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the site: its path relative to the root with ``/``, and what tells a change of it.

    ``changed_ns`` is the kernel's own time of change (ctime): unlike the time of the last write it
    cannot be set back, and a rename moves it too.
    """

    path: str
    size: int
    changed_ns: int
    inode: int


@dataclass(slots=True)
class Folder:
    """What a walk found."""

    files: list[Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def walk(root: Path, without: Sequence[str] = (), shallow: bool = False) -> Folder:
    """List the files of a site in a fixed order.

    Dot files and what editors leave behind are passed over, as are the folders named in ``without``
    (relative paths). A symbolic link is followed only where it stays inside the root. ``shallow`` lists
    the root alone.
    """
    folder = Folder()
    real_root = os.path.realpath(root)
    look = _Look(root, real_root, frozenset(without), shallow, folder)
    for path, entry in look.entries(""):
        if len(folder.files) >= MAX_FILES:
            mend = "Is this the site folder? Move what does not belong to it elsewhere."
            folder.problems.append(Problem(".", None, f"more than {MAX_FILES} files", mend))
            break
        try:
            facts = entry.stat()
        except OSError:
            # It went away between the list and the look: the next look sees the folder without it.
            continue
        if stat.S_ISREG(facts.st_mode):
            folder.files.append(Found(path, facts.st_size, facts.st_ctime_ns, facts.st_ino))
    folder.files.sort(key=lambda found: found.path)
    return folder


def read(root: Path, folder: Folder) -> dict[str, bytes]:
    """The content of the files found. Files that cannot be read are added to the folder's problems."""
    content: dict[str, bytes] = {}
    left = MAX_ALL_BYTES
    for found in folder.files:
        if found.size > MAX_FILE_BYTES:
            what = f"{found.size} bytes, more than the {MAX_FILE_BYTES} that are read of a file"
            folder.problems.append(Problem(found.path, None, what, "Shorten it, or move it out of the site."))
            continue
        try:
            with (root / found.path).open("rb") as file:
                text = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            continue
        except OSError as mistake:
            what = f"it cannot be read: {mistake.strerror}"
            folder.problems.append(Problem(found.path, None, what, "Let the user that runs Catchment read it."))
            continue
        left -= len(text)
        if left < 0:
            what = f"the files have more than {MAX_ALL_BYTES} bytes together"
            folder.problems.append(Problem(".", None, what, "Move what does not belong to the site elsewhere."))
            break
        content[found.path] = text
    return content


def read_one(root: Path, path: str) -> bytes | None:
    """The content of one file of the site, None where :func:`walk` would not find it or it is too large."""
    found = next((f for f in walk(root, shallow=True).files if f.path == path), None)
    if found is None:
        return None
    return read(root, Folder([found])).get(path)


def matches(path: str, pattern: str) -> bool:
    """Whether a relative path fits a pattern: ``*`` and ``?`` inside one name, ``**`` over any folders."""
    return _pattern(pattern).fullmatch(path) is not None


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    words = {"**/": r"(?:[^/]+/)*", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts))


@dataclass(frozen=True, slots=True)
class _Look:
    root: Path
    real_root: str
    without: frozenset[str]
    shallow: bool
    folder: Folder

    def entries(self, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        for entry in self._listed(prefix):
            path = prefix + entry.name
            if _EDITOR_FILES.search(entry.name) or path in self.without:
                continue
            if not entry.name.isprintable():
                self._note(repr(path)[1:-1], "a name with characters that cannot be shown", "Rename it.")
                continue
            if entry.is_symlink() and not self._stays_inside(path):
                continue
            if not self._is_folder(entry, path):
                yield path, entry
            elif not self.shallow:
                yield from self.entries(path + "/")

    def _is_folder(self, entry: os.DirEntry[str], path: str) -> bool:
        try:
            return entry.is_dir()
        except OSError as mistake:
            self._note(
                path,
                f"it cannot be looked at: {mistake.strerror}",
                "Let the user that runs Catchment read it.",
            )
            return False

    def _listed(self, prefix: str) -> list[os.DirEntry[str]]:
        where = prefix.rstrip("/") or "."
        if prefix.count("/") > MAX_DEPTH:
            self._note(where, f"folders more than {MAX_DEPTH} deep", "Flatten them; a link may lead back up.")
            return []
        try:
            with os.scandir(self.root / prefix) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as mistake:
            what = f"the folder cannot be read: {mistake.strerror}"
            self._note(where, what, "Let the user that runs Catchment read it.")
            return []

    def _stays_inside(self, path: str) -> bool:
        target = os.path.realpath(self.root / path)
        if not target.startswith(self.real_root + os.sep):
            self._note(path, "a symbolic link that leaves the site folder", "Put the file itself here.")
            return False
        if not Path(target).exists():
            self._note(path, "a symbolic link to nothing", "Mend or remove the link.")
            return False
        return True

    def _note(self, path: str, what: str, mend: str) -> None:
        self.folder.problems.append(Problem(path, None, what, mend))
