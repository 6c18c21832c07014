"""Reading everything, or all of a kind: page by page, and nothing of it is ever held as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL
from tasks.ledger.providers import Provider
from tasks.model import clock
from tasks.model.errors import Absent, LeaseLost, Permanent
from tasks.providers.contracts import InventoryReader, Reading
from tasks.refresh import covered, pacing, targets
from tasks.refresh.apply import absent, apply
from tasks.refresh.raised import raise_changes
from tasks.refresh.related import follow
from tasks.refresh.seen import Change, Seen
from tasks.refresh.targets import Taken

log = structlog.get_logger(__name__)

#: Objects applied in one transaction.
PAGE = 200

#: Called after a commit with the lanes that have raised events.
Ring = Callable[[set[int]], None]
#: Called with a kind and how many objects of it were read so far; None where the kind has been read to its end.
Told = Callable[[str, int | None], None]


def quiet(_: str, __: int | None) -> None:
    """Tell nobody how far a list is."""


@dataclass(slots=True)
class ListRead:
    """The reading of one list under a lease: the target, who has it, and who is told of what."""

    installation: Installation
    reader: InventoryReader
    target: Taken
    owner: str
    ring: Ring
    told: Told = quiet

    def run(self) -> bool:
        """Read the list; returns whether the provider became ready for its events by it.

        What was not met is read once more by itself before it counts as gone. What a new provider has is no
        news, and raises nothing. Raises ``LeaseLost`` where somebody else has the target by now, and whatever
        the reader raises; what was read until then stays.
        """
        target, began = self.target, clock.now()
        with self.installation.ledger.reading() as session:
            known = session.get_one(Provider, target.provider_id).ready_at is not None
        if target.ref != FULL and target.ref.id not in self.reader.kinds:
            raise Permanent(f"inventory does not read objects of kind {target.ref.id}")
        try:
            for kind in self.reader.kinds if target.ref == FULL else (target.ref.id,):
                self._kind(kind, known=known)
        finally:
            with self.installation.ledger.transaction() as session:
                covered.uncover(session, target.id, clock.now())
        became = self._settle()
        seconds = round((clock.now() - began).total_seconds(), 1)
        what = "a full refresh is through" if target.ref == FULL else "all of a kind was read"
        log.info(what, provider=target.provider, target=str(target.ref), seconds=seconds)
        return became

    def _kind(self, kind: str, *, known: bool) -> None:
        target, settings, ledger = self.target, self.installation.site.settings.refresh, self.installation.ledger
        asked_at, read = clock.now(), 0
        with ledger.transaction() as session:
            self._renew(session)
            covered.cover(session, target.id, target.provider_id, kind, asked_at, settings)
        try:
            for page in _pages(self.reader.read_all(kind)):
                with ledger.transaction() as session:
                    self._renew(session)
                    lanes = self._page(session, page, asked_at, known=known)
                if lanes:
                    self.ring(lanes)
                read += len(page)
                self.told(kind, read)
                self._pace()
        except Absent as error:
            log.info("a kind is left out: the provider has no such service", kind=kind, reason=str(error))
        else:
            self._absent(kind, asked_at)
        self.told(kind, None)

    def _renew(self, session: Session) -> None:
        settings = self.installation.site.settings.refresh
        if not targets.renew(session, self.owner, [self.target.id], settings, clock.now()):
            raise LeaseLost(f"another worker reads {self.target.ref} of {self.target.provider} by now")

    def _page(self, session: Session, page: list[Reading], asked_at: datetime, *, known: bool) -> set[int]:
        target, settings = self.target, self.installation.site.settings
        wanted_by = covered.met(session, target.id, target.provider_id, [r.ref for r in page], clock.now())
        seen = [Seen(r.ref, r, wanted_by.get(r.ref.id, target.event_id), asked_at) for r in page]
        changed: list[Change] = []
        apply(session, target.provider_id, seen, changed)
        if not known:
            return set()
        follow(session, target.provider_id, changed, self.reader.kinds, clock.now(), settings.refresh)
        return raise_changes(session, settings, target.provider_id, target.provider, changed, clock.now())

    def _absent(self, kind: str, asked_at: datetime) -> None:
        after = ""
        while True:
            with self.installation.ledger.transaction() as session:
                missing = absent(session, self.target.provider_id, kind, asked_at, after, PAGE)
                covered.want_absent(session, self.target.provider_id, missing, self.target.event_id, clock.now())
            if len(missing) < PAGE:
                return
            after = missing[-1].id

    def _pace(self) -> None:
        """Wait until the provider's share has room for one more read."""
        site = self.installation.site
        rate = pacing.rates(site.providers, site.settings.refresh).get(self.target.provider)
        if rate:
            time.sleep(min(1 / rate, site.settings.refresh.lease_seconds / 3))

    def _settle(self) -> bool:
        target, settings = self.target, self.installation.site.settings.refresh
        with self.installation.ledger.transaction() as session:
            if not targets.settle(session, target, self.owner, clock.now(), settings):
                raise LeaseLost(f"another worker reads {target.ref} of {target.provider} by now")
            if target.ref != FULL:
                return False
            new = (Provider.id == target.provider_id, Provider.ready_at.is_(None))
            statement = update(Provider).where(*new).values(ready_at=clock.now()).returning(Provider.id)
            became = session.execute(statement).one_or_none()
            # That events are judged on stubs is over, too.
            session.execute(update(Provider).where(Provider.id == target.provider_id).values(ready_note=None))
        return became is not None


def _pages(readings: Iterator[Reading]) -> Iterator[list[Reading]]:
    while page := list(islice(readings, PAGE)):
        yield page
