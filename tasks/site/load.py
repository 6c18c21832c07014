"""Reads the whole site folder: everything that is wrong with it at once, or a site to work by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.providers.contracts import ProviderKind
from tasks.site import clouds, events, providers, toml
from tasks.site.contracts import Part, Problem, Site, SiteContext
from tasks.site.mistakes import nearest
from tasks.site.settings import Settings
from tasks.site.walk import Folder, matches, read, read_one, walk

#: The environment variable that names the site folder, and where it is when nothing names it.
VARIABLE = "CATCHMENT_SITE"
DEFAULT = "site"

#: Folders whose files are used by name and not read as configuration.
BY_NAME = ("scripts", "secrets")
_OWN_FILES = (toml.FILE, providers.FILE, clouds.FILE, "secure.yaml", "clouds-public.yaml")
_CONFIGURATION = frozenset({".yaml", ".yml", ".toml", ".event", ".conf", ".sched", ".trig", ".job"})
_MAX_UNREAD = 20


def site_root(option: str | None = None) -> Path:
    """The site folder: the command's ``--site``, else ``CATCHMENT_SITE``, else ``site`` in this folder."""
    return Path(option or os.environ.get(VARIABLE) or DEFAULT).expanduser().absolute()


def load_site(
    root: Path, parts: Sequence[Part], kinds: Mapping[str, ProviderKind], actions: Mapping[str, Any]
) -> tuple[Site | None, list[Problem]]:
    """Read the site in ``root``.

    Returns it with its warnings, or None with every mistake of every file. Never raises for what an
    operator can write.
    """
    if not root.is_dir():
        mend = f"Make one with catchment init, or name yours with --site or {VARIABLE}."
        return None, [Problem(".", None, f"the site folder {root} does not exist", mend)]
    settings, problems = toml.settings_of(read_one(root, toml.FILE))
    folder = walk(root, without=own_folders(root, settings))
    files = read(root, folder)
    problems += folder.problems
    # A mistake in the settings must not hide those in the other files.
    known = settings or Settings.model_construct()
    named, found = clouds.clouds_of(files.get(clouds.FILE))
    problems += found
    configured, found = providers.providers_of(files.get(providers.FILE), root, kinds, named)
    problems += found
    own = {
        path: text for path, text in files.items() if any(matches(path, p) for p in (*events.PATTERNS, events.RULES))
    }
    definitions, found = events.definitions_of(own)
    problems += found
    context = SiteContext(known, configured, actions, definitions, frozenset(files), root)
    values: dict[str, Any] = {}
    for part in parts:
        values[part.name], found = _read_part(part, files, replace(context, parts=values))
        problems += found
    problems += _unread(folder, parts)
    problems.sort(key=lambda problem: (problem.path, problem.line or 0))
    if settings is None or any(problem.severity == "error" for problem in problems):
        return None, problems
    return Site(str(root), version_of(files), settings, configured, values, definitions), problems


def version_of(files: Mapping[str, bytes]) -> str:
    """A short hash over the paths and contents of all files of a site."""
    digest = hashlib.sha256()
    for path in sorted(files):
        name = path.encode("utf-8", "surrogateescape")
        digest.update(b"%d:%s%d:" % (len(name), name, len(files[path])))
        digest.update(files[path])
    return digest.hexdigest()[:12]


def version_now(root: Path, settings: Settings | None) -> str:
    """The version that the folder has at this moment, without reading it as a site."""
    return version_of(read(root, walk(root, without=own_folders(root, settings))))


def own_folders(root: Path, settings: Settings | None) -> list[str]:
    """Folders inside the site in which Catchment itself writes: no part of the site."""
    var = root / (settings.var if settings else Path("var"))
    try:
        return [Path(os.path.normpath(var)).relative_to(os.path.normpath(root)).as_posix()]
    except ValueError:
        return []


def _read_part(part: Part, files: Mapping[str, bytes], context: SiteContext) -> tuple[Any, list[Problem]]:
    own = {path: text for path, text in files.items() if any(matches(path, p) for p in part.patterns)}
    try:
        return part.read(own, context)
    except Exception as mistake:  # noqa: BLE001  a reader with a bug must not take down a running installation
        where = next(iter(own), ".")
        what = f"the reader of {part.name} failed: {type(mistake).__name__}"
        return None, [Problem(where, None, what, "This is a bug in Catchment: please report it with this file.")]


def _unread(folder: Folder, parts: Sequence[Part]) -> list[Problem]:
    """Warnings for files that look like configuration and are read by nobody."""
    patterns = [*_OWN_FILES, *events.PATTERNS, *(pattern for part in parts for pattern in part.patterns)]
    tops = sorted({pattern.split("/")[0] for pattern in patterns})
    problems = []
    for found in folder.files:
        path = PurePosixPath(found.path)
        if path.suffix.lower() not in _CONFIGURATION or path.parts[0] in BY_NAME:
            continue
        if not any(matches(found.path, pattern) for pattern in patterns):
            problems.append(
                Problem(found.path, None, "nobody reads this file", _place(path, tops, patterns), "warning")
            )
    return problems[:_MAX_UNREAD]


def _place(path: PurePosixPath, tops: Sequence[str], patterns: Sequence[str]) -> str:
    top = path.parts[0]
    if top in tops:
        wanted = ", ".join(pattern for pattern in patterns if pattern.split("/")[0] == top)
        return f"There, these are read: {wanted}."
    close = nearest(top, tops)
    return f"Did you mean {close}?" if close else "Move it to its place, or out of the site."
