"""Events from Panko (service type ``event``).

Panko can be asked for what lies behind an event (a marker), in order of moment and id. Each page begins
behind the last one, whatever their moments, so reading cannot stall; it ends with the page that is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tasks.providers.openstack.event_api import EventApiMonitor, Query

_ORDER = (("sort", "generated:asc"), ("sort", "message_id:asc"))


class PankoMonitor(EventApiMonitor):
    """Panko shows other tenants' events only when it is asked for all of them (spec capture 1.5)."""

    name: ClassVar[str] = "panko"
    priority: ClassVar[int] = 2
    service: ClassVar[str] = "event"

    def _pages(self, since: str | None) -> Iterator[list[dict[str, Any]]]:
        query: Query = [("start_timestamp", "ge", since)] if since else []
        query.append(("all_tenants", "eq", "True"))
        paging = list(_ORDER)
        while not self._stopped:
            page = self._get(query, self._options.page, paging)
            if not page:
                return
            yield page
            paging = [*_ORDER, ("marker", str(page[-1]["message_id"]))]
