"""Polls one HTTP service: page after page, round after round, until it shows nothing new."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tasks.model import clock
from tasks.model.errors import BadPayload, CatchmentError, ProviderDown
from tasks.model.event import Notification
from tasks.providers.contracts import Availability, Batch, ProviderConfig
from tasks.providers.http.client import Client, Forgotten
from tasks.providers.http.converter import HttpConverter
from tasks.providers.http.moments import as_text, write
from tasks.providers.http.options import HttpOptions
from tasks.providers.http.pages import WIDEST, Page, Pages
from tasks.providers.http.walk import REMEMBERED, Row, Walk, later

#: Seconds that the service has to say whether it is there.
ASK_SECONDS = 8.0
#: Events that are held until a walk has ended, to be handed over oldest first.
HELD = 20_000
#: So many events of one position, and no other, look like an answer that was cut where no size is known.
SUSPECT = 20
#: Seconds after which the position is handed over though there is no event to go with it.
KEEP_SECONDS = 10.0


@dataclass(slots=True)
class _Round:
    """What a round has brought so far: events that were not known, the latest position, pages by their prints.

    ``wider`` is how many times as large a page it asks for, ``had`` what the round before it had in one.
    """

    wider: int = 1
    had: int = 0
    fresh: int = 0
    reach: str | None = None
    visited: set[bytes] = field(default_factory=set)


class HttpMonitor:
    """The monitor of the generic provider (:class:`tasks.providers.contracts.Monitor`)."""

    name: ClassVar[str] = "http"
    priority: ClassVar[int] = 1
    push: ClassVar[bool] = False

    def __init__(self, provider: ProviderConfig) -> None:
        self._name = provider.name
        self._options: HttpOptions = provider.options
        self._client = Client(provider)
        self._pages = Pages(provider.name, provider.options, self._client)
        self._walk = Walk(self._options.cursor)
        self._round = _Round()
        self._yielded = 0.0
        self._unsaved = False
        self._stopping = False

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        """Ask for the first page; the reason says too where its first event does not fit the mapping."""
        client = Client(provider, min(ASK_SECONDS, provider.options.timeout_seconds))
        try:
            cursor = provider.options.cursor
            since = write(clock.now(), cursor.format) if cursor.by == "time" else cursor.start
            page = Pages(provider.name, provider.options, client).first(since)
            return Availability(True, _misfit(provider.options, page))
        except CatchmentError as error:
            return Availability(False, str(error))
        except Exception as error:  # noqa: BLE001 - the contract: it never raises
            return Availability(False, f"asking {client.place} failed: {type(error).__name__}")
        finally:
            client.close()

    def start(self, cursor: dict[str, Any] | None) -> None:
        """Go to the cursor; at the very first, to the beginning of history or to now."""
        self._stopping = False
        self._walk = Walk.of(cursor, self._options.cursor)
        self._unsaved = cursor is None and self._options.event_skip_history
        if self._unsaved and self._options.cursor.by == "time":
            self._walk.floor = as_text(clock.now())
        elif self._unsaved:
            self._walk.silent = True

    def stop(self) -> None:
        """End after the page that is being read."""
        self._stopping = True

    def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
        """Everything behind the cursor. ``wait`` is not used: the service answers at once.

        A batch may be empty where only the cursor has moved. Raises ``ProviderDown``, ``SignedOut`` or, where the
        service asks for a pause, ``Transient``.
        """
        try:
            if self._unsaved:
                # Unless this moment is kept, the next poll begins at a later one and leaves out what was between.
                yield Batch([], self._walk.cursor(), more=True)
                self._unsaved = False
            if self._options.paging.order == "newest_first":
                yield from self._oldest_first(limit)
            else:
                yield from self._as_they_come(limit)
        finally:
            self._client.close()

    def _as_they_come(self, limit: int) -> Iterator[Batch]:
        walk = self._walk
        kept = None if walk.under_way else walk.cursor()
        for page in self._read():
            for start in range(0, max(len(page.rows), 1), limit):
                part = page.rows[start : start + limit]
                fresh = self._pass(part)
                last = start + limit >= len(page.rows)
                if last:
                    self._step(page)
                if fresh or self._overdue():
                    kept = walk.cursor()
                    yield Batch(self._handed_over(fresh), kept, more=not last or walk.under_way)
                if self._stopping:
                    return
        if walk.cursor() != kept:
            yield Batch([], walk.cursor())

    def _oldest_first(self, limit: int) -> Iterator[Batch]:
        """Pages go back in time: what they bring is held and handed over from its end."""
        walk, before = self._walk, self._walk.cursor()
        resumed = walk.under_way
        held: list[Row] = []
        for page in self._read():
            held = self._pass(list(reversed(page.rows))) + held
            self._step(page)
            if walk.under_way and (len(held) >= HELD or self._overdue()):
                yield from self._parts(before, held, limit)
                held, before = [], walk.cursor()
            if self._stopping:
                return
        if held or resumed or walk.cursor() != before:
            yield from self._parts(before, held, limit)

    def _parts(self, before: dict[str, Any], rows: Sequence[Row], limit: int) -> Iterator[Batch]:
        """Batches of which only the last moves on: after each other one the walk begins where it did ``before``."""
        known: list[str] = list(before.get("seen", ()))
        starts = range(0, max(len(rows), 1), limit)
        for start in starts:
            part = rows[start : start + limit]
            known += [row.key for row in part]
            last = start == starts[-1]
            cursor = self._walk.cursor() if last else {**before, "seen": known[-REMEMBERED:]}
            try:
                yield Batch(self._handed_over(part), cursor, more=not last or self._walk.under_way)
            except GeneratorExit:
                # What is held still goes with this call: the next one begins behind what was taken.
                self._walk = Walk.of(cursor, self._options.cursor)
                raise

    def _read(self) -> Iterator[Page]:
        """The pages of the walk, from where it stands on."""
        walk, resumed = self._walk, self._walk.place is not None
        self._round = _Round()
        self._yielded = time.monotonic()
        walk.begin()
        while walk.under_way and not self._stopping:
            try:
                page = self._pages.at(walk, self._round.wider)
            except Forgotten:
                if not resumed:
                    raise
                walk.place, page = None, None
            resumed = False
            if page is not None:
                yield page

    def _pass(self, rows: Sequence[Row]) -> list[Row]:
        """Move behind rows; returns those to hand over."""
        fresh = self._walk.fresh(rows)
        self._round.fresh += len(fresh)
        silent = self._walk.silent
        for row in rows:
            if row.position:
                self._round.reach = later(self._round.reach, row.position)
        self._walk.pass_by(rows)
        return [] if silent else fresh

    def _step(self, page: Page) -> None:
        """Go behind a page: to the next one, to another round, or to the end of the walk."""
        print_of_page = hashlib.sha256("\n".join(row.key for row in page.rows).encode()).digest()
        repeated = print_of_page in self._round.visited
        self._round.visited.add(print_of_page)
        if page.following is not None and not repeated:
            self._walk.place = page.following
        elif not self._goes_on(page, repeated=repeated):
            self._walk.finish()

    def _goes_on(self, page: Page, *, repeated: bool) -> bool:
        """Begin another round where this one may not have shown everything; False where it has.

        A service that does not page may cut its answers without a word, so it is asked again from the last event of
        each, until that brings no other position.
        """
        done, paging = self._round, self._options.paging
        if self._options.cursor.by == "none" or not page.rows:
            return False
        if paging.by != "none":
            return repeated and done.fresh > 0 and self._again(done.reach)
        behind = self._cut_behind(page)
        if not behind and self._again(done.reach):
            return True
        # Asked for more, it gave no more: whether it has more cannot be told.
        capped = done.wider > 1 and len(page.rows) <= done.had
        if not (behind or self._stands_still(page, capped=capped)):
            return False
        if not paging.size_parameter or capped or done.wider >= WIDEST:
            raise ProviderDown(
                f"{self._name}: {self._client.place} gives {len(page.rows)} events in an answer and may have more "
                f"from {self._walk.asked_from()!r} on, which cannot be asked for. Set paging.size to the most that it "
                "gives, with size_parameter, or name its way of paging. Nothing was passed over"
            )
        self._round = _Round(wider=2 * done.wider, had=len(page.rows), fresh=done.fresh)
        return True

    def _cut_behind(self, page: Page) -> bool:
        """Whether what a full answer left out is older than all of it, so that another round would not find it."""
        newest_first, known = self._options.paging.order == "newest_first", self._walk.floor is not None
        return newest_first and known and page.full and self._round.fresh == len(page.rows)

    def _stands_still(self, page: Page, *, capped: bool) -> bool:
        """Whether an answer that may have been cut has no position but the one that was asked from."""
        suspect = self._options.paging.size is None and len(page.rows) >= SUSPECT
        may_be_cut = page.full or suspect or capped
        return may_be_cut and all(row.position == self._walk.since for row in page.rows)

    def _again(self, position: str | None) -> bool:
        """Begin another round at a position, if it lies further than the one before."""
        if position is None or not self._walk.again(position):
            return False
        self._round = _Round()
        return True

    def _overdue(self) -> bool:
        """Whether nothing was handed over for so long that the position should be kept."""
        return self._walk.under_way and time.monotonic() - self._yielded > KEEP_SECONDS

    def _handed_over(self, rows: Sequence[Row]) -> list[Notification]:
        self._yielded = time.monotonic()
        return [Notification(row.body, f"http {self._client.place}"[:200]) for row in rows]


def _misfit(options: HttpOptions, page: Page) -> str:
    """What the first event of a page lacks, if anything."""
    converter = HttpConverter(options)
    try:
        for message in converter.unwrap(page.rows[0].body) if page.rows else ():
            converter.convert(message)
    except BadPayload as error:
        return f"available, but its first event makes no event here: {error}"
    return ""
