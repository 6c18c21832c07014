"""Store one batch while the next one is read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from tasks.conveyor import failpoints
from tasks.providers.contracts import Batch


class Ahead:
    """Stores batches in a thread of its own, one behind the reader, and acknowledges each after its commit.

    On a failure nothing later is stored: all that is not acknowledged goes back to the source. The block
    ends when the last batch is settled.
    """

    def __init__(self, store: Callable[[Batch], None]) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._before: tuple[Batch, Future[None]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._settle()
        finally:
            self._thread.shutdown()

    def take(self, batch: Batch) -> None:
        """Have a batch stored; returns as soon as the one before it is settled. Raises what storing that one raised."""
        self._settle()
        self._before = batch, self._thread.submit(self._store, batch)

    def _settle(self) -> None:
        if self._before is None:
            return
        (batch, storing), self._before = self._before, None
        try:
            storing.result()
        except BaseException:
            batch.reject()
            raise
        failpoints.reach("catch.before_ack")
        batch.ack()
