"""Events from Panko (service type ``event``).

Panko answers in the order of moment and id, and can be asked for what lies behind an event (a marker). Each
page begins behind the last event of the one before, whatever their moments, so reading cannot stall
(spec capture 1.8, 9 B3). It ends with an empty page, or with one that neither Panko's limit nor ours cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from keystoneauth1.exceptions import HttpError

from tasks.model.errors import ProviderDown, Transient
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.event_api import Condition, EventApiMonitor, Page, since
from tasks.providers.openstack.event_walk import Sighting

_ORDER = (("sort", "generated:asc"), ("sort", "message_id:asc"))
#: Without it an administrator gets the own project alone (spec capture 1.5, 9 A7).
_EVERYTHING: Condition = ("all_tenants", "eq", "True")
#: How Panko refuses a marker that it has forgotten: its releases differ.
_MARKER_REFUSED = frozenset({400, 404, 500})


class PankoMonitor(EventApiMonitor):
    """Reads Panko with a marker."""

    name: ClassVar[str] = "panko"
    priority: ClassVar[int] = 2
    service: ClassVar[str] = "event"

    def __init__(self, provider: ProviderConfig) -> None:
        super().__init__(provider)
        self._scope: list[Condition] = [_EVERYTHING]
        self._scope_proven = False

    def _pages(self) -> Iterator[Page]:
        walk, limit = self._walk, self._options.page_limit
        while True:
            marker = walk.marker
            page = self._behind(marker)
            if page and page[-1].message_id == marker:
                raise ProviderDown(
                    f"{self._provider.name}: Panko does not go behind the event {marker}, so nothing after it can be "
                    "read. Check that the proxy before it passes the query on. Nothing was passed over"
                )
            final = walk.is_whole(len(page), limit)
            yield page, final
            if final:
                return

    def _behind(self, marker: str | None) -> list[Sighting]:
        """The events behind the marker, or from the moment of the walk on where there is none."""
        if marker is None:
            return self._in_scope(())
        try:
            return self._in_scope((("marker", marker),))
        except Transient as error:
            cause = error.__cause__
            if not (isinstance(cause, HttpError) and cause.http_status in _MARKER_REFUSED):
                raise
            # Panko deletes what is too old, the marker too. The ids that are known tell the rest apart.
            return self._in_scope(())

    def _in_scope(self, paging: tuple[tuple[str, str], ...]) -> list[Sighting]:
        page = self._read(self._scope, paging)
        if not page and not self._scope_proven and self._scope:
            # To a user without the right to see everything, Panko takes the field for one of the event's own.
            page = self._read([], paging)
            if page:
                self._scope = []
        self._scope_proven = True
        return page

    def _read(self, scope: list[Condition], paging: tuple[tuple[str, str], ...]) -> list[Sighting]:
        return self._get([*since(self._walk.since()), *scope], self._options.page_limit, [*_ORDER, *paging])
