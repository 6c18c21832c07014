"""Calls of code that may never come back: each in a thread of its own, waited for so long and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Self

from tasks.model.errors import BadMonitor

_Answers = SimpleQueue[tuple[Any, BaseException | None]]


class _Hand(NamedTuple):
    """A thread with what it is given to do, and what came of it."""

    thread: threading.Thread
    calls: SimpleQueue[Any]
    answers: _Answers


#: Threads that were given up, by whom they work for, with the moment. Nobody can end one; it must not get company.
_lost: dict[str, tuple[threading.Thread, float]] = {}


class Patience:
    """Makes calls one after the other in one thread, and gives the thread up with a call that does not return.

    ``name`` is whom the calls are for. While a thread of that name that was given up still runs in this process,
    every call raises at once. ``seconds`` is how long each call may take.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._hand: _Hand | None = None
        self._one_at_a_time = threading.Lock()

    @property
    def lost(self) -> bool:
        """Whether a call has not come back yet."""
        known = _lost.get(self._name)
        return known is not None and known[0].is_alive()

    def call(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns or raises. Raises :class:`BadMonitor` where it does neither in time."""
        with self._one_at_a_time:
            if self.lost:
                since = time.monotonic() - _lost[self._name][1]
                raise BadMonitor(
                    f"{self._name}: a call has not returned for {since:.0f} s. Mend the package, or restart this worker"
                )
            hand = self._working()
            hand.calls.put((function, arguments))
            try:
                value, error = hand.answers.get(timeout=self._seconds)
            except BaseException as interrupted:
                _lost[self._name] = hand.thread, time.monotonic()
                self._hand = None
                hand.calls.put(None)
                if not isinstance(interrupted, Empty):
                    raise
                raise BadMonitor(f"{self._name}: {what} did not return within {self._seconds:g} s") from None
        if error is not None:
            raise error
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let the thread end."""
        hand, self._hand = self._hand, None
        if hand is not None:
            hand.calls.put(None)

    def _working(self) -> _Hand:
        # A process that was forked has none of the threads that it knows.
        if self._hand is None or not self._hand.thread.is_alive():
            calls: SimpleQueue[Any] = SimpleQueue()
            answers: _Answers = SimpleQueue()
            thread = threading.Thread(target=_work, args=(calls, answers), name=f"calls-{self._name}", daemon=True)
            self._hand = _Hand(thread, calls, answers)
            thread.start()
        return self._hand


def _work(calls: SimpleQueue[Any], answers: _Answers) -> None:
    while (call := calls.get()) is not None:
        function, arguments = call
        try:
            answers.put((function(*arguments), None))
        except BaseException as error:  # noqa: BLE001 - it goes to the caller, who knows what it means
            answers.put((None, error))
