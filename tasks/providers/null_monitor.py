"""The monitor of a provider from which no events are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tasks.providers.contracts import Availability, Batch, ProviderConfig


class NullMonitor:
    """Reads nothing. Chosen by ``monitor: none`` and never by ``auto``."""

    name: ClassVar[str] = "none"
    priority: ClassVar[int] = -1
    push: ClassVar[bool] = False

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        """Always: there is nothing to reach."""
        return Availability(True, "no events are read: the provider's monitor is none")

    def start(self, cursor: dict[str, Any] | None) -> None:
        """Nothing to connect to."""

    def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
        """No batch."""
        yield from ()

    def stop(self) -> None:
        """Nothing to close."""
