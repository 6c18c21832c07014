"""Python methods: where their code is found, and how it is run.

A method's text in the datastore is never executed. A method whose ``language`` is ``python`` names its code by
``data`` (else by its own name): ``module:function`` is a function of ``automate/methods/module.py`` in the site,
a plain name an entry point of the group ``catchment.methods``, or ``run`` of the site's module of that name.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import traceback
from collections.abc import Mapping
from functools import cache
from importlib.abc import SourceLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any

from tasks.model.errors import Transient
from tasks.site.contracts import Problem
from tasks.switchboard.builtin import OK, run_builtin
from tasks.switchboard.errors import AbortInstantiation, AutomateError, MethodNotFound
from tasks.switchboard.methods import Run
from tasks.switchboard.service import MethodFunction, Outside, Service
from tasks.switchboard.workspace import Call, Object

GROUP = "catchment.methods"
#: The folder of the site, below ``automate/``, that holds modules with methods.
FOLDER = "methods"
_PACKAGE = "catchment_site_methods"
_REFERENCE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::([A-Za-z_][A-Za-z0-9_]*))?")


class Functions:
    """The code of Python methods: the site's modules, and the entry points of installed packages."""

    def __init__(self, modules: Mapping[str, ModuleType] | None = None) -> None:
        self._modules = dict(modules or {})

    def find(self, reference: str) -> MethodFunction:
        """The function that a method names. Raises :class:`MethodNotFound`."""
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise MethodNotFound(f"[{reference[:100]}] names no Python function: write module:function, or a name")
        if match[2] is None and (point := _points().get(reference)) is not None:
            return _load(point)
        module = self._modules.get(match[1])
        function = getattr(module, match[2] or "run", None)
        if module is None or not callable(function):
            raise MethodNotFound(
                f"there is no Python function for [{reference}]: add {match[2] or 'run'} to "
                f"automate/{FOLDER}/{match[1]}.py, or install a package with an entry point of {GROUP}"
            )
        found: MethodFunction = function
        return found


@cache
def _points() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _load(point: EntryPoint) -> MethodFunction:
    try:
        found: MethodFunction = point.load()
    except Exception as error:
        raise MethodNotFound(f"the method {point.name} of an installed package does not load: {error}") from error
    return found


class PythonRunner:
    """Carries out the calls of one delivery: built-in methods, and Python ones with a service of their own."""

    def __init__(self, functions: Functions, outside: Outside) -> None:
        self._functions = functions
        self._outside = outside
        self.used = False

    def __call__(self, call: Call, current: Object, run: Run) -> int:
        """Run one call.

        What a method raises ends the delivery, or its state, as a script's exit code 1 would; a
        :class:`tasks.model.errors.Transient` has the whole delivery tried again.
        """
        if call.language != "python":
            return run_builtin(call, current, run)
        self.used = True
        function = self._functions.find(call.implementation)
        try:
            function(Service(call, current, run, self._outside))
        except (AutomateError, Transient):
            raise
        except Exception as error:
            line = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{PurePosixPath(line.filename).name}:{line.lineno}"
            raise AbortInstantiation(f"[{call.method}] raised {type(error).__name__} at {where}: {error}") from error
        return OK


class _Source(SourceLoader):
    """Loads a module from the bytes that the site was read as, so that it is part of the site's version."""

    def __init__(self, path: str, content: bytes) -> None:
        self._path = path
        self._content = content

    def get_filename(self, fullname: str) -> str:
        return self._path

    def get_data(self, path: Any) -> bytes:
        if str(path) != self._path:
            raise OSError(f"{path} is not there")  # The loader asks for compiled code first.
        return self._content


def load_modules(files: Mapping[str, bytes], folder: str) -> tuple[Functions, list[Problem]]:
    """The site's modules: every ``*.py`` of a folder. They are the operator's own code and are trusted."""
    modules: dict[str, ModuleType] = {}
    problems: list[Problem] = []
    for path in sorted(files):
        name = PurePosixPath(path).stem
        if str(PurePosixPath(path).parent) != folder or not path.endswith(".py"):
            continue
        spec = importlib.machinery.ModuleSpec(f"{_PACKAGE}.{name}", _Source(path, files[path]), origin=path)
        module = importlib.util.module_from_spec(spec)
        module.__file__ = path
        try:
            _Source(path, files[path]).exec_module(module)
        except SyntaxError as error:
            problems.append(Problem(path, error.lineno, f"this is no Python: {error.msg}", "Mend that line"))
        except Exception as error:  # noqa: BLE001 - whatever an operator's module does, all other mistakes are told too
            frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
            line = frames[-1].lineno if frames else None
            what = f"the module does not load: {type(error).__name__}: {error}"
            problems.append(Problem(path, line, what, "It must load without the ledger, the network or the broker"))
        else:
            modules[name] = module
    return Functions(modules), problems
