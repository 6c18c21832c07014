"""What a Python method is handed: the objects of the delivery, and the wishes that it may voice (spec automate 4.8).

A method runs while its event's lane is locked, or in the transaction of a delivery: it computes, and asks
for effects instead of calling out. All that it asks for is written with the decision, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, NoReturn, Protocol

import structlog

from tasks.model.event import ObjectRef
from tasks.model.outcome import Ask, Move, ObjectFacts, Petition, Raise
from tasks.switchboard.errors import AbortInstantiation, AutomateError, StopInstantiation
from tasks.switchboard.machine import AGAIN
from tasks.switchboard.methods import Run
from tasks.switchboard.text import bounded, fold
from tasks.switchboard.workspace import Call, Object

log = structlog.get_logger(__name__)

#: The code of a method: it is called with its service, and what it returns is passed over.
MethodFunction = Callable[["Service"], object]
_LEVELS = ("debug", "info", "warning", "error")


class Outside(Protocol):
    """What a method may know of the world."""

    def inventory(self, kind: str, ref: str) -> ObjectFacts | None:
        """An inventory object of the event's provider; None where nothing is known of it."""

    @property
    def event(self) -> Mapping[str, Any]:
        """The event of the delivery, by the names of ``${/#event_stream....}``; empty where there is none."""

    @property
    def task(self) -> MutableMapping[str, Any]:
        """Options of the request task that the delivery works for; what is set stays. Empty where there is none."""

    @property
    def request(self) -> Mapping[str, Any]:
        """The request that the delivery is about; empty where it is about none."""


class Attributes(MutableMapping[str, Any]):
    """An object of the delivery: its attributes by name, in any case. An attribute that is not set reads as None."""

    def __init__(self, held: Object) -> None:
        self._held = held

    def __getitem__(self, name: str) -> Any:
        return self._held.get(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._held.set(name, value)

    def __delitem__(self, name: str) -> None:
        self._held.attributes.pop(fold(name), None)

    def __contains__(self, name: object) -> bool:
        return self._held.has(str(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._held.attributes)

    def __len__(self) -> int:
        return len(self._held.attributes)

    @property
    def name(self) -> str:
        """The instance's name."""
        return self._held.name

    @property
    def path(self) -> str:
        """The full path: domain, namespace, class and instance."""
        return self._held.path

    @property
    def children(self) -> list[Attributes]:
        """The objects below it, in the order in which they were built."""
        return [Attributes(child) for child in self._held.children]


class Service:
    """One call of a Python method."""

    def __init__(self, call: Call, current: Object, run: Run, outside: Outside) -> None:
        self._call = call
        self._current = current
        self._run = run
        self._outside = outside
        #: The method's inputs by name, converted.
        self.inputs: Mapping[str, Any] = call.inputs
        #: State variables: they survive retries. Plain values only: text, numbers, lists, maps.
        self.state: MutableMapping[str, Any] = run.workspace.variables

    @property
    def current(self) -> Attributes:
        """The object whose field calls the method."""
        return Attributes(self._current)

    @property
    def root(self) -> Attributes:
        """The first object of the delivery; ``ae_result`` and its kin are set here."""
        return Attributes(self._current.root)

    @property
    def parent(self) -> Attributes | None:
        """The object above the current one."""
        return Attributes(self._current.parent) if self._current.parent else None

    @property
    def event(self) -> Mapping[str, Any]:
        """The event, by the names of ``${/#event_stream....}``; empty in a delivery without one."""
        return self._outside.event

    @property
    def task(self) -> MutableMapping[str, Any]:
        """Options of the request task, to read and to set; empty in a delivery without one."""
        return self._outside.task

    def object(self, path: str) -> Attributes | None:
        """The object that a ``${path#…}`` would name, or None."""
        try:
            return Attributes(self._run.workspace.locate(path, self._current))
        except AutomateError:
            return None

    def instantiate(self, uri: str) -> Attributes | None:
        """Build an address below the current object; None where it leads to nothing or fails."""
        try:
            built = self._run.instantiate(uri, self._current)
        except StopInstantiation:
            raise
        except AutomateError as error:
            self.log("warning", f"instantiate {uri}: {error}")
            return None
        return Attributes(built) if built else None

    def inventory(self, kind: str, ref: str) -> ObjectFacts | None:
        """What is known of an object of the event's provider: ``state``, ``name``, ``attributes``, ``read_at``."""
        return self._outside.inventory(kind, ref)

    def raise_event(self, event_type: str, kind: str, ref: str, **inputs: Any) -> None:
        """Raise an internal event on an object."""
        self._call.wishes.append(Raise(_text(event_type, "event_type"), _ref(kind, ref), inputs))

    def refresh(self, kind: str, ref: str) -> None:
        """Have an object read again from its provider."""
        self._call.wishes.append(_ref(kind, ref))

    def ask(self, action: str, **params: Any) -> None:
        """Ask for an effect, by the word and the parameters that a policy's ``then`` would give."""
        ordinal = sum(isinstance(wish, Ask) for wish in self._call.wishes)
        self._call.wishes.append(Ask(_text(action, "action"), self._call.method, params, None, ordinal))

    @property
    def the_request(self) -> Mapping[str, Any]:
        """The request that the delivery is about: ``request_type``, ``options``, ``requester``; empty without one."""
        return self._outside.request

    def approve(self, reason: str = "Auto-Approved") -> None:
        """Approve the request at hand. Where somebody decided before, his decision stands."""
        self._call.wishes.append(Move("approve", reason))

    def deny(self, reason: str) -> None:
        """Deny the request at hand."""
        self._call.wishes.append(Move("deny", reason))

    def pend(self, reason: str) -> None:
        """Leave the request at hand to a person, with the reason as its message."""
        self._call.wishes.append(Move("pend", reason))

    def request(self, request_type: str, options: Mapping[str, Any] | None = None, *, description: str = "") -> None:
        """Open a request; it takes the way of all requests, approval included."""
        self._call.wishes.append(Petition(_text(request_type, "request_type"), dict(options or {}), description))

    def log(self, level: str, text: str) -> None:
        """Write a line to Catchment's log, with the method's address."""
        log.log(_LEVEL_NUMBERS.get(level, 20), bounded(str(text), 1000), method=self._call.method)

    def retry(self, after: str | float = "1.minute") -> None:
        """End this delivery; the next one comes after that time and goes on at the same state."""
        self.root["ae_result"], self.root["ae_retry_interval"] = AGAIN[0], after

    def fail(self, reason: str) -> None:
        """End the state with an error; ``on_error`` of the state comes next."""
        self.root["ae_result"], self.root["ae_message"] = "error", reason

    def stop(self, reason: str = "") -> NoReturn:
        """Drop the current object; its parent goes on."""
        raise StopInstantiation(f"[{self._call.method}] stopped its object: {reason}")

    def abort(self, reason: str = "") -> NoReturn:
        """End the delivery."""
        raise AbortInstantiation(f"[{self._call.method}] ended the delivery: {reason}")


_LEVEL_NUMBERS = {name: 10 * (number + 1) for number, name in enumerate(_LEVELS)}


def _text(value: str, what: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 255:
        raise AbortInstantiation(f"{what} is {bounded(repr(value))}: give a text of 1 to 255 characters")
    return value.strip()


def _ref(kind: str, ref: str) -> ObjectRef:
    return ObjectRef(_text(kind, "kind"), _text(ref, "ref"))
