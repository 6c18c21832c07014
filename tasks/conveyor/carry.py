"""Carry a batch through the stages of a line, and write all that came of it, in the turn's transaction.

A line of one stage is the plain case: the events are worked on and stand at the next stage afterwards.
A longer line takes them to its end. Whatever stands at a later stage in the same lanes is taken along from
there, and so are the events that are raised on the way, so that no event overtakes an earlier one of its
object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.orm import Session

from tasks.conveyor.advance import Failure, advance, count_finished, park, put_back, release, wait
from tasks.conveyor.claim import Claimed, claim, due_places
from tasks.conveyor.history import note_history
from tasks.conveyor.offspring import Raised, raise_events
from tasks.conveyor.operations import decide
from tasks.conveyor.order import ENTRY_OF_RAISED, NEEDS_INVENTORY, ORDER
from tasks.conveyor.record import decisions, finish, write_facts, write_results
from tasks.conveyor.settle import settle
from tasks.conveyor.settled import ask, note_checks, note_labels, settle_incidents
from tasks.conveyor.view import Contents, LazyPayload, LedgerView
from tasks.conveyor.wanted import Wish, stub, want
from tasks.ledger import bulk
from tasks.ledger.events import Decision
from tasks.ledger.tally import Count
from tasks.model.event import OWN_KINDS
from tasks.model.outcome import Handler, Outcome
from tasks.model.result import result_of
from tasks.site.contracts import Site

log = structlog.get_logger(__name__)

#: Stages that follow each other, each with its handler.
Line = Sequence[tuple[str, Handler]]


@dataclass(slots=True)
class Carried:
    """What a batch came to."""

    worked: int = 0
    failed: int = 0
    raised_lanes: set[int] = field(default_factory=set)
    effects: list[int] = field(default_factory=list)
    reads: bool = False


def carry(
    session: Session,
    site: Site,
    line: Line,
    claimed: list[Claimed],
    lanes: Sequence[int],
    now: datetime,
    size: int,
) -> Carried:
    """Take the claimed events through the line. The lanes are locked for all of its stages."""
    far = len(line) > 1
    batch = _Batch(session, site, now, far=far)
    batch.admit(claimed)
    on_the_way = claimed
    first = reached = line[0][0]
    standing = due_places(session, [stage for stage, _ in line[1:]], lanes, now) if far else {}
    for stage, handler in line:
        if stage in standing:
            joined = claim(session, stage, lanes, now, size)
            if len(joined) == size:
                # There may be more of them than one turn takes, and nobody may pass the rest.
                batch.stop_at(stage, on_the_way)
                on_the_way = []
                break
            batch.admit(joined)
            on_the_way = _in_order(on_the_way + joined)
        if stage == NEEDS_INVENTORY and stage != first:
            batch.stop_at(stage, [c for c in on_the_way if not c.ready])
            on_the_way = [c for c in on_the_way if c.ready]
        on_the_way, young = batch.work(stage, handler, on_the_way, moved=stage != first)
        while young:
            grown, young = batch.work(stage, handler, young, moved=True)
            on_the_way = _in_order(on_the_way + grown)
        reached = stage
    return batch.close(reached, on_the_way)


def _in_order(events: list[Claimed]) -> list[Claimed]:
    return sorted(events, key=lambda c: (c.event.facts.occurred_at, c.event.id))


class _Batch:
    """The events of a turn, and what has come of them so far."""

    def __init__(self, session: Session, site: Site, now: datetime, *, far: bool) -> None:
        self._session = session
        self._site = site
        self._now = now
        self._far = far
        self._view = LedgerView(session, site, now)
        self._count = Count()
        self._done: list[tuple[Claimed, Outcome]] = []
        self._raised: list[Raised] = []
        self._decisions: list[dict[str, Any]] = []
        self._result = Carried()

    def admit(self, claimed: Sequence[Claimed]) -> None:
        """Take events into the batch."""
        self._view.know({c.event.provider: c.provider_id for c in claimed})
        contents = Contents(self._session, claimed)
        for item in claimed:
            item.event.payload = LazyPayload(contents, item.event.id)

    def stop_at(self, stage: str, events: Sequence[Claimed]) -> None:
        """Have events stand at a stage that this turn does not take them through."""
        if events:
            park(self._session, stage, events, self._now)
            self._note(events)

    def work(
        self, stage: str, handler: Handler, events: list[Claimed], *, moved: bool
    ) -> tuple[list[Claimed], list[Claimed]]:
        """Have a stage work on events; returns those that go on, and those that they raised and that go with them.

        ``moved`` says that the events came to the stage in this turn, and still stand elsewhere in the ledger.
        """
        session, now = self._session, self._now
        done, failures, behind = _work(stage, handler, self._view, events)
        release(session, [c for c, _ in done], now)
        for item, outcome in done:
            item.steps.append((stage, outcome.findings))
        waiting = [(c, o.again.seconds) for c, o in done if o.again is not None]
        wait(session, stage, waiting, now)
        self._note([c for c, _ in waiting])
        if moved:
            self.stop_at(stage, behind)
        dead = put_back(session, stage, failures, self._site.settings.conveyor, now, self._count)
        self._result.effects += decide(session, self._site, now, stage, done, dead)
        self._result.raised_lanes |= settle(session, self._site.settings, now, done, dead, self._count)
        for failure in failures:
            failure.claimed.steps.append((stage, []))
            self._note([failure.claimed], str(failure))
        self._result.failed += len(failures)
        self._done += done
        return [c for c, o in done if o.again is None], self._bear(stage, done)

    def _bear(self, stage: str, done: Sequence[tuple[Claimed, Outcome]]) -> list[Claimed]:
        # Two stages may raise one name; each has ordinals of its own, and the switchboard those from 0 on.
        first = 0 if stage == ENTRY_OF_RAISED else 1000 * (ORDER.index(stage) + 1)
        raised = [Raised(c, first + i, wish) for c, o in done for i, wish in enumerate(o.raises)]
        # What a later stage raises begins at the switchboard, and cannot go on from here.
        take = self._far and stage == ENTRY_OF_RAISED
        born = raise_events(self._session, raised, self._site, self._now, self._count, take=take)
        self._raised += raised
        self._result.raised_lanes |= born.lanes
        self.admit(born.taken)
        return born.taken

    def close(self, stage: str, events: list[Claimed]) -> Carried:
        """Write what is not written yet, and send the events on from the last stage that they met."""
        session, site, now, done = self._session, self._site, self._now, self._done
        ending = self._far and stage == ORDER[-1]
        gone = {c.event.id for c in events} if ending else set()
        converted = [c for c, o in done if o.facts is not None]
        write_facts(session, [c for c in converted if c.event.id not in gone])
        note_history(session, converted)
        self._result.effects += ask(session, [(c, wish) for c, o in done for wish in o.asks], site, now)
        settle_incidents(session, done, now)
        note_checks(session, done, now)
        note_labels(session, done)
        wishes = [Wish(c.provider_id, ref, c.event.id) for c, o in done for ref in o.targets]
        pauses = site.settings.refresh
        self._result.reads = want(
            session, self._with_stubs(wishes), now, pauses.settle_seconds, pauses.list_settle_seconds
        )
        results = {c.event.id: word for c, o in done if (word := result_of(c.event, o)) is not None}
        write_results(session, {number: word for number, word in results.items() if number not in gone})
        if ending:
            known = {c.event.id for c in converted}
            finish(session, events, known, results, site.version, now)
            count_finished(session, events, now, self._count)
        else:
            self._note(events)
            advance(session, stage, events, now, self._count)
        bulk.insert(session, Decision, self._decisions)
        self._count.write(session)
        self._result.worked = len(events)
        return self._result

    def _note(self, events: Sequence[Claimed], error: str | None = None) -> None:
        self._decisions += [d for c in events for d in decisions(c, self._site.version, self._now, error)]

    def _with_stubs(self, wishes: list[Wish]) -> list[Wish]:
        """Objects that a raised event is about get a stub where they are unknown, and are read (DESIGN 3)."""
        # What is Catchment's own stands in no inventory.
        raised = [r for r in self._raised if r.wish.target.kind not in OWN_KINDS]
        causes = {(r.cause.provider_id, r.wish.target): r.cause.event.id for r in raised}
        made = stub(self._session, list(causes), self._now)
        return wishes + [Wish(provider, ref, causes[provider, ref]) for provider, ref in made]


def _work(
    stage: str, handler: Handler, view: LedgerView, claimed: Sequence[Claimed]
) -> tuple[list[tuple[Claimed, Outcome]], list[Failure], list[Claimed]]:
    """What a stage makes of each event; failures; and the events that stay behind a failed one of their object."""
    view.expect(claimed)
    done: list[tuple[Claimed, Outcome]] = []
    failures: list[Failure] = []
    behind: list[Claimed] = []
    held: set[str] = set()
    for item in claimed:
        if held and item.object_key in held:
            behind.append(item)
            continue
        event = item.event
        try:
            outcome = handler(event, view)
        except Exception as error:  # noqa: BLE001 - whatever one event does to a rule must not touch its neighbours
            failures.append(Failure(item, error))
            held.add(item.object_key)
            tries = item.attempts + 1
            log.warning("an event failed at a stage", event_id=event.id, stage=stage, attempt=tries, error=str(error))
            continue
        for firing in outcome.firings:
            view.note(event.provider, firing)
        for label in outcome.labels:
            view.note_label(event.provider, label)
        if outcome.facts is not None:
            event.facts = outcome.facts
        if outcome.plan is not None:
            if outcome.again is not None:
                outcome.plan.kept = outcome.again.kept
            event.plan = outcome.plan.as_dict()
        done.append((item, outcome))
    return done, failures, behind
