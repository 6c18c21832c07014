"""One turn of a stage: claim, work, write and advance, in one transaction (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from tasks.conveyor.advance import Failure, advance, put_back
from tasks.conveyor.claim import Claimed, claim, due_lanes, lock_lanes
from tasks.conveyor.installation import Installation
from tasks.conveyor.offspring import Raised, ask, open_incidents, raise_events
from tasks.conveyor.view import Contents, LazyPayload, LedgerView
from tasks.conveyor.wanted import Wish, stub, want
from tasks.ledger import bulk
from tasks.ledger.events import Decision, Event
from tasks.ledger.tally import Count
from tasks.model import clock
from tasks.model.errors import CatchmentError
from tasks.model.event import Normalised, ObjectRef
from tasks.model.outcome import Handler, Outcome
from tasks.site.contracts import Site

log = structlog.get_logger(__name__)

_FACT_COLUMNS = (
    "event_type", "raw_event_type", "resource_kind", "resource_id", "parents", "tenant_id", "actor", "host", "phase",
    "group", "level", "request_id", "chain_id",
)  # fmt: skip


@dataclass(slots=True)
class Turn:
    """What a turn did, and whom to call after the commit. Nothing in it is needed for the truth."""

    stage: str
    worked: int = 0
    failed: int = 0
    raised_lanes: set[int] = field(default_factory=set)
    effects: list[int] = field(default_factory=list)
    reads: bool = False
    remaining: list[int] = field(default_factory=list)


def take(
    installation: Installation, stage: str, handler: Handler, lanes: Sequence[int], limit: int | None = None
) -> Turn:
    """Work once on what is due at a stage in those of the lanes that are free.

    A batch that the database refuses as a whole (a value that no column takes) is worked again one by
    one, so that only the event that carries it fails.
    """
    site = installation.site
    size = limit or site.settings.conveyor.batch
    try:
        return _turn(installation, site, stage, handler, lanes, size, None)
    except (DataError, IntegrityError) as error:
        log.warning("the ledger refused a batch; its events are worked one by one", stage=stage, error=str(error.orig))
    turn = Turn(stage)
    for _ in range(size):
        single = _single(installation, site, stage, handler, lanes)
        turn.worked += single.worked
        turn.failed += single.failed
        turn.effects += single.effects
        turn.raised_lanes |= single.raised_lanes
        turn.reads |= single.reads
        turn.remaining = single.remaining
        if not single.remaining:
            break
    return turn


def _single(installation: Installation, site: Site, stage: str, handler: Handler, lanes: Sequence[int]) -> Turn:
    try:
        return _turn(installation, site, stage, handler, lanes, 1, None)
    except (DataError, IntegrityError) as error:
        refusal = CatchmentError(f"the ledger refuses what the {stage} stage made of this event: {error.orig}")
        return _turn(installation, site, stage, handler, lanes, 1, refusal)


def _turn(
    installation: Installation,
    site: Site,
    stage: str,
    handler: Handler,
    lanes: Sequence[int],
    size: int,
    refusal: Exception | None,
) -> Turn:
    turn = Turn(stage)
    with installation.ledger.transaction() as session:
        now = clock.now()
        free = lock_lanes(session, lanes)
        claimed = claim(session, stage, free, now, size)
        if claimed:
            done, failures = _work(session, site, stage, handler, claimed, now, refusal)
            _write(session, site, turn, done, failures, now)
    # Asked after the commit: a bell that found the lane busy came before it, and is answered here.
    if free:
        with installation.ledger.reading() as session:
            turn.remaining = due_lanes(session, stage, free, clock.now())
    return turn


def _work(
    session: Session,
    site: Site,
    stage: str,
    handler: Handler,
    claimed: Sequence[Claimed],
    now: datetime,
    refusal: Exception | None,
) -> tuple[list[tuple[Claimed, Outcome]], list[Failure]]:
    view = LedgerView(session, site, now, {c.event.provider: c.provider_id for c in claimed})
    contents = Contents(session, claimed)
    if stage in {"policy", "alert"}:
        view.preload([(c.provider_id, target) for c in claimed if c.event.plan and (target := c.event.target())])
    done: list[tuple[Claimed, Outcome]] = []
    failures: list[Failure] = []
    held: set[str] = set()
    for item in claimed:
        if item.object_key in held:
            continue
        item.event.payload = LazyPayload(contents, item.event.id)
        try:
            outcome = _refuse(refusal) if refusal is not None else handler(item.event, view)
        except Exception as error:  # noqa: BLE001 - whatever one event does to a rule must not touch its neighbours
            failures.append(Failure(item, error))
            held.add(item.object_key)
            log.warning(
                "an event failed at a stage",
                event=item.event.id,
                stage=stage,
                attempt=item.attempts + 1,
                error=str(failures[-1]),
            )
            continue
        for firing in outcome.firings:
            view.note(item.event.provider, firing)
        done.append((item, outcome))
    return done, failures


def _refuse(refusal: Exception) -> Outcome:
    raise refusal


def _write(
    session: Session,
    site: Site,
    turn: Turn,
    done: list[tuple[Claimed, Outcome]],
    failures: list[Failure],
    now: datetime,
) -> None:
    stage, count = turn.stage, Count()
    turn.worked, turn.failed = len(done), len(failures)
    bulk.insert(
        session,
        Decision,
        [_decision(stage, site, now, c, o, None) for c, o in done]
        + [_decision(stage, site, now, f.claimed, None, f) for f in failures],
    )
    bulk.update(session, Event, "id", [_facts(c.event.id, o.facts) for c, o in done if o.facts is not None])
    raised = [Raised(c, i, wish) for c, o in done for i, wish in enumerate(o.raises)]
    turn.raised_lanes = raise_events(session, raised, site, now, count)
    turn.effects = ask(session, [(c, wish) for c, o in done for wish in o.asks], site, now)
    open_incidents(session, [(c, firing) for c, o in done for firing in o.firings], now)
    wishes = [Wish(c.provider_id, ref, c.event.id) for c, o in done for ref in o.targets]
    turn.reads = want(
        session, _with_stubs(session, site, raised, wishes, now), now, site.settings.refresh.settle_seconds
    )
    advance(session, stage, done, now, count)
    put_back(session, stage, failures, site.settings.conveyor, now, count)
    count.write(session)


def _with_stubs(session: Session, site: Site, raised: list[Raised], wishes: list[Wish], now: datetime) -> list[Wish]:
    """Objects that a raised event is about get a stub where they are unknown, and are read (DESIGN 3)."""
    causes: dict[tuple[int, ObjectRef], int] = {(r.cause.provider_id, r.wish.target): r.cause.event.id for r in raised}
    made = stub(session, list(causes), now)
    return wishes + [Wish(provider, ref, causes[provider, ref]) for provider, ref in made]


def _decision(
    stage: str, site: Site, now: datetime, claimed: Claimed, outcome: Outcome | None, failure: Failure | None
) -> dict[str, Any]:
    return {
        "event_id": claimed.event.id,
        "stage": stage,
        "decided_at": now,
        "site_version": site.version,
        "findings": [f.as_dict() for f in outcome.findings] if outcome else [],
        "error": str(failure) if failure else None,
    }


def _facts(event_id: int, facts: Normalised) -> dict[str, Any]:
    return {"id": event_id, **{column: getattr(facts, column) for column in _FACT_COLUMNS}}
