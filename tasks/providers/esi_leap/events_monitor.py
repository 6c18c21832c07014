"""ESI Leap's own event history: everything behind the highest id, and an overlap for ids that came late.

The service answers in no order and with no limit, and with several writers an id may become visible after a higher
one (spec esi 3). So each poll asks from ``event_overlap`` ids below the highest one that was handed over, sorts
what comes, and leaves out the ids that were handed over already. The cursor has:

``id``
    The highest id that was handed over; never the last one of an answer.
``seen``
    The ids from the overlap on that were handed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from tasks.model.errors import CatchmentError
from tasks.model.event import Notification
from tasks.providers.contracts import Availability, Batch, ProviderConfig
from tasks.providers.esi_leap.service import LeapService

#: Seconds that the service has to say whether it is there.
ASK_SECONDS = 10.0
#: Behind this id there is nothing: asking costs the service no answer. Beyond 64 bits it would fail.
_FAR = 2**31 - 1
ROAD = "esi_leap event history"


class EventsMonitor:
    """Polls ``GET /v1/events``."""

    name: ClassVar[str] = "events"
    priority: ClassVar[int] = 1
    push: ClassVar[bool] = False

    def __init__(self, provider: ProviderConfig) -> None:
        self._service = LeapService(provider)
        self._overlap: int = provider.options.event_overlap
        self._skip: bool = provider.options.event_skip_history
        self._top = 0
        self._seen: set[int] = set()
        self._fresh_start = False
        self._stopping = False

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        """Ask for what cannot be there yet. Any refusal is a reason, and none is raised."""
        try:
            cls(provider)._rows(_FAR, timeout=ASK_SECONDS)
        except CatchmentError as error:
            return Availability(False, str(error))
        except Exception as error:  # noqa: BLE001 - the contract: it never raises
            return Availability(False, f"asking {cls.name} failed: {type(error).__name__}: {error}")
        return Availability(True)

    def start(self, cursor: dict[str, Any] | None) -> None:
        """Go to the cursor; at the very first, to the beginning of history or, if it is to be skipped, to its end."""
        self._stopping = False
        self._fresh_start = cursor is None and self._skip
        stored = cursor or {}
        self._top = int(stored.get("id") or 0)
        self._seen = {int(number) for number in stored.get("seen") or ()}

    def stop(self) -> None:
        """End after the answer that is being read. The provider's session stays: others use it as well."""
        self._stopping = True

    def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
        """Everything behind the cursor, in the order of ids. ``wait`` is not used: the service answers at once.

        Raises ``ProviderDown``, ``SignedOut`` or, where the service asks for a pause, ``Transient``.
        """
        if self._fresh_start:
            self._pass_by(number for number, _ in self._numbered(0))
            self._fresh_start = False
            yield Batch([], self._cursor())
        fresh = [(n, row) for n, row in self._numbered(max(self._top - self._overlap, 0)) if n not in self._seen]
        for begin in range(0, len(fresh), limit):
            if self._stopping:
                return
            part = fresh[begin : begin + limit]
            self._pass_by(number for number, _ in part)
            notifications = [Notification(row, ROAD) for _, row in part]
            yield Batch(notifications, self._cursor(), more=begin + limit < len(fresh))

    def _pass_by(self, numbers: Iterator[int]) -> None:
        self._seen.update(numbers)
        self._top = max(self._top, *self._seen, 0)
        lowest = self._top - self._overlap
        # Zero stands for rows without an id, which the ledger tells apart by what they say.
        self._seen = {number for number in self._seen if number > max(lowest, 0)}

    def _cursor(self) -> dict[str, Any]:
        return {"id": self._top, "seen": sorted(self._seen)}

    def _numbered(self, behind: int) -> list[tuple[int, dict[str, Any] | str]]:
        """The rows behind an id, in the order of their ids.

        What names no id is handed over all the same, beside its neighbour: it is for the ledger to keep and for the
        converter to refuse, and its content tells it apart.
        """
        found: list[tuple[int, dict[str, Any] | str]] = []
        for row in self._rows(behind):
            number = row.get("id") if isinstance(row, dict) else None
            known = isinstance(number, int) and not isinstance(number, bool)
            kept = row if isinstance(row, dict) else json.dumps(row)
            found.append((number if known and number is not None else 0, kept))
        return sorted(found, key=lambda pair: pair[0])

    def _rows(self, behind: int, timeout: float | None = None) -> list[Any]:
        return self._service.listed("/events", "events", [("last_event_id", str(behind))], timeout=timeout)
