"""One turn of a stage: claim, work, write and advance, in one transaction (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.orm import Session

from tasks.conveyor.advance import Failure, advance, park, put_back, release
from tasks.conveyor.claim import Claimed, claim, due_lanes, lock_lanes
from tasks.conveyor.installation import Installation
from tasks.conveyor.offspring import Raised, ask, open_incidents, raise_events
from tasks.conveyor.order import NEEDS_INVENTORY
from tasks.conveyor.view import Contents, LazyPayload, LedgerView
from tasks.conveyor.wanted import Wish, stub, want
from tasks.ledger import bulk
from tasks.ledger.events import Decision, Event
from tasks.ledger.tally import Count
from tasks.model import clock
from tasks.model.errors import CatchmentError
from tasks.model.event import Event as EventValue
from tasks.model.event import Normalised, ObjectRef
from tasks.model.outcome import Handler, Outcome, View
from tasks.site.contracts import Site

log = structlog.get_logger(__name__)

#: Stages that follow each other, each with its handler.
Line = Sequence[tuple[str, Handler]]

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
    behind: dict[str, list[int]] = field(default_factory=dict)


def take(installation: Installation, line: Line, lanes: Sequence[int], limit: int | None = None) -> Turn:
    """Work once on what is due at the first stage of a line, in those of the lanes that are free.

    ``line`` is one stage with its handler, or several that follow each other and are carried through in
    the same turn and transaction (``conveyor.fuse``). A batch that cannot be written as a whole (a value
    that no column takes) is worked again one by one, so that only the event that carries it fails.
    """
    site = installation.site
    size = limit or site.settings.conveyor.batch
    stage = line[0][0]
    try:
        return _turn(installation, site, line, lanes, size)
    except Exception as error:
        if not _is_refusal(error):
            raise
        log.warning("the ledger refused a batch; its events are worked one by one", stage=stage, error=_words(error))
    turn = Turn(stage)
    for _ in range(size):
        single = _single(installation, site, line[:1], lanes)
        turn.worked += single.worked
        turn.failed += single.failed
        turn.effects += single.effects
        turn.raised_lanes |= single.raised_lanes
        turn.reads |= single.reads
        turn.remaining = single.remaining
        if not single.remaining:
            break
    return turn


def _single(installation: Installation, site: Site, line: Line, lanes: Sequence[int]) -> Turn:
    [(stage, handler)] = line
    worked: set[int] = set()

    def note(event: EventValue, view: View) -> Outcome:
        worked.add(event.id)
        return handler(event, view)

    try:
        return _turn(installation, site, [(stage, note)], lanes, 1)
    except Exception as error:
        if not worked or not _is_refusal(error):
            raise
        refusal = CatchmentError(f"the ledger refuses what the {stage} stage made of this event: {_words(error)}")

    def refuse(event: EventValue, view: View) -> Outcome:
        # Its lane was free for a moment: somebody else may have worked on it, and this may be another event.
        if event.id in worked:
            raise refusal
        return handler(event, view)

    return _turn(installation, site, [(stage, refuse)], lanes, 1)


def _is_refusal(error: Exception) -> bool:
    """Whether the values are at fault, and not the database or the way to it."""
    if isinstance(error, DBAPIError):
        # 54 is a program limit: a text too long for an index, which the driver takes for trouble of the server.
        beyond = str(getattr(error.orig, "sqlstate", None) or "").startswith("54")
        return beyond or isinstance(error, DataError | IntegrityError)
    return isinstance(error, StatementError | ValueError | TypeError | LookupError | AttributeError | RecursionError)


def _words(error: Exception) -> str:
    cause = error.orig if isinstance(error, StatementError) else error
    return f"{type(cause).__name__}: {cause}"


def _turn(installation: Installation, site: Site, line: Line, lanes: Sequence[int], size: int) -> Turn:
    turn = Turn(line[0][0])
    with installation.ledger.transaction() as session:
        free = lock_lanes(session, [turn.stage], lanes)
        if lock_lanes(session, [stage for stage, _ in line[1:]], free) != free:
            # Somebody works at a later stage of these lanes and must not be overtaken: go one stage only.
            line = line[:1]
        now = clock.now()
        claimed = claim(session, turn.stage, free, now, size)
        if claimed:
            _carry(session, site, turn, line, claimed, now)
    # Asked after the commit: a bell that found the lane busy came before it, and is answered here.
    if free:
        with installation.ledger.reading() as session:
            turn.remaining = due_lanes(session, turn.stage, free, clock.now())
            turn.behind = {stage: due_lanes(session, stage, free, clock.now()) for stage, _ in line[1:]}
    return turn


def _carry(session: Session, site: Site, turn: Turn, line: Line, claimed: list[Claimed], now: datetime) -> None:
    """Take a batch through the stages of a line, and write all that came of it."""
    view = LedgerView(session, site, now, {c.event.provider: c.provider_id for c in claimed})
    contents = Contents(session, claimed)
    for item in claimed:
        item.event.payload = LazyPayload(contents, item.event.id)
    count = Count()
    concluded: list[tuple[Claimed, Outcome]] = []
    decisions: list[dict[str, Any]] = []
    on_the_way = claimed
    for position, (stage, handler) in enumerate(line):
        if position and stage == NEEDS_INVENTORY:
            park(session, stage, [c for c in on_the_way if not c.ready], now)
            on_the_way = [c for c in on_the_way if c.ready]
        done, failures, behind = _work(stage, handler, view, on_the_way)
        release(session, [c for c, _ in done], now)
        if position:
            park(session, stage, behind, now)
        put_back(session, stage, failures, site.settings.conveyor, now, count)
        decisions += [_decision(stage, site, now, c, o, None) for c, o in done]
        decisions += [_decision(stage, site, now, f.claimed, None, f) for f in failures]
        turn.failed += len(failures)
        concluded += done
        on_the_way = [c for c, _ in done]
    turn.worked = len(on_the_way)
    bulk.insert(session, Decision, decisions)
    _write(session, site, turn, concluded, now, count)
    advance(session, line[-1][0], on_the_way, now, count)
    count.write(session)


def _work(
    stage: str, handler: Handler, view: LedgerView, claimed: Sequence[Claimed]
) -> tuple[list[tuple[Claimed, Outcome]], list[Failure], list[Claimed]]:
    """What a stage makes of each event; failures; and the events that stay behind a failed one of their object."""
    if stage in {"policy", "alert"}:
        view.preload([(c.provider_id, target) for c in claimed if c.event.plan and (target := c.event.target())])
    done: list[tuple[Claimed, Outcome]] = []
    failures: list[Failure] = []
    behind: list[Claimed] = []
    held: set[str] = set()
    for item in claimed:
        if item.object_key in held:
            behind.append(item)
            continue
        try:
            outcome = handler(item.event, view)
        except Exception as error:  # noqa: BLE001 - whatever one event does to a rule must not touch its neighbours
            failures.append(Failure(item, error))
            held.add(item.object_key)
            log.warning(
                "an event failed at a stage",
                event_id=item.event.id,
                stage=stage,
                attempt=item.attempts + 1,
                error=str(failures[-1]),
            )
            continue
        for firing in outcome.firings:
            view.note(item.event.provider, firing)
        if outcome.facts is not None:
            item.event.facts = outcome.facts
        if outcome.plan is not None:
            item.event.plan = outcome.plan.as_dict()
        done.append((item, outcome))
    return done, failures, behind


def _write(
    session: Session,
    site: Site,
    turn: Turn,
    done: list[tuple[Claimed, Outcome]],
    now: datetime,
    count: Count,
) -> None:
    bulk.update(session, Event, "id", [_facts(c.event.id, o.facts) for c, o in done if o.facts is not None])
    raised = [Raised(c, i, wish) for c, o in done for i, wish in enumerate(o.raises)]
    turn.raised_lanes = raise_events(session, raised, site, now, count)
    turn.effects = ask(session, [(c, wish) for c, o in done for wish in o.asks], site, now)
    open_incidents(session, [(c, firing) for c, o in done for firing in o.firings], now)
    wishes = [Wish(c.provider_id, ref, c.event.id) for c, o in done for ref in o.targets]
    turn.reads = want(
        session, _with_stubs(session, site, raised, wishes, now), now, site.settings.refresh.settle_seconds
    )


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
