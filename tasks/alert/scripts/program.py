"""Finds the program that a section's ``script`` means, as a vector that no shell has to read."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path, PurePosixPath

from tasks.site.contracts import SiteContext

#: Where a script may lie in the site, in the order in which it is looked for.
FOLDERS = ("actions", "", "scripts")
#: What only a shell gives a meaning to.
_SHELL = re.compile(r"[|&;<>()$`\n*?~]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
#: Runs a file that does not say by what it is to be run, as the listener's shell did.
_PLAIN = "/bin/sh"


class NoProgram(ValueError):
    """A script that cannot be run: what is wrong, and how to mend it."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.what, self.mend = what, mend


def command_of(script: str, context: SiteContext) -> tuple[str, ...]:
    """The vector of a script: its program, and what the file itself gives it. Raises :class:`NoProgram`."""
    if found := _SHELL.search(_QUOTED.sub("", script)):
        raise NoProgram(
            f"the script holds {found[0]!r}, which only a shell understands",
            "There is no shell here: put the line into a script of its own, and name that.",
        )
    try:
        words = shlex.split(script)
    except ValueError:
        raise NoProgram("a quote in the script is not closed", "Close it.") from None
    if not words:
        raise NoProgram("the script is blank", "Name a program.")
    return (*_program(words[0], context), *words[1:])


def _program(name: str, context: SiteContext) -> tuple[str, ...]:
    if PurePosixPath(name).is_absolute():
        return _runnable(name, Path(name))
    if context.files is None:
        return (str(PurePosixPath(FOLDERS[0]) / name),)
    places = [os.path.normpath(PurePosixPath(folder) / name) for folder in FOLDERS]
    place = next((place for place in places if place in context.files), None)
    if place is not None:
        return _runnable(place, context.root / place if context.root else None)
    found = shutil.which(name) if "/" not in name else None
    if found is None:
        raise NoProgram(f"the script {name} is not in the site", f"Put it at {places[0]}, or give its absolute path.")
    return (found,)


def _runnable(name: str, path: Path | None) -> tuple[str, ...]:
    """How a file is run. Where its place on the disk is not known, by its own name."""
    if path is None:
        return (name,)
    if not path.is_file():
        raise NoProgram(f"the script {name} does not exist", "Put it there, or name another one.")
    if not os.access(path, os.X_OK):
        raise NoProgram(f"the script {name} is not executable", f"chmod +x {name}")
    with path.open("rb") as file:
        head = file.read(4)
    return (name,) if head.startswith((b"#!", b"\x7fELF")) else (_PLAIN, name)
