"""Rings for lanes from a process that answers requests: nobody waits for a broker that is away."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class Bell:
    """Hands lanes to ``launch`` in a thread of its own; what is rung for meanwhile is rung for once.

    A bell that is lost costs the sweep's pause and nothing else.
    """

    def __init__(self, launch: Callable[[set[int]], None]) -> None:
        self._launch = launch
        self._lanes: set[int] = set()
        self._rung = threading.Condition()
        self._thread: threading.Thread | None = None

    def ring(self, lanes: set[int]) -> None:
        """Have these lanes looked after, soon. Returns at once."""
        if not lanes:
            return
        with self._rung:
            self._lanes |= lanes
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bell", daemon=True)
                self._thread.start()
            self._rung.notify()

    def _run(self) -> None:
        while True:
            with self._rung:
                self._rung.wait_for(lambda: self._lanes)
                lanes, self._lanes = self._lanes, set()
            try:
                self._launch(lanes)
            except Exception as error:
                log.exception("a bell was not rung; the sweep will", lanes=sorted(lanes), error=str(error))
