"""The desk where requests are opened and decided: each move is one transaction, and rings for what it set going."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tasks.conveyor.requesting import Moved, Way
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model import clock
from tasks.model.errors import Refused
from tasks.model.outcome import Petition
from tasks.model.request import TYPES
from tasks.site.settings import Settings

#: What an approval without a person is stamped with.
AUTO = "Auto-Approved"


class Desk:
    """Moves of requests. ``ring`` is called with the lanes that have work, after the commit."""

    def __init__(self, ledger: Ledger, settings: Settings, ring: Callable[[set[int]], None]) -> None:
        self._ledger = ledger
        self._settings = settings
        self._ring = ring

    def open(
        self,
        petition: Petition,
        requester: str,
        tenant_id: str | None = None,
        *,
        due_at: datetime | None = None,
        approver: str | None = None,
    ) -> int:
        """Open a request, and approve it at once in the name of ``approver``, if one is given; returns its id.

        Raises :class:`Refused` for a type that does not exist.
        """
        if petition.request_type not in TYPES:
            raise Refused(f"there is no request type {petition.request_type!r}: use one of {', '.join(sorted(TYPES))}")

        def work(way: Way) -> Moved:
            moved = way.open(petition, requester, tenant_id, due_at=due_at)
            if approver is not None:
                moved.lanes |= way.approve(moved.request_id, approver, AUTO).lanes
            return moved

        return self._do(work)

    def approve(self, request_id: int, who: str, reason: str) -> None:
        """Approve. Raises :class:`Refused`."""
        self._do(lambda way: way.approve(request_id, who, _said(reason)))

    def deny(self, request_id: int, who: str, reason: str) -> None:
        """Deny. Raises :class:`Refused`."""
        self._do(lambda way: way.deny(request_id, who, _said(reason)))

    def cancel(self, request_id: int, who: str) -> None:
        """Cancel. Raises :class:`Refused`."""
        self._do(lambda way: way.cancel(request_id, who))

    def change(self, request_id: int, options: Mapping[str, Any], who: str) -> None:
        """Merge options. Raises :class:`Refused`."""
        self._do(lambda way: way.change(request_id, options, who))

    def _do(self, work: Callable[[Way], Moved]) -> int:
        with self._ledger.transaction() as session:
            count = Count()
            moved = work(Way(session, self._settings, clock.now(), count))
            count.write(session)
        if moved.lanes:
            self._ring(moved.lanes)
        return moved.request_id


def _said(reason: str) -> str:
    if not reason.strip():
        raise Refused("a decision needs a reason")
    return reason.strip()[:1000]
