"""What one channel of the bus has delivered, and what of it is not acknowledged yet."""

from __future__ import annotations

from typing import Any


class Intake:
    """A consumer on a channel of its own.

    Works below kombu's own messages, which would decompress any body whose headers call it compressed.
    """

    def __init__(self, channel: Any, queue: str, prefetch: int) -> None:
        self.arrived: list[Any] = []
        self._channel = channel
        self._open: dict[int, int] = {}
        channel.basic_qos(0, prefetch, False)
        channel.basic_consume(queue, no_ack=False, callback=self.arrived.append)

    def take(self, limit: int) -> list[Any]:
        """The oldest messages that arrived, as one batch that is open until it is acknowledged."""
        taken = self.arrived[:limit]
        del self.arrived[:limit]
        if taken:
            self._open[taken[0].delivery_tag] = taken[-1].delivery_tag
        return taken

    def is_open(self, first: int) -> bool:
        """Whether the batch that begins with this delivery tag is not acknowledged yet."""
        return first in self._open

    def ack(self, first: int) -> None:
        """Take the batch that begins with this delivery tag off the queue, and nothing else."""
        # "Multiple" reaches back to the first message: only right while nothing older is open.
        oldest = next(iter(self._open)) == first
        last = self._open.pop(first)
        for tag in (last,) if oldest else range(first, last + 1):
            self._channel.basic_ack(tag, multiple=oldest)

    def give_back(self) -> None:
        """Give back all that is open. Only a closed channel makes the broker deliver in the old order."""
        self._open.clear()
        self._channel.close()
