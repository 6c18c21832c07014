"""Events from Ceilometer's own event API (service type ``metering``).

Ceilometer answers with the earliest events from a moment on, that moment included, and cannot be asked for
what lies behind an event. Reading does not stall all the same (spec capture 1.8, 9 B3):

* A page that was not cut has everything: the walk is over.
* A page that was cut and ends on a later moment than it began with has everything before that moment. The
  next one begins there, so each such step goes forward in time.
* A page that was cut and has one moment only is asked for again with twice the limit, up to
  ``LARGEST_PAGE``. A larger page either ends on a later moment, or is not cut, or is larger still.

So there are finitely many requests between two steps forward. Where the last step is not possible, because
the limit has no effect or does not suffice, the monitor fails and says so at every poll: nothing is passed
over, and nothing is waited for in silence.

A page was cut where it has as many events as were asked for. It may also have been cut by a limit of the
service or of a proxy, where it is as large as any that was ever had. If such a page has one moment only,
the beginning of history is asked for with a limit that is one larger: if that gives more, the page was not
cut; if it gives other events and still no more, it was. With nothing in the whole history but the page
itself nobody can tell: it counts as cut if it has at least the services' own default of events and asking
for more has had no effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tasks.model.errors import ProviderDown
from tasks.providers.openstack.event_api import EventApiMonitor, Page, since
from tasks.providers.openstack.event_walk import REMEMBERED_TOGETHER, Sighting

#: So many events are asked for at once at the most, where they all have one moment.
LARGEST_PAGE = REMEMBERED_TOGETHER
#: What Ceilometer gives to a request without a limit; none is known to cut answers below that.
DEFAULT_PAGE = 100


class CeilometerMonitor(EventApiMonitor):
    """Reads Ceilometer by moments.

    Ceilometer takes ``all_tenants`` for a field of the events and finds none (spec capture 9 A7): an
    administrator sees everything without it.
    """

    name: ClassVar[str] = "ceilometer"
    priority: ClassVar[int] = 1
    service: ClassVar[str] = "metering"

    def _pages(self) -> Iterator[Page]:
        walk, limit = self._walk, self._options.page_limit
        smaller = 0
        while True:
            begin = walk.since()
            page = self._page(begin, limit)
            final = walk.is_whole(len(page), limit)
            yield page, final
            if final:
                return
            if page[-1].generated > (begin or ""):
                limit, smaller = self._options.page_limit, 0
            elif len(page) >= limit:
                limit, smaller = self._more(page, limit), limit
            else:
                self._check_uncut(page, refused=len(page) == smaller)
                return

    def _page(self, begin: str | None, limit: int) -> list[Sighting]:
        return sorted(self._get(since(begin), limit), key=lambda sighting: sighting.generated)

    def _more(self, page: list[Sighting], limit: int) -> int:
        if limit >= LARGEST_PAGE:
            raise self._stuck(page)
        return min(limit * 2, LARGEST_PAGE)

    def _check_uncut(self, page: list[Sighting], *, refused: bool) -> None:
        """Raise ``ProviderDown`` where a page of one moment was cut though more was asked for."""
        if len(page) < 2:
            return
        history = self._page(None, len(page) + 1)
        self._walk.measure(len(history))
        if len(history) > len(page):
            return
        known = {sighting.message_id for sighting in page}
        others = any(sighting.message_id not in known for sighting in history)
        if others or (refused and len(page) >= DEFAULT_PAGE):
            raise self._stuck(page)

    def _stuck(self, page: list[Sighting]) -> ProviderDown:
        return ProviderDown(
            f"{self._provider.name}: Ceilometer gives {len(page)} events of the moment {page[-1].generated} and no "
            "more in one answer; if there are others, they cannot be asked for. Raise the limit for one answer in the "
            "service or in the proxy before it, or use the notification bus (monitor: amqp). Nothing was passed over"
        )
