"""What failed for good is opened again by people: each thing once, and the balance stays exact."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from tasks.conveyor.retry import dead_effects, dead_events, retry_effect, retry_event, retry_target
from tasks.conveyor.wanted import Wish, want
from tasks.ledger.effects import Effect
from tasks.ledger.events import DeadLetter, Event, Place
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent
from tasks.model.event import Notification, ObjectRef
from tasks.model.outcome import Ask, Outcome, Plan, Raise
from tests.ground import (
    HANDLERS,
    START,
    Clock,
    all_the_way,
    caught,
    count,
    errors,
    exact,
    installed,
    nothing,
    notice,
    only_postgresql,
    outcome_of,
    provider,
    standing,
    take,
)

SERVER = ObjectRef("server", "s1")


def failing(event: Any, view: Any) -> Outcome:
    raise Permanent("no")


def dead_at(present: Any, stage: str, *notices: Notification, name: str = "lab") -> list[int]:
    """Events that died at a stage."""
    lab = provider(present.ledger, name)
    caught(present, lab, *notices)
    for before in HANDLERS:
        if before == stage:
            take(present, stage, failing)
            break
        take(present, before, outcome_of(lambda event: Outcome(plan=Plan(True, [SERVER]))))
    with present.ledger.reading() as session:
        return list(
            session.scalars(
                select(Event.id)
                .join(DeadLetter, DeadLetter.event_id == Event.id)
                .where(Event.provider_id == lab)
                .order_by(Event.message_id)
            )
        )


def retry(present: Any, event_id: int, hands: Clock) -> bool:
    with present.ledger.transaction() as session:
        return retry_event(session, event_id, hands.now, present.site.settings.conveyor.lanes)


def test_dead_event_goes_on_where_it_died_with_its_plan(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    [one] = dead_at(present, "alert", notice(message_id="a"))
    assert exact(ledger)["lab"].dead == 1
    hands.forward(60)
    assert retry(present, one, hands)
    with ledger.reading() as session:
        place = session.get_one(Place, one)
        event = session.get_one(Event, one)
    assert (place.stage, place.attempts, place.due_at) == ("alert", 0, hands.now)
    assert (event.state, event.finished_at) == ("pending", None)
    assert Plan.from_dict(place.plan) == Plan(True, targets=[SERVER])
    line = exact(ledger)["lab"]
    assert (line.dead, line.pending, line.stored) == (0, 1, 1)
    assert take(present, "alert", nothing).worked == 1
    assert take(present, "refresh").worked == 1
    assert exact(ledger)["lab"].finished == 1
    assert count(ledger, RefreshTarget) == 1
    assert not retry(present, one, hands)


def test_event_that_dies_again_is_one_dead_event(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    [one] = dead_at(present, "convert", notice(message_id="a"))
    for _ in range(3):
        assert retry(present, one, hands)
        assert take(present, "convert", failing).failed == 1
        assert exact(ledger)["lab"].dead == 1
    assert count(ledger, DeadLetter) == 1


def test_pending_finished_or_unknown_event_is_not_opened(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice("image.update", None, message_id="finished"))
    all_the_way(present)
    caught(present, lab, notice(message_id="pending"))
    with ledger.reading() as session:
        ids = session.scalars(select(Event.id).where(~Event.raised)).all()
    before = exact(ledger)
    assert [retry(present, i, hands) for i in [*ids, max(ids) + 1000]] == [False, False, False]
    assert exact(ledger) == before


@only_postgresql
def test_operators_who_press_at_once_open_it_once(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    [one] = dead_at(present, "convert", notice(message_id="a"))
    gate, results = threading.Barrier(4), list[bool]()

    def press() -> None:
        gate.wait()
        results.append(retry(present, one, hands))

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, False, True]
    line = exact(ledger)["lab"]
    assert (line.dead, line.pending) == (0, 1)


def test_unreadable_notification_is_opened_and_told_again_why_it_cannot_be_read(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, Notification(b"{no json", "bus"))
    with ledger.reading() as session:
        [one] = session.scalars(select(Event.id))
    first = errors(ledger)
    assert retry(present, one, hands)
    assert exact(ledger)["lab"].pending == 1
    assert take(present, "convert").failed == 1
    [again] = errors(ledger).values()
    assert again
    assert first
    assert exact(ledger)["lab"].dead == 1


def test_raised_event_is_counted_under_internal_when_it_dies_and_is_opened(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice(message_id="a"))
    take(present, "convert")
    take(present, "switchboard", outcome_of(lambda event: Outcome(raises=[Raise("vm_start", SERVER)])), limit=1)
    take(present, "switchboard", failing)
    assert (exact(ledger)["internal"].dead, exact(ledger)["lab"].dead) == (1, 0)
    with ledger.reading() as session:
        [one] = session.scalars(select(DeadLetter.event_id))
    assert retry(present, one, hands)
    assert (exact(ledger)["internal"].dead, exact(ledger)["internal"].pending) == (0, 1)
    all_the_way(present, dict.fromkeys(HANDLERS, nothing))
    assert exact(ledger)["internal"].finished == 1


def test_event_cut_for_its_depth_is_seen_and_can_be_opened(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, conveyor={"depth": 1})
    caught(present, provider(ledger), notice(message_id="a"))
    again = outcome_of(lambda event: Outcome(raises=[Raise("vm_start", SERVER)]))
    all_the_way(present, {**dict.fromkeys(HANDLERS, nothing), "switchboard": again})
    [one] = _dead(ledger)
    assert retry(present, one, hands)
    all_the_way(present, dict.fromkeys(HANDLERS, nothing))
    assert (exact(ledger)["internal"].finished, exact(ledger)["internal"].dead) == (2, 0)


def _dead(ledger: Ledger, **narrow: Any) -> list[int]:
    with ledger.reading() as session:
        return list(dead_events(session, **narrow))


def test_dead_events_are_found_by_time_provider_and_stage_oldest_first(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    [first] = dead_at(present, "convert", notice(message_id="a"))
    hands.forward(60)
    [second] = dead_at(present, "policy", notice(message_id="a"), name="other")
    hands.forward(60)
    assert _dead(ledger) == [first, second]
    assert _dead(ledger, limit=1) == [first]
    assert _dead(ledger, since=START + timedelta(seconds=60)) == [second]
    assert _dead(ledger, since=START + timedelta(seconds=61)) == []
    assert _dead(ledger, provider="lab") == [first]
    assert _dead(ledger, stage="policy") == [second]
    assert _dead(ledger, stage="policy", provider="lab") == []
    assert retry(present, first, hands)
    assert _dead(ledger) == [second]


def test_dead_effects_are_found_and_opened_once(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice(message_id="a"))
    asks = [Ask("log", "r", {}, ordinal=n) for n in range(3)]
    ids = take(present, "convert", outcome_of(lambda event: Outcome(asks=asks))).effects
    with ledger.transaction() as session:
        for n, effect_id in enumerate(ids[:2]):
            values = {"state": "dead", "attempts": 8, "ended_at": START + timedelta(seconds=n), "error": "x"}
            session.execute(update(Effect).where(Effect.id == effect_id).values(**values))
    with ledger.transaction() as session:
        assert list(dead_effects(session)) == ids[:2]
        assert list(dead_effects(session, since=START + timedelta(seconds=1))) == ids[1:2]
        assert list(dead_effects(session, limit=1)) == ids[:1]
        hands.forward(5)
        assert [retry_effect(session, i, hands.now) for i in (ids[0], ids[0], ids[2])] == [True, False, False]
        row = session.get_one(Effect, ids[0])
        assert (row.state, row.due_at, row.attempts, row.error) == ("asked", hands.now, 0, None)
    assert count(ledger, Effect) == 3


def test_refresh_target_that_failed_is_read_again(ledger: Ledger, hands: Clock) -> None:
    lab = provider(ledger)
    with ledger.transaction() as session:
        want(session, [Wish(lab, SERVER, None)], hands.now, settle=0)
        [target] = session.scalars(select(RefreshTarget.id))
        assert not retry_target(session, target, hands.now)
        session.execute(update(RefreshTarget).values(state="dead", attempts=12, error="down"))
        hands.forward(5)
        assert retry_target(session, target, hands.now)
        assert not retry_target(session, target, hands.now)
    with ledger.reading() as session:
        row = session.get_one(RefreshTarget, target)
        assert (row.state, row.attempts, row.error, row.due_at) == ("wanted", 0, None, hands.now)


def test_opened_event_waits_behind_one_that_holds_its_object(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    [one] = dead_at(present, "convert", notice(message_id="a"))
    with ledger.reading() as session:
        lab = session.scalars(select(Event.provider_id)).one()
    caught(present, lab, notice(message_id="b", seconds=1))

    def wait(event: Any, view: Any) -> Outcome:
        raise OSError("not now")

    take(present, "convert", wait)
    assert retry(present, one, hands)
    assert take(present, "convert", nothing).worked == 0
    hands.forward(10)
    take(present, "convert", nothing)
    take(present, "convert", nothing)
    assert standing(ledger) == {"a": "switchboard", "b": "switchboard"}
    exact(ledger)
