"""The event API that Ceilometer and Panko share: requests, answers, and batches with their cursor.

How pages follow each other, and why that cannot stall, is said by the two services' own modules; what is
kept between two polls, by :mod:`tasks.providers.openstack.event_walk`.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from tasks.model import clock
from tasks.model.errors import Absent, CatchmentError, ProviderDown
from tasks.model.event import Notification
from tasks.providers.contracts import Availability, Batch, ProviderConfig
from tasks.providers.openstack.event_walk import Sighting, Walk, as_text
from tasks.providers.openstack.failures import map_errors
from tasks.providers.openstack.session import endpoint_filter

#: Seconds that the service has to say whether it is there.
ASK_SECONDS = 10.0

#: A condition on events: field, operator, value.
Condition = tuple[str, str, str]
#: Events in the order in which the service is walked through, and whether nothing lies behind them.
Page = tuple[list[Sighting], bool]


class EventApiMonitor(ABC):
    """Polls one of the two services; the subclasses say which, and how it pages."""

    name: ClassVar[str]
    priority: ClassVar[int]
    push: ClassVar[bool] = False
    #: The service type in the catalogue.
    service: ClassVar[str]

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider
        self._options = provider.options
        self._walk = Walk(self._options.event_backread_seconds)
        self._unsaved = False
        self._stopping = False

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        """Ask for one event. Any refusal is a reason, and none is raised."""
        try:
            cls(provider)._get([], 1, timeout=ASK_SECONDS)
        except Absent as error:
            return Availability(False, str(error), absent=True)
        except CatchmentError as error:
            return Availability(False, str(error))
        except Exception as error:  # noqa: BLE001 - the contract: it never raises
            return Availability(False, f"asking {cls.name} failed: {type(error).__name__}: {error}")
        return Availability(True)

    def start(self, cursor: dict[str, Any] | None) -> None:
        """Go to the cursor; at the very first, to now or to the beginning of history (spec capture 9 A4)."""
        self._stopping = False
        self._walk = Walk.of(cursor, self._options.event_backread_seconds)
        self._unsaved = cursor is None and self._options.event_skip_history
        if self._unsaved:
            self._walk.floor = as_text(clock.now())

    @classmethod
    def cursor_from(cls, moment: datetime) -> dict[str, Any]:
        """Where to read on for all that happened from a moment on."""
        return {"floor": as_text(moment)}

    @classmethod
    def is_past(cls, cursor: Mapping[str, Any] | None, moment: datetime) -> bool:
        """Whether all that happened before a moment lies before a cursor."""
        return str((cursor or {}).get("generated") or "") > as_text(moment)

    def stop(self) -> None:
        """End after the page that is being read. The provider's session stays: others use it as well."""
        self._stopping = True

    def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
        """Everything behind the cursor, page by page. ``wait`` is not used: an event API answers at once.

        A batch may be empty where only the cursor has moved. Raises ``ProviderDown``, ``SignedOut`` or, where
        the service asks for a pause, ``Transient``.
        """
        if self._unsaved:
            # Unless this moment is kept, the next poll begins at a later one and leaves out what was between.
            yield Batch([], self._walk.cursor(), more=True)
            self._unsaved = False
        resumed = self._walk.at is not None
        for sightings, final in self._pages():
            for start in range(0, len(sightings), limit):
                if self._stopping:
                    return
                part = sightings[start : start + limit]
                fresh = self._walk.fresh(part)
                self._walk.pass_by(part)
                last = final and start + limit >= len(sightings)
                if last:
                    self._walk.finish()
                if fresh:
                    resumed = not last
                    yield Batch(self._handed_over(fresh), self._walk.cursor(), more=not last)
            if self._stopping:
                return
        self._walk.finish()
        if resumed:
            yield Batch([], self._walk.cursor())

    @abstractmethod
    def _pages(self) -> Iterator[Page]:
        """Pages from ``self._walk`` on. The walk has moved behind a page when the next one is asked for."""

    def _handed_over(self, sightings: Sequence[Sighting]) -> list[Notification]:
        return [Notification(sighting.event, f"{self.name} event API") for sighting in sightings]

    def _get(
        self,
        conditions: Sequence[Condition],
        limit: int,
        paging: Sequence[tuple[str, str]] = (),
        timeout: float | None = None,
    ) -> list[Sighting]:
        """One request for events, in the service's order."""
        parameters = [
            pair
            for field, operator, value in conditions
            for pair in (("q.field", field), ("q.op", operator), ("q.value", value))
        ]
        answer = self._ask("/v2/events", [*parameters, ("limit", str(limit)), *paging], timeout)
        if not isinstance(answer, list):
            raise ProviderDown(
                f"{self._provider.name}: {self.service} answers with something that is no list of events. "
                "Check that its address in the catalogue leads to the service."
            )
        return sightings_of(answer)

    def _ask(self, path: str, parameters: Sequence[tuple[str, str]], timeout: float | None) -> Any:
        if self._provider.session is None:
            raise Absent(f"{self._provider.name}: the provider names no cloud of clouds.yaml")
        with map_errors(self._provider.name, self.service):
            session = self._provider.session()
            answer = session.get(
                path,
                params=list(parameters),
                endpoint_filter=endpoint_filter(session, self.service),
                headers={"Accept": "application/json"},
                log=False,
                **({} if timeout is None else {"timeout": timeout}),
            )
            return json.loads(answer.content)


def since(moment: str | None) -> list[Condition]:
    """The condition for events from a moment on, that moment included."""
    return [("start_timestamp", "ge", moment)] if moment else []


def sightings_of(answer: Sequence[Any]) -> list[Sighting]:
    """Events with their moments and ids.

    One that names no id, or no moment that can be read, is handed over all the same, beside its neighbour:
    it is for the converter to refuse it, and no reason to read nothing more. Where no event of the answer
    names a moment, it is empty.
    """
    moments = [_moment_of(event) for event in answer]
    moment = next(filter(None, moments), "")
    found: list[Sighting] = []
    for event, own in zip(answer, moments, strict=True):
        moment = own or moment
        found.append(Sighting(moment, _id_of(event), event if isinstance(event, dict) else json.dumps(event)))
    return found


def _moment_of(event: Any) -> str:
    try:
        return as_text(clock.parse_utc(str(event["generated"])))
    except (LookupError, TypeError, ValueError, OverflowError):
        return ""


def _id_of(event: Any) -> str:
    """The event's id, or a digest of it where it has none that a cursor can keep."""
    message_id = event.get("message_id") if isinstance(event, dict) else None
    if isinstance(message_id, str) and 0 < len(message_id) <= 255 and message_id.isprintable():
        return message_id
    return hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()
