"""How much each token may push. Kept in memory: each web process counts for itself."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

#: Tokens that are remembered; the longest unseen one is forgotten first.
TOKENS = 10_000


@dataclass(slots=True)
class Flow:
    """Lets ``per_second`` notifications through on average, and ``burst`` at once after a pause.

    A push that is larger than what is left is let through and owed for, so that none is too large for ever.
    """

    per_second: float
    burst: int
    clock: Callable[[], float] = monotonic
    _left: OrderedDict[int, tuple[float, float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, token_id: int) -> float:
        """Let one notification of a token through and answer 0, or say in how many seconds it may come again."""
        with self._lock:
            left = self._now_left(token_id)
            if left <= 0:
                return (1 - left) / self.per_second
            self._set(token_id, left - 1)
        return 0.0

    def owe(self, token_id: int, notifications: int) -> None:
        """Count the other notifications of a push that was let through."""
        with self._lock:
            self._set(token_id, self._now_left(token_id) - notifications)

    def _set(self, token_id: int, left: float) -> None:
        self._left[token_id] = (left, self.clock())
        self._left.move_to_end(token_id)
        while len(self._left) > TOKENS:
            self._left.popitem(last=False)

    def _now_left(self, token_id: int) -> float:
        left, since = self._left.get(token_id, (float(self.burst), 0.0))
        return min(float(self.burst), left + (self.clock() - since) * self.per_second)
