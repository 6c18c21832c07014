"""How fast one address may try to sign in. Kept in memory: each web process counts for itself."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

#: Failed sign-ins that one address has within :data:`WINDOW_SECONDS`.
FAILURES = 10
WINDOW_SECONDS = 300.0
#: Addresses that are remembered; the longest unseen one is forgotten first.
ADDRESSES = 10_000


@dataclass(slots=True)
class Pace:
    """Slows down who guesses tokens. ``pause_seconds`` passes on each try, good or bad."""

    pause_seconds: float = 0.3
    clock: Callable[[], float] = monotonic
    _failed: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0 where it may now."""
        failures = self._failed.get(address)
        if not failures:
            return 0.0
        since = self.clock() - WINDOW_SECONDS
        while failures and failures[0] <= since:
            failures.popleft()
        return failures[0] - since if len(failures) >= FAILURES else 0.0

    def failed(self, address: str) -> None:
        """Count a failed try."""
        self._failed.setdefault(address, deque(maxlen=FAILURES)).append(self.clock())
        self._failed.move_to_end(address)
        while len(self._failed) > ADDRESSES:
            self._failed.popitem(last=False)
