"""A domain from its files, in the layout of ManageIQ's own export (spec automate 1.1).

Every mistake is reported with its file and line, all at once; a domain with a mistake is not loaded at
all. What Catchment reads and cannot use (inline bodies, state machines) is a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TypeVar

from tasks.site.contracts import Problem
from tasks.switchboard.datastore import Class, ClassKey, Domain, Instance, Method
from tasks.switchboard.sheet import ATTRIBUTES, Sheet, open_sheet
from tasks.switchboard.sheets import (
    DOMAIN_KEYS,
    NAMESPACE_KEYS,
    read_class,
    read_instance,
    read_method,
    read_name,
)
from tasks.switchboard.text import fold

DOMAIN_FILE = "__domain__.yaml"
NAMESPACE_FILE = "__namespace__.yaml"
CLASS_FILE = "__class__.yaml"
METHODS_FOLDER = "__methods__"

#: Where a domain stands that names no priority: above the shipped one, below any that says more.
DEFAULT_PRIORITY = 1

_Named = TypeVar("_Named", Instance, Method)


def load_domains(files: Mapping[str, bytes], root: str) -> tuple[list[Domain], list[Problem]]:
    """Every domain in a folder: one for each folder directly in it, by the rules of :func:`load_domain`."""
    depth = len(PurePosixPath(root).parts)
    below = [path for path in map(PurePosixPath, files) if path.is_relative_to(root)]
    domains: list[Domain] = []
    problems: list[Problem] = []
    for name in sorted({path.parts[depth] for path in below if len(path.parts) > depth + 1}):
        domain, found = load_domain(files, str(PurePosixPath(root) / name))
        problems += found
        if domain is not None:
            domains.append(domain)
    for path in sorted(path for path in below if len(path.parts) == depth + 1):
        problems.append(
            Problem(str(path), None, "the file is in no domain", "Move it into a domain's folder", "warning")
        )
    return domains, problems


def load_domain(files: Mapping[str, bytes], root: str) -> tuple[Domain | None, list[Problem]]:
    """One domain: the files below ``root``, which holds ``__domain__.yaml``.

    Returns None for the domain as soon as one of the problems is an error.
    """
    base = PurePosixPath(root)
    found = {PurePosixPath(path): content for path, content in files.items()}
    loader = _Loader(base, {path: content for path, content in found.items() if path.is_relative_to(base)})
    domain = loader.domain()
    if any(problem.severity == "error" for problem in loader.problems):
        return None, loader.problems
    return domain, loader.problems


class _Loader:
    """Walks one domain's folder and keeps what is wrong with it."""

    def __init__(self, base: PurePosixPath, files: Mapping[PurePosixPath, bytes]) -> None:
        self.problems: list[Problem] = []
        self._base = base
        self._files = {path: content for path, content in files.items() if _is_sheet(path)}
        self._folders = sorted({p for path in self._files for p in path.parents if p.is_relative_to(base)})
        self._used: set[PurePosixPath] = set()

    def domain(self) -> Domain | None:
        """The domain, as far as it can be made out."""
        marker = self._base / DOMAIN_FILE
        if marker not in self._files:
            mend = "Every folder in automate/ is a domain: add the file, or move the folder away"
            self.problems.append(Problem(str(self._base), None, f"the folder has no {DOMAIN_FILE}", mend))
            return None
        sheet = self._open(marker)
        classes: dict[ClassKey, Class] = {}
        self._namespaces(self._base, (), classes)
        self._report_unused()
        if sheet is None:
            return None
        sheet.known(ATTRIBUTES, sheet.attributes, DOMAIN_KEYS)
        name = read_name(sheet, "domain", default=self._base.name)
        if name == "$":
            sheet.problem((*ATTRIBUTES, "name"), "the name $ is taken", "Give the domain another name")
        priority, enabled = sheet.integer("priority", DEFAULT_PRIORITY), sheet.flag("enabled", True)
        if name is None:
            return None
        return Domain(name, priority, enabled, classes, sheet.text("description"), sheet.path)

    def _open(self, path: PurePosixPath) -> Sheet | None:
        self._used.add(path)
        return open_sheet(str(path), self._files[path], self.problems)

    def _namespaces(self, folder: PurePosixPath, above: tuple[str, ...], classes: dict[ClassKey, Class]) -> None:
        seen: dict[str, PurePosixPath] = {}
        for inner in (f for f in self._folders if f.parent == folder and f != folder):
            if above and inner / CLASS_FILE in self._files:
                self._class(inner, above, classes)
            if inner / NAMESPACE_FILE not in self._files:
                continue
            sheet = self._open(inner / NAMESPACE_FILE)
            if sheet is not None:
                sheet.known(ATTRIBUTES, sheet.attributes, NAMESPACE_KEYS)
            first = seen.setdefault(fold(inner.name), inner)
            if sheet is not None and first is not inner:
                sheet.problem(
                    (),
                    f"the namespace {inner.name} differs from another in case alone",
                    f"Merge it with {first}",
                )
            self._namespaces(inner, (*above, inner.name), classes)

    def _class(self, folder: PurePosixPath, namespace: tuple[str, ...], classes: dict[ClassKey, Class]) -> None:
        sheet = self._open(folder / CLASS_FILE)
        before = len(self.problems)
        frame = read_class(sheet, namespace) if sheet is not None else None
        # Fields are compared only with a schema that could be read whole: no mistake shows up twice.
        sound = frame is not None and all(p.severity != "error" for p in self.problems[before:])
        instances: dict[str, Instance] = {}
        methods: dict[str, Method] = {}
        for path in self._sheets_in(folder):
            read = self._open(path)
            if read is not None:
                self._keep(read, read_instance(read, frame or Class(namespace, ""), check_fields=sound), instances)
        for path in self._sheets_in(folder / METHODS_FOLDER):
            read = self._open(path)
            if read is not None:
                self._keep(read, read_method(read), methods)
        if frame is None or sheet is None:
            return
        if frame.key in classes:
            sheet.problem(
                (*ATTRIBUTES, "name"),
                f"the class {frame.path} is there twice",
                "Rename one, or merge the two folders",
            )
        classes[frame.key] = replace(frame, instances=instances, methods=methods)

    def _sheets_in(self, folder: PurePosixPath) -> list[PurePosixPath]:
        marks = (CLASS_FILE, NAMESPACE_FILE, DOMAIN_FILE)
        return sorted(path for path in self._files if path.parent == folder and path.name not in marks)

    def _keep(self, sheet: Sheet, thing: _Named | None, kept: dict[str, _Named]) -> None:
        if thing is None:
            return
        first = kept.setdefault(fold(thing.name), thing)
        if first is thing:
            return
        place = (*ATTRIBUTES, "name")
        if first.name == thing.name:
            sheet.warn(place, f"{thing.name} is in another file already", "That one counts: delete one of the two")
        else:
            sheet.problem(
                place,
                f"{thing.name} differs from {first.name} in case alone",
                "Names are compared without case: rename one",
            )

    def _report_unused(self) -> None:
        for path in sorted(self._files.keys() - self._used - {self._base / DOMAIN_FILE}):
            mend = f"A class is a folder with {CLASS_FILE}; each namespace above it has a {NAMESPACE_FILE}"
            what = "the file is in no class that can be seen"
            self.problems.append(Problem(str(path), None, what, mend, "warning"))


def _is_sheet(path: PurePosixPath) -> bool:
    return path.suffix == ".yaml" and not path.name.startswith(".")
