"""Handlers for tests of turns: one that notes whom it saw, and one that stands still."""

from __future__ import annotations

import threading
from typing import Any, Self

from tasks.model import event as model
from tasks.model.outcome import Finding, Handler, Outcome, View
from tests.ground import (
    nothing,
    take,
)


class Recorder:
    """A handler that notes whom it saw, and fails on those it is told to."""

    def __init__(self, **fails: Exception) -> None:
        self.seen: list[str] = []
        self.fails = fails

    def __call__(self, event: model.Event, view: View) -> Outcome:
        name = event.facts.message_id
        self.seen.append(name)
        if name in self.fails:
            raise self.fails[name]
        return Outcome(findings=[Finding("seen", name, "done")])


class Blocked:
    """A turn in a thread that stands in the middle of its work until ``go`` is set, at the latest at the end."""

    def __init__(self, present: Any, stage: str, handler: Handler = nothing, **more: Any) -> None:
        self.go = threading.Event()
        self._handler = handler
        self.results: list[Any] = []
        self._inside = threading.Event()
        self._thread = threading.Thread(target=lambda: self.results.append(take(present, stage, self._wait, **more)))

    def _wait(self, event: model.Event, view: View) -> Outcome:
        self._inside.set()
        assert self.go.wait(20)
        return self._handler(event, view)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._inside.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self._thread.join()
