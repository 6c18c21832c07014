"""The refresher: reads owed targets from the provider, outside any transaction, and applies what it found."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import groupby, islice

import structlog
from sqlalchemy import update
from sqlalchemy.exc import OperationalError, StatementError
from sqlalchemy.orm import Session

from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL, Wish, want
from tasks.ledger.providers import Provider
from tasks.model import clock
from tasks.model.errors import CatchmentError, Gone, Permanent, Transient
from tasks.providers.contracts import InventoryReader, ProviderConfig, Reading
from tasks.providers.table import kinds
from tasks.refresh import targets
from tasks.refresh.apply import Change, Seen, absent, apply
from tasks.refresh.raised import raise_changes
from tasks.refresh.targets import Taken

log = structlog.get_logger(__name__)

#: Targets taken at once, and objects applied in one transaction.
TAKE = 50
PAGE = 200


#: Called after a commit with the lanes that have raised events.
Ring = Callable[[set[int]], None]


def refresh(installation: Installation, seconds: float = 30.0, ring: Ring = lambda _lanes: None) -> bool:
    """Read what is owed for up to ``seconds``; returns whether a provider became ready for its events.

    ``ring`` is called with the lanes of the events that changes have raised. In a storm there are more bells
    than reads: one that finds nothing owed is over at once.
    """
    owner = f"{installation.worker}:{uuid.uuid4().hex[:8]}"
    deadline = time.monotonic() + seconds
    settings = installation.site.settings.refresh
    became_ready = False
    with installation.ledger.reading() as session:
        due = targets.next_due(session, clock.now())
    pause = max((due - clock.now()).total_seconds(), 0.0) if due is not None else None
    if pause is None or pause > settings.settle_seconds:
        return False
    # A burst is still arriving when the bell rings: give it the time that it was promised.
    time.sleep(min(pause, 5.0))
    while time.monotonic() < deadline:
        with installation.ledger.transaction() as session:
            taken = targets.take(session, owner, settings, clock.now(), TAKE)
        if not taken:
            break
        for provider, group in groupby(sorted(taken, key=lambda t: t.provider), key=lambda t: t.provider):
            became_ready |= _provider(installation, provider, list(group), owner, ring)
    return became_ready


def _provider(installation: Installation, name: str, taken: Sequence[Taken], owner: str, ring: Ring) -> bool:
    config = installation.site.providers.get(name)
    kind = kinds()[config.kind] if config is not None else None
    if config is None or kind is None or kind.inventory is None:
        _all_put_off(
            installation, taken, owner, Permanent(f"the site has no provider {name} whose inventory can be read")
        )
        return False
    try:
        reader = kind.inventory(config)
    except Exception as error:  # noqa: BLE001 - a reader's bug must cost its provider a try, not the others theirs
        _all_put_off(installation, taken, owner, _ours(error))
        return False
    try:
        ready = False
        for target in (t for t in taken if t.ref == FULL):
            ready |= _full(installation, config, reader, target, owner, ring)
        _single(installation, reader, [t for t in taken if t.ref != FULL], owner, ring)
        return ready
    finally:
        reader.close()


def _all_put_off(installation: Installation, taken: Sequence[Taken], owner: str, error: CatchmentError) -> None:
    with installation.ledger.transaction() as session:
        for target in taken:
            targets.put_off(
                session,
                target,
                owner,
                error,
                getattr(error, "after", None),
                clock.now(),
                installation.site.settings.refresh,
            )


def _single(
    installation: Installation, reader: InventoryReader, taken: Sequence[Taken], owner: str, ring: Ring
) -> None:
    """Read objects one at a time, a few of them in parallel; each is applied and settled by itself."""
    if not taken:
        return
    settings = installation.site.settings.refresh
    with ThreadPoolExecutor(max_workers=min(settings.parallel, len(taken)), thread_name_prefix="read") as pool:
        results = pool.map(lambda t: (t, *_read(reader, t)), taken)
        for target, asked_at, found in results:
            if isinstance(found, CatchmentError) and not isinstance(found, Gone):
                _all_put_off(installation, [target], owner, found)
                log.warning(
                    "an object could not be read", target=str(target.ref), provider=target.provider, error=str(found)
                )
                continue
            seen = Seen(target.ref, None if isinstance(found, Gone) else found, target.event_id, asked_at)
            _bring(installation, target, seen, owner, ring)


def _bring(installation: Installation, target: Taken, seen: Seen, owner: str, ring: Ring) -> None:
    settings = installation.site.settings
    changed: list[Change] = []
    lanes: set[int] = set()
    try:
        with installation.ledger.transaction() as session:
            if targets.settle(session, target, owner, clock.now(), settings.refresh):
                apply(session, target.provider_id, [seen], changed)
                lanes = raise_changes(session, settings, target.provider_id, target.provider, changed, clock.now())
    except (StatementError, ValueError, TypeError) as error:
        if isinstance(error, OperationalError):
            raise
        refusal = Permanent(f"the ledger refuses what was read of {target.ref}: {type(error).__name__}")
        _all_put_off(installation, [target], owner, refusal)
        log.warning("an object cannot be kept", target=str(target.ref), provider=target.provider, error=str(error))
        return
    if lanes:
        ring(lanes)


def _read(reader: InventoryReader, target: Taken) -> tuple[datetime, Reading | CatchmentError]:
    asked_at = clock.now()
    try:
        if target.ref.kind not in reader.kinds:
            return asked_at, Permanent(f"inventory does not read objects of kind {target.ref.kind}")
        return asked_at, reader.read(target.ref)
    except Exception as error:  # noqa: BLE001 - a reader's bug must cost this target a try, not the others theirs
        return asked_at, _ours(error)


def _ours(error: Exception) -> CatchmentError:
    return error if isinstance(error, CatchmentError) else Transient(f"{type(error).__name__}: {error}")


def _full(
    installation: Installation, config: ProviderConfig, reader: InventoryReader, target: Taken, owner: str, ring: Ring
) -> bool:
    """Read everything, page by page; what was not met is read once more by itself before it counts as gone.

    What a new provider has is no news, and raises nothing.
    """
    settings = installation.site.settings.refresh
    began = clock.now()
    try:
        with installation.ledger.reading() as session:
            known = session.get_one(Provider, target.provider_id).ready_at is not None
        for kind in reader.kinds:
            asked_at = clock.now()
            for page in _pages(reader.read_all(kind)):
                with installation.ledger.transaction() as session:
                    if not targets.renew(session, owner, [target.id], settings, clock.now()):
                        return False
                    lanes = _apply_page(installation, session, target, page, asked_at, known=known)
                if lanes:
                    ring(lanes)
            with installation.ledger.transaction() as session:
                missing = absent(session, target.provider_id, kind, asked_at)
                want(session, [Wish(target.provider_id, ref, None) for ref in missing], clock.now(), settle=0)
    except Exception as error:  # noqa: BLE001 - a reader's bug must cost this target a try, not the others theirs
        _all_put_off(installation, [target], owner, _ours(error))
        log.warning("a full refresh failed; it is tried again", provider=config.name, error=str(error))
        return False
    with installation.ledger.transaction() as session:
        if not targets.settle(session, target, owner, clock.now(), settings):
            return False
        new = (Provider.id == target.provider_id, Provider.ready_at.is_(None))
        statement = update(Provider).where(*new).values(ready_at=clock.now()).returning(Provider.id)
        became = session.execute(statement).one_or_none()
        # That events are judged on stubs is over, too.
        session.execute(update(Provider).where(Provider.id == target.provider_id).values(ready_note=None))
    log.info("a full refresh is through", provider=config.name, seconds=round((clock.now() - began).total_seconds(), 1))
    return became is not None


def _apply_page(
    installation: Installation, session: Session, target: Taken, page: list[Reading], asked_at: datetime, *, known: bool
) -> set[int]:
    changed: list[Change] = []
    apply(session, target.provider_id, [Seen(r.ref, r, None, asked_at) for r in page], changed)
    if not known:
        return set()
    settings = installation.site.settings
    return raise_changes(session, settings, target.provider_id, target.provider, changed, clock.now())


def _pages(readings: Iterator[Reading]) -> Iterator[list[Reading]]:
    while page := list(islice(readings, PAGE)):
        yield page
