"""Faults on demand: what the next answers of the cloud shall be instead of the right ones."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

Kind = Literal["status", "slow", "truncate", "reset", "lose", "garbage"]


@dataclass(slots=True)
class Fault:
    """One fault: ``times`` answers to paths that contain ``path`` are spoilt.

    ``status`` answers with ``status`` and ``headers``; ``slow`` waits ``seconds`` first and then answers
    rightly; ``truncate`` promises the whole body and sends half; ``reset`` closes without an answer;
    ``lose`` does what was asked and then closes without an answer; ``garbage`` sends something that is no JSON.
    """

    kind: Kind
    times: int = 1
    path: str = ""
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0


class Faults:
    """The faults that wait for their turn, oldest first. Safe to be set while the cloud answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def answer(self, status: int, *, times: int = 1, path: str = "", retry_after: str | None = None) -> None:
        """The next answers have this status, with ``Retry-After`` where it is given."""
        headers = (("Retry-After", retry_after),) if retry_after is not None else ()
        self.add(Fault("status", times, path, status, headers))

    def slow(self, seconds: float, *, times: int = 1, path: str = "") -> None:
        """The next answers come late."""
        self.add(Fault("slow", times, path, seconds=seconds))

    def truncate(self, *, times: int = 1, path: str = "") -> None:
        """The next answers end in their middle."""
        self.add(Fault("truncate", times, path))

    def reset(self, *, times: int = 1, path: str = "") -> None:
        """The next requests get no answer: the connection is closed."""
        self.add(Fault("reset", times, path))

    def lose(self, *, times: int = 1, path: str = "") -> None:
        """The next requests are carried out, and nobody hears of it: the connection is closed."""
        self.add(Fault("lose", times, path))

    def garbage(self, *, times: int = 1, path: str = "") -> None:
        """The next answers are no JSON."""
        self.add(Fault("garbage", times, path))

    def add(self, fault: Fault) -> None:
        """Put a fault at the end of the line."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._waiting.clear()

    def take(self, path: str) -> Fault | None:
        """The fault for a request to this path, or None; counts it as used."""
        with self._lock:
            for fault in self._waiting:
                if fault.path in path:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                    return fault
        return None
