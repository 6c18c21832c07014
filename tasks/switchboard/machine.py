"""State machines (spec automate 5): one state after the other, and a position that survives retries.

Where a machine stands is told by attributes of the first object, as datastores expect it: ``ae_state``,
``ae_state_started``, ``ae_state_retries``. A machine inside a state of another one has a position of its own
(5.6), kept under its object's full name while it waits for a retry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tasks.model.outcome import Finding
from tasks.switchboard.datastore import Field, Value
from tasks.switchboard.errors import AbortInstantiation, AutomateError, LimitExceeded, StopInstantiation
from tasks.switchboard.intervals import whole_seconds
from tasks.switchboard.position import Continuation, Position
from tasks.switchboard.text import bounded, fold, text_of
from tasks.switchboard.workspace import Object, Workspace

#: How the step of a state names a method, folded (F31).
METHOD_STEP = "method::"

#: Results that end a delivery and ask for another one.
AGAIN = ("retry", "restart", "async_launch")

#: Attributes of the first object that say where a machine stands.
_STATE, _STARTED, _RETRIES = "ae_state", "ae_state_started", "ae_state_retries"
_RESULT, _NEXT, _REASON = "ae_result", "ae_next_state", "ae_reason"


def position_of(root: Object) -> Position:
    """The position that the first object tells of."""
    started = text_of(root.get(_STARTED)) or None
    return Position(text_of(root.get(_STATE)), started, whole_number(root.get(_RETRIES)))


def tell(position: Position, root: Object) -> None:
    """Have the first object tell of a position."""
    root.set(_STATE, position.state)
    root.set(_STARTED, position.started)
    root.set(_RETRIES, position.retries)


def whole_number(value: Any) -> int:
    """A count as an attribute may hold it; zero for what is none."""
    text = text_of(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


#: Carries out one method around a step, and the step itself; that returns whether it led anywhere.
Call = Callable[[Field, str, Object], object]
Step = Callable[[Field, Value, Object], bool]


class Machines:
    """The machines of one delivery. ``call`` runs the methods around a step, ``step`` the step itself."""

    def __init__(
        self, workspace: Workspace, call: Call, step: Step, now: datetime, before: Continuation | None
    ) -> None:
        self.workspace = workspace
        self.call = call
        self.step = step
        self.now = now
        self._begin = before.position if before else None
        self._waiting = dict(before.machines) if before else {}
        self._finished = set(before.finished) if before else set()
        self._depth = 0

    def begin(self, root: Object) -> None:
        """Have the first object of a later delivery say where it goes on."""
        if self._begin is not None:
            tell(self._begin, root)

    def continuation(self, root: Object) -> Continuation:
        """What the next delivery needs."""
        variables, waiting = dict(self.workspace.variables), dict(self._waiting)
        return Continuation(variables, position_of(root), waiting, frozenset(self._finished))

    @contextmanager
    def inside(self, machine: Object) -> Iterator[bool]:
        """While the fields of a machine are walked the first object tells of that machine's position.

        False where the machine has come to its end in an earlier delivery.
        """
        root, key = machine.root, fold(machine.path)
        if not self._depth and key in self._finished:
            yield False
            return
        outer, stands = position_of(root), _result(root) == "ok"
        inner = self._waiting.pop(key, None)
        if stands:
            # The outermost machine of a delivery may be told where to begin; one inside of another is not.
            tell(inner or (Position() if self._depth or self._begin else outer), root)
        self._depth += 1
        try:
            yield True
        finally:
            self._depth -= 1
            if stands and _result(root) == "retry":
                self._waiting[key] = position_of(root)
            elif stands and _result(root) == "ok" and not self._depth:
                self._finished.add(key)
            if self._depth:
                tell(outer, root)

    def run(self, field: Field, value: Value, machine: Object, states: Sequence[str]) -> None:
        """Reach a state field (5.2). ``states`` are the names of the machine's states in order.

        Raises :class:`AbortInstantiation` for a jump that leads nowhere (F11) or back (unlike the original,
        F12), and :class:`StopInstantiation` as the state's methods do.
        """
        root = machine.root
        if not text_of(root.get(_STATE)).strip():
            root.set(_STATE, field.name)
        if not text_of(root.get(_RESULT)).strip():
            root.set(_RESULT, "ok")
        root.set(_NEXT, None)
        if fold(text_of(root.get(_STATE))) != field.key or _result(root) != "ok":
            return
        _Visit(self, field, value, machine, states).run()


class _Visit:
    """One visit of a state."""

    def __init__(self, machines: Machines, field: Field, value: Value, machine: Object, states: Sequence[str]) -> None:
        self._machines = machines
        self._field = field
        self._value = value
        self._machine = machine
        self._root = machine.root
        self._states = states

    def run(self) -> None:
        root = self._root
        root.set("ae_retry_server_affinity", None)
        if not text_of(root.get(_STARTED)):
            root.set(_STARTED, self._machines.now.astimezone(UTC).isoformat())
        root.set(_RETRIES, whole_number(root.get(_RETRIES)))
        root.set("ae_state_max_retries", whole_number(self._value.max_retries))
        self._around("on_entry", self._value.on_entry)
        if self._result == "ok" and self._jump is not None:
            self._result = "skip"
        if self._result == "ok":
            self._main()
        elif self._result in AGAIN and (reason := self._exceeded()):
            # Unlike the original (F28) limits hold for a state that asks for its retry on entry, too.
            self._fail(reason, "on_entry")
        self._conclude()
        self._machines.workspace.note(
            Finding(
                "state",
                f"{self._machine.path}.{self._field.name}",
                self._result,
                {"next": text_of(root.get(_STATE)), "retries": whole_number(root.get(_RETRIES))},
            )
        )

    @property
    def _result(self) -> str:
        return _result(self._root)

    @_result.setter
    def _result(self, result: str) -> None:
        self._root.set(_RESULT, result)

    @property
    def _jump(self) -> str | None:
        """The state that a method wants to be next; the state itself is no jump."""
        named = text_of(self._root.get(_NEXT)).strip()
        return named if named and fold(named) != self._field.key else None

    def _conclude(self) -> None:
        """Go by the result: on, again, or stay."""
        if self._result == "error":
            self._around("on_error", self._value.on_error)
            if self._result == "continue":
                self._result = "ok"
                self._advance()
                return
        elif self._result != "skip":
            counted = self._count()
            if self._result == "async_launch":
                self._result = "retry"
            else:
                self._around("on_exit", self._value.on_exit)
                if not counted:
                    self._count()
        else:
            self._advance()
            return
        if self._result == "restart":
            named = text_of(self._root.get(_NEXT)).strip()
            self._root.set(_STATE, self._named(named) if named else self._states[0])
            self._result = "retry"
        elif self._result in ("ok", "skip"):
            self._advance()

    def _count(self) -> bool:
        """Count a retry, where the result asks for one."""
        again = self._result in AGAIN
        if again:
            self._root.set(_RETRIES, whole_number(self._root.get(_RETRIES)) + 1)
        return again

    def _advance(self) -> None:
        """On to the next state, or to the one that a method named."""
        index = self._states.index(self._field.name)
        following = self._states[index + 1] if index + 1 < len(self._states) else ""
        if self._jump is not None:
            following = self._named(self._jump)
            if self._states.index(following) < index:
                raise AbortInstantiation(
                    f"ae_next_state leads back from {self._field.name} to {following}, and nothing would run it: "
                    "set ae_result to restart as well"
                )
        tell(Position(following), self._root)
        self._result = "ok"

    def _named(self, wanted: str) -> str:
        for name in self._states:
            if fold(name) == fold(wanted):
                return name
        raise AbortInstantiation(
            f"ae_next_state is [{bounded(wanted)}], and [{self._machine.path}] has no such state: "
            f"it has {', '.join(self._states)}"
        )

    def _main(self) -> None:
        self._root.set("ae_state_step", "main")
        if reason := self._exceeded():
            self._fail(reason)
            return
        try:
            if not self._machines.step(self._field, self._value, self._machine):
                self._fail("its relationship led to no object")
        except (StopInstantiation, LimitExceeded):
            raise
        except AutomateError as error:
            self._fail(str(error))

    def _exceeded(self) -> str | None:
        """Which limit of the state is passed (F15, F16)."""
        most, had = whole_number(self._value.max_retries), whole_number(self._root.get(_RETRIES))
        if most and had > most:
            return f"it was retried {most} times, and max_retries is {most}"
        limit = whole_seconds(self._value.max_time)
        if limit:
            try:
                began = datetime.fromisoformat(text_of(self._root.get(_STARTED)))
            except ValueError:
                began = self._machines.now
            lapsed = (self._machines.now - (began if began.tzinfo else began.replace(tzinfo=UTC))).total_seconds()
            if lapsed >= limit:
                return f"it began {lapsed:.0f} s ago, and max_time is {self._value.max_time}"
        return None

    def _around(self, name: str, text: str | None) -> None:
        """The methods of on_entry, on_exit or on_error; several are parted by ``;``, ``#`` turns one off (F25)."""
        calls = [part.strip() for part in (text or "").split(";")]
        if not any(calls):
            return
        self._root.set("ae_state_step", name)
        self._root.set("ae_status_state", name)
        for call in calls:
            if not call or call.startswith("#"):
                continue
            try:
                self._machines.call(self._field, call, self._machine)
            except (StopInstantiation, LimitExceeded):
                raise
            except AutomateError as error:
                self._fail(str(error), name)
                return

    def _fail(self, reason: str, step: str = "main") -> None:
        self._result = "error"
        self._root.set(_REASON, f"{self._field.name}, {step}: {bounded(reason, 500)}")


def _result(root: Object) -> str:
    return fold(text_of(root.get(_RESULT)).strip()) or "ok"
