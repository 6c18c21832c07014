"""One run's objects, in memory: the tree that ``${...}`` reads, the calls that were made, and the trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tasks.model.outcome import Finding
from tasks.switchboard.datastore import Found
from tasks.switchboard.errors import AutomateError, LimitExceeded, ObjectNotFound
from tasks.switchboard.position import Continuation
from tasks.switchboard.text import Untrusted, bounded, fold

#: What one run may build and call at the most; a datastore that needs more is in a loop (D19).
MAX_DEPTH = 40
MAX_OBJECTS = 500
MAX_CALLS = 500
#: Faults that are kept of one run.
MAX_FAULTS = 100
#: Steps of the trace that are kept besides the calls.
MAX_NOTES = 300


@dataclass(slots=True)
class Call:
    """One method call: the method's full address, where its body is, the inputs as they arrive.

    ``of`` is the object that calls. ``implementation`` names the built-in, for location ``builtin``, or the
    code of a Python method. ``wishes`` are what a Python method asked for.
    """

    method: str
    location: str
    implementation: str
    inputs: dict[str, Any]
    of: str
    language: str = ""
    wishes: list[Any] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Object:
    """A built instance: attributes by folded name. ``given``: what the first object was handed, read late."""

    found: Found
    message: str
    parent: Object | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    children: list[Object] = field(default_factory=list)

    def get(self, name: str) -> Any:
        """An attribute, or None. What was given is from outside."""
        key = fold(name)
        if key in self.attributes:
            return self.attributes[key]
        value = self.given.get(key)
        return Untrusted(value) if type(value) is str else value

    def has(self, name: str) -> bool:
        """Whether the attribute was set, or given."""
        key = fold(name)
        return key in self.attributes or key in self.given

    def set(self, name: str, value: Any) -> None:
        """Set an attribute."""
        self.attributes[fold(name)] = value

    @property
    def name(self) -> str:
        """The instance's name; ``.missing`` where that stands in."""
        return self.found.instance.name if self.found.instance else self.found.requested

    @property
    def path(self) -> str:
        """The full path: domain, namespace, class and instance."""
        return f"/{self.found.domain.name}/{self.found.of.path}/{self.name}"

    @property
    def address(self) -> str:
        """The full path and the message."""
        return f"{self.path}#{self.message}"

    @property
    def root(self) -> Object:
        """The top of the tree that the object is in."""
        top = self
        while top.parent is not None:
            top = top.parent
        return top

    def ancestors(self) -> Iterator[Object]:
        """Parent, grandparent and so on, the nearest first."""
        above = self.parent
        while above is not None:
            yield above
            above = above.parent


@dataclass(slots=True)
class Workspace:
    """What one run left behind.

    ``trace`` has, in order, all that was looked at and every call; ``faults`` what was logged and passed
    over, each with its address; ``error`` what ended the run. ``absent`` counts addresses that led nowhere.
    ``continuation`` is what the next delivery goes on with, where this one ended in a retry; ``lookup``
    finds inventory objects by kind and id.
    """

    uri: str
    roots: list[Object] = field(default_factory=list)
    objects: list[Object] = field(default_factory=list)
    trace: list[Finding | Call] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    error: AutomateError | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    absent: int = 0
    continuation: Continuation | None = None
    lookup: Callable[[str, str], Any] | None = None
    left_out: int = 0
    _calls: int = 0
    _spent: int = 0

    @property
    def calls(self) -> list[Call]:
        """The method calls in order."""
        return [step for step in self.trace if isinstance(step, Call)]

    @property
    def root(self) -> Object | None:
        """The first object, or None where it was refused or not found."""
        return self.roots[0] if self.roots else None

    @property
    def result(self) -> str:
        """How the delivery ended (spec automate 5.5): ``raised``, ``empty``, or the root's ``ae_result``."""
        if self.error is not None:
            return "raised"
        if self.root is None:
            return "empty"
        return fold(str(self.root.get("ae_result") or "").strip()) or "ok"

    @property
    def outcome(self) -> str:
        """``error``: the run was ended; ``missing``: nothing ran, an address led nowhere; else ``ok``."""
        if self.error is not None:
            return "error"
        return "missing" if self.absent and not self._calls else "ok"

    def note(self, finding: Finding) -> None:
        """Keep a step of the trace, up to its bound."""
        if len(self.trace) - self._calls < MAX_NOTES:
            self.trace.append(finding)
        else:
            self.left_out += 1

    def pass_over(self, address: str, mistake: AutomateError) -> None:
        """Keep what was logged and passed over, and what it was about, up to a bound."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append((address, bounded(str(mistake))))

    @property
    def errors(self) -> list[str]:
        """What was logged and passed over, in order."""
        return [text for _, text in self.faults]

    def spend(self, path: str, depth: int) -> None:
        """Count one more object. Raises :class:`LimitExceeded` when there are too many, or it lies too deep."""
        self._spent += 1
        if depth >= MAX_DEPTH:
            raise LimitExceeded(f"[{path}] lies more than {MAX_DEPTH} relationships deep")
        if self._spent > MAX_OBJECTS:
            raise LimitExceeded(f"more than {MAX_OBJECTS} objects for one event, with [{path}]")

    def record(self, call: Call) -> None:
        """Keep a call. Raises :class:`LimitExceeded` when one run makes too many."""
        if self._calls >= MAX_CALLS:
            raise LimitExceeded(f"more than {MAX_CALLS} method calls for one event")
        self._calls += 1
        self.trace.append(call)

    def add(self, built: Object) -> None:
        """Put an object under its parent."""
        self.objects.append(built)
        (self.roots if built.parent is None else built.parent.children).append(built)

    def drop(self, dropped: Object) -> None:
        """Take an object away, and its children with it (unlike the original, D36)."""
        siblings = self.roots if dropped.parent is None else dropped.parent.children
        siblings[:] = [kept for kept in siblings if kept is not dropped]
        gone = {id(dropped)}
        for built in self.objects:
            if built.parent is not None and id(built.parent) in gone:
                gone.add(id(built))
        self.objects[:] = [built for built in self.objects if id(built) not in gone]

    def locate(self, path: str, current: Object) -> Object:
        """The object that a ``${...}`` names, as seen from the current one (spec automate 2.3).

        Raises :class:`ObjectNotFound`.
        """
        if path in ("", "."):
            return current
        if path == "/":
            return current.root
        names = [fold(name) for name in path.split("/") if name]
        if names and set(names) == {".."}:
            above = list(current.ancestors())
            if len(names) > len(above):
                raise ObjectNotFound(f"Object [{path[:200]}] not found: the tree is not that deep")
            return above[len(names) - 1]
        for holder in current.ancestors():
            space, name = holder.found.of.key
            if (
                names
                and name == names[-1]
                and tuple(names[:-1]) in ((), space, (fold(holder.found.domain.name), *space))
            ):
                return holder
        return self._anywhere(path, names)

    def _anywhere(self, path: str, names: list[str]) -> Object:
        candidates = self.objects if len(names) > 2 else []
        for built in candidates:
            space, name = built.found.of.key
            whole = (fold(built.found.domain.name), *space, name)
            if tuple(names[:-1]) in (whole, whole[1:]) and fnmatchcase(fold(built.name), names[-1]):
                return built
        raise ObjectNotFound(f"Object [{path[:200]}] not found")
