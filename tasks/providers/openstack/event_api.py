"""The event API that Ceilometer and Panko share: requests, batches, and the position that is kept.

How the pages follow each other, and why that cannot stall, is said by the two services' own modules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from tasks.model import clock
from tasks.model.errors import CatchmentError, ProviderDown
from tasks.model.event import Notification
from tasks.providers.contracts import Availability, Batch, ProviderConfig
from tasks.providers.openstack.failures import map_errors
from tasks.providers.openstack.session import endpoint_filter

#: Ids of the newest events that the cursor remembers, so that reading them again hands nothing over twice.
REMEMBERED = 2000

Query = list[tuple[str, str, str]]


@dataclass(slots=True)
class Position:
    """How far the event API has been read: the newest moment seen, and the ids around it."""

    generated: str | None
    seen: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: dict[str, Any] | None) -> Position | None:
        """Read a stored cursor."""
        if not cursor:
            return None
        return cls(cursor.get("generated"), dict(cursor.get("seen") or {}))

    def note(self, event: dict[str, Any]) -> None:
        """Take an event in."""
        generated = str(event["generated"])
        self.seen[str(event["message_id"])] = generated
        if self.generated is None or generated > self.generated:
            self.generated = generated

    def cursor(self, backread: float) -> dict[str, Any]:
        """The position as the ledger keeps it: only ids that will be met again."""
        since = self.since(backread)
        kept = {i: g for i, g in self.seen.items() if since is None or g >= since}
        newest = sorted(kept, key=lambda i: kept[i])[-REMEMBERED:]
        self.seen = {i: kept[i] for i in newest}
        return {"generated": self.generated, "seen": self.seen}

    def since(self, backread: float) -> str | None:
        """The moment to ask from: a little before the newest, for events that come late (A5)."""
        if self.generated is None:
            return None
        return as_text(clock.parse_utc(self.generated) - timedelta(seconds=backread))


def as_text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")


class EventApiMonitor(ABC):
    """Polls one of the two services; the subclasses say which and how it pages."""

    name: ClassVar[str]
    priority: ClassVar[int]
    push: ClassVar[bool] = False
    service: ClassVar[str]

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider
        self._options = provider.options
        self._position = Position(None)
        self._stopped = False

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        """Ask for one event. Any refusal is a reason, and none is raised."""
        if provider.session is None:
            return Availability(False, "the provider names no cloud of clouds.yaml")
        try:
            cls(provider)._get([], 1)
        except CatchmentError as error:
            return Availability(False, str(error))
        return Availability(True)

    def start(self, cursor: dict[str, Any] | None) -> None:
        """Go to the cursor; at the very first, to now or to the beginning of history (A4)."""
        self._stopped = False
        stored = Position.of(cursor)
        if stored is not None:
            self._position = stored
        else:
            self._position = Position(as_text(clock.now()) if self._options.event_skip_history else None)

    def stop(self) -> None:
        """End after the page that is being read."""
        self._stopped = True

    def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
        """Everything after the cursor, page by page. ``wait`` is not used: an event API answers at once."""
        backread = self._options.event_backread_seconds
        for page in self._pages(self._position.since(backread)):
            fresh = [e for e in page if str(e["message_id"]) not in self._position.seen]
            for event in page:
                self._position.note(event)
            for start in range(0, len(fresh), limit):
                last = start + limit >= len(fresh)
                yield Batch(
                    [Notification(event, f"{self.name} event API") for event in fresh[start : start + limit]],
                    # The cursor moves with the last part: until then a restart reads the page again.
                    cursor=self._position.cursor(backread) if last else None,
                    more=len(page) >= self._options.page or not last,
                )
            if self._stopped:
                return

    @abstractmethod
    def _pages(self, since: str | None) -> Iterator[list[dict[str, Any]]]:
        """Pages from a moment on (None: from the beginning) until nothing follows."""

    def _get(self, query: Query, size: int, paging: Sequence[tuple[str, str]] = ()) -> list[dict[str, Any]]:
        """One request for events, in order of occurrence. Raises ``ProviderDown``, ``SignedOut`` or ``Transient``."""
        parameters: list[tuple[str, str]] = []
        for name, operator, value in query:
            parameters += [("q.field", name), ("q.op", operator), ("q.value", value)]
        answer = self._ask("/v2/events", [*parameters, ("limit", str(size)), *paging])
        with map_errors(self._provider.name, self.service):
            return self._ordered(answer)

    def _ask(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> Any:
        if self._provider.session is None:
            raise ProviderDown(
                f"{self._provider.name}: the provider names no cloud of clouds.yaml, so its event API is unknown"
            )
        with map_errors(self._provider.name, self.service):
            session = self._provider.session()
            found = endpoint_filter(session, self.service)
            answer = session.get(
                path, params=list(parameters), endpoint_filter=found, headers={"Accept": "application/json"}
            )
            return answer.json()

    def _ordered(self, answer: Any) -> list[dict[str, Any]]:
        """The events of an answer in order of occurrence. Raises ``ValueError`` for an answer that is none."""
        if not isinstance(answer, list):
            raise ValueError("an event API answers with a list")  # noqa: TRY004 - a bad value from outside, mapped by the caller
        for event in answer:
            if not isinstance(event, dict) or not event.get("message_id") or not event.get("generated"):
                raise ValueError("an event names its message_id and generated")
            clock.parse_utc(str(event["generated"]))
        return sorted(answer, key=lambda e: (str(e["generated"]), str(e["message_id"])))
