"""Back-pressure: a catcher waits while the ledger is behind, and what is not caught stays with the source."""

from __future__ import annotations

import time

import structlog
from sqlalchemy import text

from tasks.conveyor.installation import Installation
from tasks.conveyor.sweep import mark
from tasks.model import clock

log = structlog.get_logger(__name__)

#: How often the ledger is asked, in seconds.
LOOK_SECONDS = 1.0
#: The mark that says, with its moment, that a catcher was held back.
MARK = "held back"


class Pressure:
    """Whether the ledger is behind: more than ``catch.backlog`` events wait in it."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._looked = float("-inf")
        self._high = False

    def high(self) -> bool:
        """Whether to hold back. Asks the ledger once a second at the most."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return self._high
        before, self._high = self._high, self._behind()
        self._looked = time.monotonic()
        if self._high:
            self._note()
        if self._high != before:
            log.warning("the ledger is behind; catching waits" if self._high else "the ledger has caught up")
        return self._high

    def _behind(self) -> bool:
        limit = self._installation.site.settings.catch.backlog
        with self._installation.ledger.reading() as session:
            # Counted no further than the limit: the cost does not grow with the backlog.
            counted = "SELECT count(*) FROM (SELECT 1 FROM place LIMIT :limit) AS waiting"
            return int(session.scalar(text(counted), {"limit": limit + 1}) or 0) > limit

    def _note(self) -> None:
        limit = self._installation.site.settings.catch.backlog
        with self._installation.ledger.transaction() as session:
            mark(session, MARK, clock.now(), f"more than {limit} events wait (catch.backlog)")
