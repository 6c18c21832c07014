"""One turn of a stage: order within an object, failure of one event alone, lanes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from sqlalchemy import select, text

from tasks.conveyor.order import ORDER
from tasks.ledger.effects import Effect
from tasks.ledger.events import DeadLetter, Decision, Event, Hold, Place
from tasks.ledger.session import Ledger
from tasks.model import event as model
from tasks.model.errors import BadPayload, Transient
from tasks.model.event import ObjectRef
from tasks.model.outcome import Ask, Finding, Firing, Outcome
from tests.ground import (
    STOPPED,
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
from tests.turn_ground import Blocked, Recorder

SERVER = ObjectRef("server", "s1")


def test_events_of_an_object_are_worked_in_the_order_in_which_they_happened(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    batch = [notice(server=f"s{n % 3}", message_id=f"{n % 3}:{n}", seconds=n) for n in range(30)]
    random.Random(7).shuffle(batch)
    for start in range(0, 30, 10):
        caught(present, lab, *batch[start : start + 10])
    recorder = Recorder()
    assert take(present, "convert", recorder).worked == 30
    for server in range(3):
        assert [s for s in recorder.seen if s.startswith(f"{server}:")] == [
            f"{server}:{n}" for n in range(30) if n % 3 == server
        ]


def test_turn_takes_no_more_than_its_limit_and_names_what_remains(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    stored = caught(present, lab, *(notice(server=f"s{n}", seconds=n, message_id=str(n)) for n in range(20)))
    recorder = Recorder()
    first = take(present, "convert", recorder, limit=15)
    assert (first.worked, recorder.seen) == (15, [str(n) for n in range(15)])
    with ledger.reading() as session:
        left = set(session.scalars(select(Place.lane).where(Place.stage == "convert")))
    assert set(first.remaining) == left <= stored.lanes
    assert take(present, "convert", recorder, limit=15).remaining == []
    assert len(recorder.seen) == 20
    # A message that comes twice does nothing the second time.
    again = take(present, "convert", recorder)
    assert (again.worked, again.failed, len(recorder.seen)) == (0, 0, 20)


def test_only_the_lanes_that_are_named_are_worked(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    stored = caught(present, lab, *(notice(server=f"s{n}") for n in range(20)))
    one = min(stored.lanes)
    worked = take(present, "convert", nothing, lanes=[one]).worked
    assert 0 < worked < 20
    assert count(ledger, Place, Place.stage == "convert", Place.lane == one) == 0
    assert count(ledger, Place, Place.stage == "convert") == 20 - worked


def test_failed_event_holds_its_object_and_nobody_else(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(
        present,
        lab,
        notice(message_id="before", seconds=0),
        notice(message_id="bad", seconds=1),
        notice(message_id="behind", seconds=2),
        notice(message_id="neighbour", server="s2", seconds=3),
        notice("image.update", None, message_id="alone", seconds=4),
    )
    failing = Recorder(bad=OSError("no answer"))
    done = take(present, "convert", failing)
    assert (done.worked, done.failed, done.remaining) == (3, 1, [])
    assert failing.seen == ["before", "bad", "neighbour", "alone"]
    places = {**dict.fromkeys(("before", "neighbour", "alone"), "switchboard"), "bad": "convert", "behind": "convert"}
    assert standing(ledger) == places
    with ledger.reading() as session:
        [hold] = session.scalars(select(Hold))
        bad = session.scalars(select(Event).where(Event.message_id == "bad")).one()
        assert (hold.event_id, hold.object_key) == (bad.id, "lab/server/s1")
        [error] = session.scalars(select(Decision.error).where(Decision.event_id == bad.id))
        assert error == "OSError: no answer"
        place = session.get_one(Place, bad.id)
        assert place.attempts == 1
        assert 1.8 <= (place.due_at - hands.now).total_seconds() <= 2.2
    # While it waits, another object goes on and its own does not, at any stage.
    caught(present, lab, notice(message_id="newer", seconds=9), notice(message_id="other", server="s2", seconds=9))
    well = Recorder()
    assert take(present, "convert", well).worked == 1
    assert take(present, "switchboard", well).worked == 3
    assert set(well.seen) == {"other", "neighbour", "alone"}
    exact(ledger)
    hands.forward(2.5)
    well.seen.clear()
    assert take(present, "convert", well).worked == 1
    assert count(ledger, Hold) == 0
    assert take(present, "convert", well).worked == 2
    assert well.seen == ["bad", "behind", "newer"]
    all_the_way(present, dict.fromkeys(ORDER, nothing))
    assert set(standing(ledger).values()) == {"finished"}
    assert exact(ledger)["lab"].finished == 7


def test_pauses_double_and_a_provider_may_ask_for_a_longer_one(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, conveyor={"backoff_seconds": 2, "backoff_limit_seconds": 20})
    caught(present, provider(ledger), notice(message_id="a"))
    pauses = []
    for error in [OSError("x"), OSError("x"), Transient("x", after=15), Transient("x", after=500), OSError("x")]:
        assert take(present, "convert", Recorder(a=error)).failed == 1
        with ledger.reading() as session:
            due = session.scalars(select(Place.due_at)).one()
        pauses.append((due - hands.now).total_seconds())
        assert take(present, "convert", Recorder(a=error)).failed == 0
        hands.now = due
    assert [round(pause, -1) if pause > 5 else pause for pause in pauses] == [
        pytest.approx(2, rel=0.11),
        pytest.approx(4, rel=0.11),
        *([pytest.approx(20, abs=5)] * 3),
    ]


def test_permanent_failure_goes_to_the_desk_at_once_and_frees_its_object(ledger: Ledger) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice(message_id="bad"), notice(message_id="behind", seconds=1))
    done = take(present, "convert", Recorder(bad=BadPayload("there is no uuid")))
    # The one behind it is free again, and rung for.
    assert (done.worked, done.failed, len(done.remaining)) == (0, 1, 1)
    assert errors(ledger) == {"bad": "BadPayload: there is no uuid"}
    with ledger.reading() as session:
        letter = session.scalars(select(DeadLetter)).one()
        assert (letter.stage, letter.attempts) == ("convert", 1)
    assert count(ledger, Hold) == 0
    assert take(present, "convert", nothing).worked == 1
    assert exact(ledger)["lab"].dead == 1


def test_event_dies_when_its_tries_are_used_up(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, conveyor={"attempts": 3})
    caught(present, provider(ledger), notice(message_id="bad"), notice(message_id="behind", seconds=1))
    for tries in (1, 2, 3):
        assert standing(ledger)["bad"] == "convert"
        assert take(present, "convert", Recorder(bad=ValueError(f"try {tries}"))).failed == 1
        hands.forward(100)
    assert errors(ledger) == {"bad": "ValueError: try 3"}
    assert count(ledger, Decision) == 3
    assert count(ledger, Hold) == 0
    assert take(present, "convert", nothing).worked == 1
    line = exact(ledger)["lab"]
    assert (line.dead, line.pending, line.stored) == (1, 1, 2)


def test_tries_are_counted_anew_at_the_next_stage(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, conveyor={"attempts": 3})
    caught(present, provider(ledger), notice(message_id="a"))
    for stage in ORDER[:3]:
        for _ in range(2):
            assert take(present, stage, Recorder(a=OSError("later"))).failed == 1
            hands.forward(100)
        assert take(present, stage, nothing).worked == 1
    assert standing(ledger) == {"a": "alert"}
    assert count(ledger, Hold) == 0


@only_postgresql
def test_lane_has_one_worker_at_a_time_and_who_has_it_rings_for_the_rest(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(message_id="a"))
    recorder = Recorder()
    with Blocked(present, "convert") as blocked:
        # The same lane gets more while somebody works on it, and whoever is rung for finds it taken.
        stored = caught(present, lab, notice(message_id="b", seconds=1), notice(server="s5", message_id="c"))
        second = take(present, "convert", recorder, lanes=sorted(stored.lanes))
        assert (second.worked, second.failed, recorder.seen) == (0, 0, [])
    [first] = blocked.results
    assert first.worked == 1
    assert set(first.remaining) == stored.lanes
    assert take(present, "convert", recorder).worked == 2
    exact(ledger)


@only_postgresql
def test_free_lanes_are_worked_while_others_are_taken(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    stored = caught(present, lab, *(notice(server=f"s{n}", message_id=str(n)) for n in range(12)))
    mine = sorted(stored.lanes)[:2]
    with Blocked(present, "convert", lanes=mine) as blocked:
        other = take(present, "convert", nothing)
    [own] = blocked.results
    assert own.worked > 0
    assert other.worked + own.worked == 12
    # Who has a lane answers the bells for it.
    assert set(other.remaining) & set(mine) == set()


@only_postgresql
def test_lane_is_taken_for_all_stages_and_its_holder_looks_after_what_came_meanwhile(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    lane = list(caught(present, lab, notice(message_id="a")).lanes)
    take(present, "convert", nothing)
    with Blocked(present, "switchboard", lanes=lane) as holder:
        caught(present, lab, notice(message_id="b", seconds=1))
        missed = take(present, "convert", nothing, lanes=lane)
        assert (missed.worked, missed.remaining, missed.behind) == (0, [], {})
    [turn] = holder.results
    assert (turn.worked, turn.behind) == (1, {"convert": lane})
    assert standing(ledger) == {"a": "policy", "b": "convert"}


def test_an_earlier_event_is_not_lost_behind_a_later_one_that_fails_at_an_earlier_stage(
    ledger: Ledger, hands: Clock
) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(message_id="a"))
    take(present, "convert", nothing)
    caught(present, lab, notice(message_id="b", seconds=1), notice(message_id="c", seconds=2))
    assert take(present, "convert", Recorder(b=OSError("not yet"))).failed == 1
    assert take(present, "switchboard", nothing).worked == 0
    assert count(ledger, Hold) == 1
    hands.forward(10)
    recorder = Recorder()
    assert take(present, "convert", recorder).worked == 1
    assert take(present, "convert", recorder).worked == 1
    assert take(present, "switchboard", recorder).worked == 3
    assert recorder.seen == ["b", "c", "a", "b", "c"]
    assert count(ledger, Hold) == 0
    exact(ledger)


def _refused(event: model.Event, how: str) -> Outcome:
    if event.facts.message_id != "bad":
        return Outcome(asks=[Ask("log", "rule", {"message": "fine"})])
    return {
        "not a number": lambda: Outcome(findings=[Finding("a", "b", "c", {"size": float("nan")})]),
        "no value": lambda: Outcome(findings=[Finding("a", "b", "c", {"what": object()})]),
        "surrogate": lambda: Outcome(findings=[Finding("a", "b", "half a \ud800 character")]),
        "nothing where something must be": lambda: Outcome(firings=[Firing("x", SERVER, None, "s", False)]),  # type: ignore[arg-type]  # the fault
        "NUL in a column": lambda: Outcome(facts=replace(event.facts, actor="a\x00b"), asks=[Ask("a", "\x00", {})]),
        "no outcome": lambda: None,
    }[how]()  # type: ignore[return-value]  # the fault


@pytest.mark.parametrize(
    "how",
    ["not a number", "no value", "surrogate", "nothing where something must be", "NUL in a column", "no outcome"],
)
def test_outcome_that_cannot_be_written_fails_its_event_alone(ledger: Ledger, hands: Clock, how: str) -> None:
    if how == "NUL in a column" and ledger.dialect == "sqlite":
        pytest.skip("SQLite takes NUL in a text")
    present = installed(ledger, conveyor={"attempts": 2})
    caught(
        present,
        provider(ledger),
        notice(message_id="one", server="s1"),
        notice(message_id="bad", server="s2"),
        notice(message_id="behind", server="s2", seconds=1),
        notice(message_id="two", server="s3"),
    )
    handler = outcome_of(lambda event: _refused(event, how))
    done = take(present, "convert", handler)
    assert (done.worked, done.failed, len(done.effects), done.remaining) == (2, 1, 2, [])
    assert standing(ledger) == {"one": "switchboard", "two": "switchboard", "bad": "convert", "behind": "convert"}
    exact(ledger)
    hands.forward(100)
    take(present, "convert", handler)
    assert standing(ledger)["bad"] == "dead"
    assert "convert" in errors(ledger)["bad"]
    take(present, "convert", handler)
    assert standing(ledger)["behind"] == "switchboard"
    assert count(ledger, Effect) == 3
    exact(ledger)


def test_turn_on_no_lane_does_nothing(ledger: Ledger) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice(STOPPED))
    done = take(present, "convert", nothing, lanes=[])
    assert (done.worked, done.remaining) == (0, [])
    with ledger.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM decision")) == 0
