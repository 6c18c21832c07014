"""Whether a monitor gets on: one that hands over the same again and again must not keep a worker busy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.model.errors import BadMonitor
from tasks.providers.contracts import Batch

#: So many batches in a row may bring nothing new and leave the cursor where it was.
STANDSTILL = 20


class Progress:
    """Follows the batches of one catch of a provider."""

    def __init__(self, provider: str, cursor: Mapping[str, Any] | None) -> None:
        self._provider = provider
        self._cursor = cursor
        self._idle = 0

    def made(self, batch: Batch, stored: int) -> bool:
        """Whether a batch with so many new events moved anything. Raises :class:`BadMonitor` at a standstill."""
        moved = stored > 0 or (batch.cursor is not None and batch.cursor != self._cursor)
        self._cursor = batch.cursor or self._cursor
        self._idle = 0 if moved else self._idle + 1
        if self._idle >= STANDSTILL:
            raise BadMonitor(
                f"{self._provider}: the monitor handed over {self._idle} batches in a row that bring nothing new and "
                "do not move its position: it must end where nothing more is there"
            )
        return moved
