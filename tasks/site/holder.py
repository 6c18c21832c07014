"""Holds the site that a process works by, and takes a changed one over as a whole or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from tasks.model.errors import Permanent, SiteInvalid
from tasks.providers.contracts import ProviderKind
from tasks.site.contracts import Part, Problem, Site
from tasks.site.load import load_site, own_folders, version_now
from tasks.site.walk import walk

#: A change older than this cannot share its time with one that is still to come.
SETTLED_NS = 1_000_000_000
#: How often, and after which pause, a folder that is being written is looked at before a process gives up.
FIRST_LOOKS = 25
PAUSE_SECONDS = 0.2

Signature = tuple[tuple[str, int, int, int], ...]


class SiteHolder:
    """The present site of a folder. Safe to use from several threads."""

    def __init__(
        self,
        root: Path,
        parts: Sequence[Part],
        kinds: Mapping[str, ProviderKind],
        actions: Mapping[str, Any],
        every_seconds: float = 5.0,
    ) -> None:
        """``every_seconds`` is the least time between two looks at the folder."""
        self._root = root
        self._sources = (parts, kinds, actions)
        self._every = every_seconds
        self._lock = threading.Lock()
        self._site: Site | None = None
        self._problems: tuple[Problem, ...] = ()
        self._tried: Signature | None = None
        self._look_at = 0.0

    @property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with the folder as it is now: while it has errors, the site before it stays."""
        return self._problems

    def current(self) -> Site:
        """The site as last taken over without mistakes.

        The first call reads it; later ones look at the folder now and then. Raises
        :class:`tasks.model.errors.SiteInvalid` with every mistake where none was ever good.
        """
        site = self._site
        if site is None:
            with self._lock:
                return self._site or self._first()
        if time.monotonic() >= self._look_at and self._lock.acquire(blocking=False):
            # Others go on with the site at hand while one looks.
            try:
                self._look()
            finally:
                self._lock.release()
        return self._site or site

    def _first(self) -> Site:
        if time.monotonic() >= self._look_at:
            for _ in range(FIRST_LOOKS):
                if self._look():
                    break
                time.sleep(PAUSE_SECONDS)
            else:
                raise SiteInvalid(f"the site {self._root} changes all the time: nothing of it was taken over")
        if self._site is None:
            raise SiteInvalid(_report(self._root, self._problems))
        return self._site

    def _look(self) -> bool:
        """Look at the folder, and read it where it has changed. False: it changes at this very moment."""
        self._look_at = time.monotonic() + self._every
        seen = self._signature()
        if seen == self._tried:
            return True
        site, problems = load_site(self._root, *self._sources)
        # Somebody may be writing; half of a change is no site, and no mistake either.
        if self._signature() != seen or (site and version_now(self._root, site.settings) != site.version):
            return False
        # Two changes within one tick of the file system's clock look alike: look again a little later.
        self._tried = seen if _settled(seen) else None
        news, self._problems = tuple(problems) != self._problems, tuple(problems)
        if site is None:
            if news:
                self._refuse()
        elif self._site is None or self._site.version != site.version:
            self._take_over(site)
        return True

    def _take_over(self, site: Site) -> None:
        before = self._site.version if self._site else None
        self._site = site
        structlog.get_logger("catchment.site").info("site taken over", version=site.version, before=before)

    def _refuse(self) -> None:
        log = structlog.get_logger("catchment.site")
        kept = self._site.version if self._site else None
        for problem in self._problems:
            log.error("site not taken over", problem=str(problem), severity=problem.severity, kept=kept)

    def _signature(self) -> Signature:
        """What tells a change of the folder without reading it: names, sizes, times of change."""
        settings = self._site.settings if self._site else None
        files = walk(self._root, without=own_folders(self._root, settings)).files
        return tuple((found.path, found.size, found.changed_ns, found.inode) for found in files)


def _settled(signature: Signature) -> bool:
    newest = max((changed for _, _, changed, _ in signature), default=0)
    return newest < time.time_ns() - SETTLED_NS


def _report(root: Path, problems: Sequence[Problem]) -> str:
    errors = [problem for problem in problems if problem.severity == "error"]
    listed = "\n".join(f"  {problem}" for problem in errors)
    return f"the site {root} has {len(errors)} mistake{'s' * (len(errors) != 1)}:\n{listed}"


_holder: SiteHolder | None = None


def install(holder: SiteHolder) -> None:
    """Set the site that this process works by. Called once, when the process starts."""
    global _holder
    _holder = holder


def current() -> Site:
    """The present site of this process. Raises ``Permanent`` where :func:`install` was not called."""
    if _holder is None:
        raise Permanent("this process has no site yet: start it through workers.app or the catchment command")
    return _holder.current()
