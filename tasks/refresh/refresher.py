"""The refresher: reads owed targets from the provider, outside any transaction, and applies what it found."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

import structlog
from sqlalchemy.exc import OperationalError, StatementError

from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import EVERY
from tasks.model import clock
from tasks.model.errors import CatchmentError, Gone, LeaseLost, Permanent, Transient
from tasks.providers.contracts import InventoryReader, Reading
from tasks.providers.table import kinds
from tasks.refresh import covered, pacing, targets
from tasks.refresh.apply import apply
from tasks.refresh.lists import ListRead, Ring, Told, quiet
from tasks.refresh.raised import raise_changes
from tasks.refresh.related import follow
from tasks.refresh.seen import Change, Seen
from tasks.refresh.targets import Taken

log = structlog.get_logger(__name__)

#: Targets taken at once.
TAKE = 50
#: Seconds that the refresher waits for the next target rather than for the next bell.
WAIT = 1.5


def refresh(installation: Installation, seconds: float = 30.0, ring: Ring = lambda _lanes: None) -> bool:
    """Read what is owed for up to ``seconds``; returns whether a provider became ready for its events.

    ``ring`` is called with the lanes of the events that changes have raised. In a storm there are more bells
    than reads: one that finds nothing owed is over at once.
    """
    owner = f"{installation.worker}:{uuid.uuid4().hex[:8]}"
    deadline = time.monotonic() + seconds
    settings = installation.site.settings.refresh
    rates = pacing.rates(installation.site.providers, settings)
    became_ready = False
    with _Readers(installation) as readers:
        while time.monotonic() < deadline:
            with installation.ledger.reading() as session:
                due = targets.next_due(session, clock.now())
            pause = max((due - clock.now()).total_seconds(), 0.0) if due is not None else None
            if pause is None or pause > max(settings.settle_seconds, WAIT):
                break
            # A burst is still arriving when the bell rings: give it the time that it was promised.
            time.sleep(min(pause, 5.0))
            with installation.ledger.transaction() as session:
                covered.escalate(session, settings, clock.now())
                taken = targets.take(session, owner, settings, clock.now(), TAKE, rates)
            if not taken:
                break
            for provider, group in groupby(sorted(taken, key=lambda t: t.provider), key=lambda t: t.provider):
                became_ready |= _provider(readers, provider, list(group), _Work(installation, owner, ring))
    return became_ready


def refresh_now(installation: Installation, taken: Taken, owner: str, told: Told) -> bool:
    """Read one list that was taken, telling how far it is. Raises what the reader raises, after it was noted."""
    work = _Work(installation, owner, told=told, loud=True)
    with _Readers(installation) as readers:
        return _provider(readers, taken.provider, [taken], work)


def _provider(readers: _Readers, name: str, taken: Sequence[Taken], work: _Work) -> bool:
    try:
        reader = readers.of(name)
    except Exception as error:  # noqa: BLE001 - a reader's bug must cost its provider a try, not the others theirs
        return work.fail(taken, _ours(error))
    ready = False
    for target in (t for t in taken if t.ref.kind == EVERY):
        ready |= work.list(reader, target)
    work.single(reader, [t for t in taken if t.ref.kind != EVERY])
    return ready


class _Readers:
    """The providers' readers: each made when it is first needed, and closed at the end."""

    def __init__(self, installation: Installation) -> None:
        self._site = installation.site
        self._made: dict[str, InventoryReader] = {}

    def of(self, name: str) -> InventoryReader:
        """A provider's reader. Raises ``Permanent`` where the site has none, and whatever making it raises."""
        if name not in self._made:
            config = self._site.providers.get(name)
            made = kinds()[config.kind].inventory if config is not None else None
            if config is None or made is None:
                raise Permanent(f"the site has no provider {name} whose inventory can be read")
            self._made[name] = made(config)
        return self._made[name]

    def __enter__(self) -> _Readers:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._made.values():
            reader.close()


@dataclass(slots=True)
class _Work:
    """The reading of one provider's targets by one owner. ``stopped`` once the provider has asked for a pause."""

    installation: Installation
    owner: str
    ring: Ring = lambda _lanes: None
    told: Told = quiet
    loud: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)

    def fail(self, taken: Sequence[Taken], error: CatchmentError) -> bool:
        """Note that targets could not be read; the pause that the provider asks for is the whole provider's."""
        after, settings = getattr(error, "after", None), self.installation.site.settings.refresh
        with self.installation.ledger.transaction() as session:
            for target in taken:
                targets.put_off(session, target, self.owner, error, after, clock.now(), settings)
            if after:
                self.stopped.set()
                seconds = min(after, settings.backoff_limit_seconds)
                pacing.pause(session, taken[0].provider_id, seconds, str(error), clock.now())
        if self.loud:
            raise error
        return False

    def list(self, reader: InventoryReader, target: Taken) -> bool:
        """Read a list. One that fails is tried again; what it has read stays."""
        try:
            return ListRead(self.installation, reader, target, self.owner, self.ring, self.told).run()
        except LeaseLost as lost:
            log.info("a list is left to another worker", provider=target.provider, reason=str(lost))
        except Exception as error:  # noqa: BLE001 - a reader's bug must cost this target a try, not the others theirs
            log.warning("a list could not be read", provider=target.provider, list=str(target.ref), error=str(error))
            return self.fail([target], _ours(error))
        return False

    def single(self, reader: InventoryReader, taken: Sequence[Taken]) -> None:
        """Read objects one at a time, a few of them in parallel; each is applied and settled by itself."""
        if not taken:
            return
        most = min(self.installation.site.settings.refresh.parallel, len(taken))
        with ThreadPoolExecutor(max_workers=most, thread_name_prefix="read") as pool:
            for target, asked_at, found in pool.map(lambda t: (t, *self._read(reader, t)), taken):
                if found is None:
                    with self.installation.ledger.transaction() as session:
                        targets.give_back(session, target, self.owner)
                elif isinstance(found, CatchmentError) and not isinstance(found, Gone):
                    self.fail([target], found)
                    log.warning(
                        "an object could not be read",
                        target=str(target.ref),
                        provider=target.provider,
                        error=str(found),
                    )
                else:
                    reading = None if isinstance(found, Gone) else found
                    self._bring(target, Seen(target.ref, reading, target.event_id, asked_at), reader.kinds)

    def _read(self, reader: InventoryReader, target: Taken) -> tuple[datetime, Reading | CatchmentError | None]:
        """What was read of a target, or why not; None where the provider has asked for a pause before it."""
        asked_at = clock.now()
        if self.stopped.is_set():
            return asked_at, None
        try:
            if target.ref.kind not in reader.kinds:
                return asked_at, Permanent(f"inventory does not read objects of kind {target.ref.kind}")
            return asked_at, reader.read(target.ref)
        except Exception as error:  # noqa: BLE001 - a reader's bug must cost this target a try, not the others theirs
            ours = _ours(error)
            if getattr(ours, "after", None):
                self.stopped.set()
            return asked_at, ours

    def _bring(self, target: Taken, seen: Seen, kinds: Sequence[str]) -> None:
        settings = self.installation.site.settings
        changed: list[Change] = []
        lanes: set[int] = set()
        try:
            with self.installation.ledger.transaction() as session:
                if targets.settle(session, target, self.owner, clock.now(), settings.refresh):
                    apply(session, target.provider_id, [seen], changed)
                    follow(session, target.provider_id, changed, kinds, clock.now(), settings.refresh)
                    lanes = raise_changes(session, settings, target.provider_id, target.provider, changed, clock.now())
        except (StatementError, ValueError, TypeError) as error:
            if isinstance(error, OperationalError):
                raise
            refusal = Permanent(f"the ledger refuses what was read of {target.ref}: {type(error).__name__}")
            self.fail([target], refusal)
            log.warning("an object cannot be kept", target=str(target.ref), provider=target.provider, error=str(error))
            return
        if lanes:
            self.ring(lanes)


def _ours(error: Exception) -> CatchmentError:
    return error if isinstance(error, CatchmentError) else Transient(f"{type(error).__name__}: {error}")
