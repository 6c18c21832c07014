"""Events from Ceilometer's own event API (service type ``metering``).

Ceilometer answers with the earliest events from a moment on, that moment included, and has no way to ask
for what lies behind an event. Reading cannot stall all the same (spec capture 1.8, B3): each page either
has something new; or is short, and everything is read; or ends on a later moment, where the next begins;
or is a full page of known events that all have the moment it was asked from. Only then is more asked for
at once, and if the service gives no more, that moment is read type by type. A moment that even this cannot
read is reported as a failure that names it: nothing is passed over and nothing is waited on in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

from tasks.model import clock
from tasks.model.errors import ProviderDown
from tasks.providers.openstack.event_api import EventApiMonitor, Query, as_text

#: So many events are asked for at once at the most, where they all have one moment.
LARGEST_PAGE = 12_800


class CeilometerMonitor(EventApiMonitor):
    """Ceilometer answers with nothing to a query for all tenants, so it is not asked that way (spec capture 1.5)."""

    name: ClassVar[str] = "ceilometer"
    priority: ClassVar[int] = 1
    service: ClassVar[str] = "metering"

    def _pages(self, since: str | None) -> Iterator[list[dict[str, Any]]]:
        size, walked = self._options.page, set[str]()
        while not self._stopped:
            page = self._get(_from(since), size)
            fresh = [e for e in page if str(e["message_id"]) not in walked]
            walked.update(str(e["message_id"]) for e in page)
            if fresh:
                yield page
                size = self._options.page
            if not page or (not fresh and len(page) < size):
                return
            if fresh or str(page[-1]["generated"]) != since:
                since = str(page[-1]["generated"])
            elif size < LARGEST_PAGE and len(page) >= size:
                size *= 2
                larger = self._get(_from(since), size)
                if len(larger) <= len(page):
                    yield self._type_by_type(str(since))
                    since, size = _next_moment(str(since)), self._options.page
            else:
                raise ProviderDown(self._stuck(str(since), len(page)))

    def _type_by_type(self, moment: str) -> list[dict[str, Any]]:
        """All events of one moment, asked for by each type that the service knows."""
        found: list[dict[str, Any]] = []
        types = self._ask("/v2/event_types")
        for event_type in types if isinstance(types, list) else []:
            page = self._get([*_from(moment), ("event_type", "eq", str(event_type))], self._options.page)
            here = [e for e in page if str(e["generated"]) == moment]
            if len(here) == len(page) >= self._options.page:
                raise ProviderDown(self._stuck(moment, len(page)))
            found += here
        return found

    def _stuck(self, moment: str, number: int) -> str:
        return (
            f"{self._provider.name}: Ceilometer gives at most {number} events of the moment {moment} and may have more. "
            "Raise its limit for one answer, or use the notification bus (monitor: amqp). Nothing was passed over"
        )


def _from(since: str | None) -> Query:
    return [("start_timestamp", "ge", since)] if since else []


def _next_moment(moment: str) -> str:
    return as_text(clock.parse_utc(moment) + timedelta(microseconds=1))
