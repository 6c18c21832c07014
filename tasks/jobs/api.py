"""What a job may do: the base class of all jobs (docs/jobs.md, spec orchestrate 10 and 11).

A handler's wishes (facts, subscriptions, calls, operations) are written in one transaction when it has ended well: one
that fails, or dies, has changed nothing. Logs and progress go out at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tasks.effects import process

#: What a program that a job starts may say, in bytes.
OUTPUT_LIMIT = 1024 * 1024
#: Variables of the agent that a job's programs see.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class JobFailed(Exception):
    """The job has failed for good: it is not tried again."""


class Ran(NamedTuple):
    """How a program ended that a job has run. ``code`` is negative where a signal ended it."""

    code: int | None
    stdout: str
    stderr: str
    timed_out: bool


class Link(Protocol):
    """The way to the agent."""

    def ask(self, what: str, **more: Any) -> Any:
        """Ask for something, and wait for the answer."""

    def tell(self, what: str, **more: Any) -> None:
        """Say something."""


class Wishes:
    """What a handler wants to have done, as plain data."""

    def __init__(self) -> None:
        self.facts: dict[tuple[str, str | None], Any] = {}
        self.changes: list[tuple[str, str, str]] = []
        self.calls: list[dict[str, Any]] = []
        self.operations: list[dict[str, Any]] = []
        self.finished = False
        self.result: Any = None

    def plain(self) -> dict[str, Any]:
        """All of them, as the agent gets them."""
        return {
            "facts": [[name, of, value] for (name, of), value in self.facts.items()],
            "subscriptions": self.changes,
            "calls": self.calls,
            "operations": self.operations,
            "finished": self.finished,
            "result": self.result,
        }


class Job:
    """The base of all jobs: write a class of it with ``job_started_event(self)``.

    ``args`` are the arguments, ``context`` names the objects of the event that started the job, ``event`` has what
    else came with it. ``kept`` is a dictionary of the job's own that lives as long as the job, from one handler to the
    next; what JSON cannot hold cannot be kept. ``agent`` is the host that the job runs on, ``instance`` its number.
    """

    args: Mapping[str, Any]
    context: Mapping[str, Any]
    event: Mapping[str, Any]
    kept: dict[str, Any]
    agent: str
    instance: int
    user: str
    _link: Link
    _wishes: Wishes

    def job_started_event(self) -> None:
        """Called once, when the job begins. Each job has its own."""
        raise NotImplementedError

    def log(self, text: object, level: str = "info") -> None:
        """Write a line into the job's log; ``level`` is debug, info, warning or error."""
        self._link.tell("log", text=str(text), level=level)

    def progress(self, done: float, note: str = "") -> None:
        """Say how far the job has come, from 0 to 1, and with what."""
        self._link.tell("progress", done=float(done), note=str(note))

    def getFact(self, name: str, of: str | None = None) -> Any:
        """A fact such as ``vmhost.vm.count``; None where it is undefined.

        It is that of the object in the job's context, or of the object whose id is ``of``. ``resource`` is the host
        that the job runs on where the context names none.
        """
        if (name, of) in self._wishes.facts:
            return self._wishes.facts[name, of]
        return self._link.ask("fact", name=name, of=of)

    def factExists(self, name: str, of: str | None = None) -> bool:
        """Whether a fact is defined."""
        return self.getFact(name, of) is not None

    def objects(self, kind: str, provider: str | None = None, name: str | None = None) -> list[dict[str, Any]]:
        """Objects of inventory of a kind, such as ``server``: at most a thousand, by provider and id.

        Each has ``provider``, ``kind``, ``id``, ``name``, ``tenant_id``, ``state`` and ``attributes``. ``name`` may
        have ``*`` and ``?``.
        """
        found: list[dict[str, Any]] = self._link.ask("objects", kind=kind, provider=provider, name=name)
        return found

    def setFact(self, name: str, value: Any, of: str | None = None) -> None:
        """Set a fact, None to make it undefined. The job's policy has to allow it with ``job.facts``."""
        self._wishes.facts[name, of] = value

    def subscribeToEvent(self, name: str, method: Callable[..., Any]) -> None:
        """Have a method of the job called with the context of each such event, from now on.

        The job goes on until it ends its subscriptions or says :meth:`finish`. While it waits it costs nothing.
        """
        self._wishes.changes.append(("add", self._event(name), self._method(method)))

    def unsubscribeFromEvent(self, name: str, method: Callable[..., Any]) -> None:
        """End a subscription; events that are queued for it are dropped."""
        self._wishes.changes.append(("end", self._event(name), self._method(method)))

    def call(self, job: str, args: Mapping[str, Any] | None = None, on: str | None = None) -> None:
        """Run another job, on the host ``on`` or where it may run. This one waits for it without costing anything.

        Its end comes as ``child_job_completed_event(self, child)``, or ``child_job_failed_event``, or
        ``child_job_cancelled_event``, where the job has them; ``child`` tells ``id``, ``job``, ``state``, ``result``
        and ``error``.
        """
        self._wishes.calls.append({"job": str(job), "args": dict(args or {}), "on": on})

    def operate(self, provider: str, target: str, action: str, **params: Any) -> None:
        """Ask for an operation on an object of a cloud, such as ``operate("lab", "server/4f1c", "stop_server")``.

        Policies decide on it and limits count it, like all operations.
        """
        self._wishes.operations.append(
            {"provider": str(provider), "target": str(target), "action": str(action), "params": params}
        )

    def run(self, command: Sequence[str], timeout: float = 60.0, stdin: bytes = b"", cwd: str | None = None) -> Ran:
        """Run a program with its arguments, never through a shell; its output is cut at 1 MiB.

        Raises ``OSError`` where it cannot be started.
        """
        folder = Path.cwd()
        ended = process.run(
            [str(word) for word in command],
            cwd=folder / cwd if cwd else folder,
            env={"PATH": _PATH, "LANG": "C.UTF-8", "HOME": str(folder)},
            stdin=stdin,
            timeout=timeout,
            output_limit=OUTPUT_LIMIT,
        )
        out, err = (said.head.decode("utf-8", "replace") for said in (ended.stdout, ended.stderr))
        return Ran(ended.code, out, err, ended.timed_out)

    def finish(self, result: Any = None) -> None:
        """End the job when this handler has ended, with a result that JSON can hold."""
        self._wishes.finished = True
        self._wishes.result = result

    def fail(self, reason: str) -> None:
        """Fail at once and for good; raises :class:`JobFailed`."""
        raise JobFailed(reason)

    def _event(self, name: str) -> str:
        if not isinstance(name, str) or not name.strip() or len(name) > 128:
            raise ValueError("the name of an event is wanted")
        return name.strip()

    def _method(self, method: Callable[..., Any]) -> str:
        """The name of a method of this job. Raises ``TypeError`` for anything else (spec orchestrate 11)."""
        if getattr(method, "__self__", None) is not self:
            raise TypeError("a callback is a method of the job itself: give self.name_of_the_method")
        name = getattr(method, "__name__", "")
        if not hasattr(type(self), name) or name.startswith("_"):
            raise TypeError(f"a callback is a public method of the job's class, and {name!r} is none")
        return str(name)
