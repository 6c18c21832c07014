"""Checks of a datastore (spec automate 8): what instantiating an address must lead to, written as data.

Operators write them for domains of their own: ``catchment automate check``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tasks.model import clock
from tasks.switchboard import errors
from tasks.switchboard.builtin import ABORT, OK, STOP, WARN, run_builtin
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.engine import resolve
from tasks.switchboard.errors import AutomateError
from tasks.switchboard.load import load_domains
from tasks.switchboard.methods import Run
from tasks.switchboard.plain import ROOT, files_of
from tasks.switchboard.text import fold, text_of
from tasks.switchboard.workspace import Call, Object, Workspace

EXITS = {"ok": OK, "warn": WARN, "stop": STOP, "abort": ABORT, "unknown": 1}
#: The text that stands for the domains of a folder.
FOLDER_DOMAINS = "manageiq-system"
#: Deliveries of one check at the most.
MAX_DELIVERIES = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a check came out: what differed from what was expected, nothing where it holds."""

    id: str
    differences: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return not self.differences


class Effects:
    """Stands in for methods: per name a list of steps, the n-th call takes the n-th, the last one repeats.

    Built-ins without a step do what they do; any other method succeeds.
    """

    def __init__(self, steps: Mapping[str, Sequence[Mapping[str, Any]]] | None = None) -> None:
        self._steps = {fold(name): list(listed) for name, listed in (steps or {}).items()}
        self._counts: dict[str, int] = {}

    def __call__(self, call: Call, current: Object, run: Run) -> int:
        """Set what the step sets, and exit as it says."""
        name = fold(call.method.rsplit("/", 1)[1])
        listed = self._steps.get(name)
        if not listed:
            return run_builtin(call, current, run)
        count = self._counts.get(name, 0)
        self._counts[name] = count + 1
        step = listed[min(count, len(listed) - 1)]
        for target, key in ((current.root, "root"), (current, "object")):
            for attribute, value in step.get(key, {}).items():
                named = isinstance(value, str) and value.startswith("$")
                target.set(attribute, call.inputs[value[1:]] if named else value)
        run.workspace.variables.update(step.get("vars", {}))
        if "append" in step:
            before = current.root.get(step["append"])
            state = text_of(current.root.get("ae_state"))
            current.root.set(step["append"], [*(before if isinstance(before, list) else []), state])
        if "raise" in step:
            raise _error_named(step["raise"])
        return EXITS[step.get("exit", "ok")]


def _error_named(name: Any) -> AutomateError:
    kind = getattr(errors, str(name), AutomateError)
    wanted = isinstance(kind, type) and issubclass(kind, AutomateError)
    return kind(str(name)) if wanted else AutomateError(str(name))


@dataclass(slots=True)
class _Runs:
    """The deliveries of one check."""

    results: list[str] = field(default_factory=list)
    names: list[list[str]] = field(default_factory=list)
    last: Workspace | None = None


def run_check(check: Mapping[str, Any], folder: Datastore | None = None) -> Verdict:
    """Carry out one check. ``folder`` are the domains meant by the text ``manageiq-system``.

    A check that cannot be read is one that does not hold, with the reason.
    """
    name = str(check.get("id", "?"))
    try:
        expect = check["expect"]
        if check["domains"] == FOLDER_DOMAINS:
            if folder is None:
                return Verdict(name, ["it is about a folder of domains: name one with --domains"])
            datastore = folder
        else:
            domains, problems = load_domains(files_of(*check["domains"]), ROOT)
            mistakes = [str(p) for p in problems if p.severity == "error"]
            if "load_error" in expect:
                refused = any(str(expect["load_error"]) in mistake for mistake in mistakes)
                return Verdict(name, [] if refused else [_differs("load_error", expect["load_error"], mistakes)])
            if mistakes:
                return Verdict(name, [f"its domains cannot be loaded: {'; '.join(mistakes[:5])}"])
            datastore = Datastore(domains)
        return Verdict(name, list(_compare(_deliver(check, datastore), expect)))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        return Verdict(name, [f"it cannot be read: {type(error).__name__}: {error}"])


def _deliver(check: Mapping[str, Any], datastore: Datastore) -> _Runs:
    runs, effects, now, before = _Runs(), Effects(check.get("effects")), clock.now(), None
    root = {fold(key): _known(value) for key, value in check.get("root", {}).items()}
    for _ in range(min(int(check.get("deliver", 1)), MAX_DELIVERIES)):
        workspace = resolve(
            datastore,
            root,
            check["uri"],
            runner=effects,
            variables=check.get("vars"),
            readonly=bool(check.get("readonly", False)),
            now=now,
            before=before,
        )
        runs.last = workspace
        runs.results.append(workspace.result)
        runs.names.append([call.method.rsplit("/", 1)[1] for call in workspace.calls])
        before = workspace.continuation
        if before is None:
            break
        now += timedelta(seconds=float(check.get("tick", 0)))
    return runs


def _known(given: Any) -> Any:
    """A stand-in for a model object: its attributes and what its methods answer, read by name."""
    if isinstance(given, dict) and "$obj" in given:
        return {name: _known(v) for name, v in {**given.get("attrs", {}), **given.get("methods", {})}.items()}
    return given


def _compare(runs: _Runs, expect: Mapping[str, Any]) -> Sequence[str]:
    workspace = runs.last
    if workspace is None:
        return ["nothing was delivered"]
    found: dict[str, Any] = {
        "error": type(workspace.error).__name__ if workspace.error else None,
        "calls": [[call.method, call.inputs] for call in workspace.calls],
        "names": [call.method.rsplit("/", 1)[1] for call in workspace.calls],
        "calls_by_delivery": runs.names,
        "deliveries": runs.results,
        "roots": len(workspace.roots),
        "children": len(workspace.root.children) if workspace.root else None,
        "objects": [built.address for built in workspace.objects],
    }
    wanted = {"error": None, **{key: expect[key] for key in found if key in expect}}
    differences = [_differs(key, value, found[key]) for key, value in wanted.items() if not _same(found[key], value)]
    if "logged" in expect and not any(str(expect["logged"]) in text for text in workspace.errors):
        differences.append(_differs("logged", expect["logged"], workspace.errors))
    differences += _attributes("root", workspace.root, expect.get("root", {}))
    for name in expect.get("root_absent", ()):
        if workspace.root is not None and workspace.root.get(name) is not None:
            differences.append(_differs(f"root_absent {name}", None, workspace.root.get(name)))
    for path, attributes in expect.get("object", {}).items():
        differences += _attributes(f"object {path}", _at(workspace.root, path), attributes)
    return differences


def _at(root: Object | None, path: str) -> Object | None:
    found = root
    for index in path.split("."):
        if found is None or int(index) >= len(found.children):
            return None
        found = found.children[int(index)]
    return found


def _attributes(where: str, found: Object | None, wanted: Mapping[str, Any]) -> list[str]:
    if found is None:
        return [f"{where}: there is no such object"] if wanted else []
    return [_differs(f"{where} {k}", v, found.get(k)) for k, v in wanted.items() if not _same(found.get(k), v)]


def _same(found: Any, wanted: Any) -> bool:
    """Equal, and of the same type: the text ``1`` is not the number."""
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_same(f, w) for f, w in zip(found, wanted, strict=True))
        )
    if isinstance(wanted, dict):
        return (
            isinstance(found, Mapping) and set(found) == set(wanted) and all(_same(found[k], wanted[k]) for k in wanted)
        )
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def _differs(what: str, wanted: Any, found: Any) -> str:
    return f"{what}: expected {wanted!r:.500}, found {found!r:.500}"
