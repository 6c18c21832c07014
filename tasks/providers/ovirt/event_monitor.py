"""The monitor of an engine's event log (spec capture 1.9 and 6): by number, with a cursor that is kept.

What was read, and how it is known, is said by :mod:`tasks.providers.ovirt.event_walk`; what becomes of a log that
is not the one that was read, by :mod:`tasks.providers.ovirt.survey`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from tasks.model.errors import CatchmentError, ProviderDown
from tasks.model.event import Notification
from tasks.providers.contracts import Availability, Batch, ProviderConfig
from tasks.providers.ovirt.engine import Engine, engine_of
from tasks.providers.ovirt.event_walk import Row, Walk
from tasks.providers.ovirt.events import moment_of, number_of
from tasks.providers.ovirt.failures import NotAnEngine
from tasks.providers.ovirt.options import OvirtOptions
from tasks.providers.ovirt.survey import survey

#: Seconds that the engine has to say whether it is there.
ASK_SECONDS = 8.0
EVENTS = "/events"
#: Oldest first: the engine can sort by time alone, and gives the newest ones where it is not told to sort.
_OLDEST_FIRST = "sortby time asc page {page}"


class EventLogMonitor:
    """Polls the engine for the events behind the cursor."""

    name: ClassVar[str] = "events"
    priority: ClassVar[int] = 1
    push: ClassVar[bool] = False

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider
        self._options: OvirtOptions = provider.options
        self._walk = Walk()
        self._first = False
        self._stopping = False

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        """Sign in and ask for one event. Any refusal is a reason, and none is raised."""
        try:
            cls(provider)._ask(engine_of(provider, ASK_SECONDS), {"max": 1})
        except CatchmentError as error:
            return Availability(False, str(error))
        except Exception as error:  # noqa: BLE001 - the contract: it never raises
            return Availability(False, f"asking the engine failed: {type(error).__name__}: {error}")
        return Availability(True)

    def start(self, cursor: dict[str, Any] | None) -> None:
        """Go to the cursor. Nothing is asked yet."""
        self._stopping = False
        self._first = cursor is None
        self._walk = Walk() if cursor is None else Walk.of(cursor)

    def stop(self) -> None:
        """End after the page that is being read. The engine's connections stay: others use them as well."""
        self._stopping = True

    def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
        """Everything behind the cursor, page by page. ``wait`` is not used: the engine answers at once.

        A batch may be empty where only the cursor has moved. Raises ``ProviderDown``, ``SignedOut`` or, where
        the engine asks for a pause or refuses a request, ``Transient``.
        """
        engine = engine_of(self._provider)
        if self._first and self._options.event_skip_history:
            for row in self._ask(engine, {"max": 1}):
                self._walk.pass_by([row])
                self._walk.go_to(row.number or 0, row.time)
            # Unless this place is kept, the next poll begins at a later one and leaves out what was between.
            yield Batch([], self._walk.cursor(), more=True)
        self._first = False
        kept = self._walk.cursor()
        for batch in self._read(engine, limit):
            kept = batch.cursor or kept
            yield batch
            if self._stopping:
                return
        if not self._stopping and self._walk.cursor() != kept:
            yield Batch([], self._walk.cursor())

    def _read(self, engine: Engine, limit: int) -> Iterator[Batch]:
        walk, size = self._walk, self._options.page_limit
        rows = self._resumed(engine)
        if rows is None:
            walk.begin()
            rows = self._page(engine)
            told = survey(self._provider.name, walk, rows, lambda number: self._ask(engine, {"max": number}), size)
            if told is not None:
                yield Batch(told, walk.cursor(), more=True)
                walk.begin()
                rows = self._page(engine)
        while not self._stopping:
            final, fresh = len(rows) < size, walk.fresh(rows)
            for start in range(0, max(len(fresh), 1), limit):
                part = fresh[start : start + limit]
                last = start + limit >= len(fresh)
                walk.pass_by(part)
                if last:
                    walk.turn(final, self._options.event_late_seconds)
                if part:
                    yield Batch(self._handed_over(part), walk.cursor(), more=not (last and final))
                if self._stopping:
                    return
            if final:
                return
            rows = self._page(engine, before=rows)

    def _resumed(self, engine: Engine) -> list[Row] | None:
        """The page before the one at which a walk was left; None where no walk was, or its place is not found again.

        Events that the engine removes meanwhile move all others forward: a page of known ones says that none did.
        """
        walk = self._walk
        if walk.base is None or walk.page < 2:
            return None
        walk.page -= 1
        rows = self._page(engine)
        return rows if any(row.number is not None and walk.knows(row.number) for row in rows) else None

    def _page(self, engine: Engine, before: Sequence[Row] = ()) -> list[Row]:
        """The walk's present page. Raises ``ProviderDown`` where it is the one that came before."""
        walk = self._walk
        search = _OLDEST_FIRST.format(page=walk.page)
        rows = self._ask(engine, {"from": walk.base or 0, "max": self._options.page_limit, "search": search})
        if before and [row.number for row in rows] == [row.number for row in before]:
            raise ProviderDown(
                f"{self._provider.name}: the engine gives the same page of events again and again. "
                "Check that nothing between the engine and here leaves out parts of addresses."
            )
        return rows

    def _ask(self, engine: Engine, params: dict[str, str | int]) -> list[Row]:
        answer = engine.get(EVENTS, params)
        listed = answer.get("event", None if answer else [])
        if not isinstance(listed, list):
            raise NotAnEngine(
                f"{self._provider.name}: the engine answers with something that is no list of events. "
                "Check that url leads to an engine of version 4."
            )
        return [
            Row(number_of(each), moment_of(each.get("time")) if isinstance(each, dict) else None, each)
            for each in listed
        ]

    def _handed_over(self, rows: Sequence[Row]) -> list[Notification]:
        return [
            Notification(row.event if isinstance(row.event, dict) else json.dumps(row.event), "event log of the engine")
            for row in rows
        ]
