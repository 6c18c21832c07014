"""Which flavor a server has: newer nova sends its figures and name, older nova its id alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tasks.providers.openstack import attributes
from tasks.providers.openstack.failures import NotAllowed

#: Seconds that the list of flavors is used before it is read again.
FRESH_SECONDS = 300.0
#: Seconds between two readings that an unknown flavor may cause.
AGAIN_SECONDS = 10.0

_FIGURES = ("vcpus", "memory_mb", "disk_gb")


class FlavorBook:
    """The cloud's flavors by id and by name, read when they are needed. Threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, dict[str, Any]] = {}
        self._by_name: dict[str, dict[str, Any]] = {}
        self._read_at = -FRESH_SECONDS

    def complete(self, server: Mapping[str, Any], read: Callable[[], Iterator[Any]]) -> dict[str, Any]:
        """A server's attributes with its flavor's id, name and figures.

        ``read`` lists the flavors. A flavor that was deleted, or that the user may not see, leaves the
        fields as they are: a server is worth having without them. Raises what ``read`` raises otherwise.
        """
        found = self._find(server)
        wait = FRESH_SECONDS if found else AGAIN_SECONDS
        if time.monotonic() - self._read_at > wait:
            self._learn(read)
            found = self._find(server)
        return {**server, **found} if found else dict(server)

    def _find(self, server: Mapping[str, Any]) -> dict[str, Any] | None:
        if server["flavor_id"] is not None:
            return self._by_id.get(server["flavor_id"])
        found = self._by_name.get(server["flavor_name"])
        # A name may have been given again to another flavor since the server was made.
        if found is not None and all(found[figure] == server[figure] for figure in _FIGURES):
            return found
        return None

    def _learn(self, read: Callable[[], Iterator[Any]]) -> None:
        with self._lock:
            if time.monotonic() - self._read_at <= AGAIN_SECONDS:
                return
            by_id: dict[str, dict[str, Any]] = {}
            try:
                for flavor in read():
                    kept = attributes.flavor(flavor)
                    key, name = attributes.text(flavor.id), attributes.text(flavor.name)
                    if key and name:
                        by_id[key] = {"flavor_id": key, "flavor_name": name} | {f: kept[f] for f in _FIGURES}
            except NotAllowed:
                by_id = self._by_id
            self._by_id, self._by_name = by_id, {entry["flavor_name"]: entry for entry in by_id.values()}
            self._read_at = time.monotonic()
