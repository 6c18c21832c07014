"""One turn of a stage: order, failure of one event alone, holds, raised events, effects, incidents."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from typing import Any, Self

import pytest
from sqlalchemy import select, text, update

from tasks.conveyor.order import ORDER
from tasks.conveyor.turn import take as take_line
from tasks.ledger.effects import Effect
from tasks.ledger.events import DeadLetter, Decision, Event, Hold, Place
from tasks.ledger.incidents import AlertFiring, Incident
from tasks.ledger.inventory import InventoryObject, RefreshRequest, RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model import event as model
from tasks.model.errors import BadPayload, Transient
from tasks.model.event import ObjectRef
from tasks.model.outcome import Ask, Finding, Firing, Handler, Outcome, Plan, Raise, View
from tests.ground import (
    HANDLERS,
    START,
    STOPPED,
    Clock,
    all_the_way,
    caught,
    count,
    errors,
    exact,
    installed,
    lanes,
    nothing,
    notice,
    only_postgresql,
    outcome_of,
    provider,
    standing,
    take,
)

SERVER = ObjectRef("server", "s1")


class Recorder:
    """A handler that notes whom it saw, and fails on those it is told to."""

    def __init__(self, **fails: Exception) -> None:
        self.seen: list[str] = []
        self.fails = fails

    def __call__(self, event: model.Event, view: View) -> Outcome:
        name = event.facts.message_id
        self.seen.append(name)
        if name in self.fails:
            raise self.fails[name]
        return Outcome(findings=[Finding("seen", name, "done")])


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


class Blocked:
    """A turn in a thread that stands in the middle of its work until ``go`` is set, at the latest at the end."""

    def __init__(self, present: Any, stage: str, handler: Handler = nothing, **more: Any) -> None:
        self.go = threading.Event()
        self._handler = handler
        self.results: list[Any] = []
        self._inside = threading.Event()
        self._thread = threading.Thread(target=lambda: self.results.append(take(present, stage, self._wait, **more)))

    def _wait(self, event: model.Event, view: View) -> Outcome:
        self._inside.set()
        assert self.go.wait(20)
        return self._handler(event, view)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._inside.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self._thread.join()


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
def test_lane_is_taken_for_one_stage_and_free_for_the_others(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    lane = list(caught(present, lab, notice(message_id="a")).lanes)
    take(present, "convert", nothing)
    with Blocked(present, "switchboard", lanes=lane):
        caught(present, lab, notice(message_id="b", seconds=1))
        assert take(present, "convert", nothing, lanes=lane).worked == 1
    assert standing(ledger) == {"a": "policy", "b": "switchboard"}


@only_postgresql
@pytest.mark.parametrize("ends", ["well", "dead"])
def test_events_of_one_object_that_fail_at_two_stages_at_once_both_hold_it(
    ledger: Ledger, hands: Clock, ends: str
) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(message_id="a"))
    take(present, "convert", nothing)
    caught(present, lab, notice(message_id="b", seconds=1), notice(message_id="c", seconds=2))
    with Blocked(present, "convert", Recorder(b=Transient("not yet", after=60))):
        assert take(present, "switchboard", Recorder(a=OSError("no"))).failed == 1
    assert count(ledger, Hold) == 1
    hands.forward(10)
    # The first one is through, or dead: the second one still waits, and nobody passes it.
    done = take(present, "switchboard", Recorder(**({} if ends == "well" else {"a": BadPayload("never")})))
    assert done.worked + done.failed == 1
    recorder = Recorder()
    assert take(present, "convert", recorder).worked == 0
    hands.forward(60)
    take(present, "convert", recorder)
    take(present, "convert", recorder)
    assert recorder.seen == ["b", "c"]
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


def _raising(*wishes: Raise, asks: tuple[Ask, ...] = ()) -> Any:
    return outcome_of(lambda event: Outcome(raises=list(wishes), asks=list(asks)) if not event.depth else Outcome())


def _back_to(ledger: Ledger, stage: str) -> None:
    """As if the turn's commit were undone for this event alone: it stands at the stage again."""
    with ledger.transaction() as session:
        session.execute(update(Place).values(stage=stage))


def test_raised_event_enters_at_the_switchboard_with_its_cause(ledger: Ledger) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice(message_id="a", seconds=5))
    take(present, "convert")
    done = take(present, "switchboard", _raising(Raise("vm_poweroff", SERVER)))
    with ledger.reading() as session:
        child = session.scalars(select(Event).where(Event.raised)).one()
        cause = session.scalars(select(Event).where(~Event.raised)).one()
        place = session.get_one(Place, child.id)
    assert (child.parent_id, child.depth, child.event_type) == (cause.id, 1, "vm_poweroff")
    assert (child.occurred_at, child.tenant_id, child.actor) == (cause.occurred_at, "red", "erin")
    assert (place.stage, {place.lane}) == ("switchboard", done.raised_lanes)
    internal = exact(ledger)["internal"]
    assert (internal.received, internal.stored, internal.pending) == (1, 1, 1)
    all_the_way(present, dict.fromkeys(ORDER, nothing))
    assert exact(ledger)["internal"].finished == exact(ledger)["lab"].finished == 1


def test_repeated_turn_raises_and_asks_nothing_twice(ledger: Ledger) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice(message_id="a"))
    take(present, "convert")
    twice = (Ask("log", "r", {"n": 1}), Ask("log", "r", {"n": 2}), Ask("log", "r", {"n": 3}, ordinal=1))
    handler = _raising(Raise("vm_poweroff", SERVER), Raise("vm_poweroff", SERVER), asks=twice)
    first = take(present, "switchboard", handler, limit=1)
    assert len(first.effects) == 2
    assert exact(ledger)["internal"].stored == 2
    _back_to(ledger, "switchboard")
    second = take(present, "switchboard", handler, limit=1)
    assert (second.worked, second.effects, second.raised_lanes) == (1, [], set())
    assert count(ledger, Event, Event.raised) == 2
    assert exact(ledger)["internal"].stored == 2
    with ledger.reading() as session:
        effects = session.scalars(select(Effect).order_by(Effect.id)).all()
    # Of two that share a key the first one counts.
    assert [(e.params, e.state, e.site_version) for e in effects] == [
        ({"n": 1}, "asked", "v1"),
        ({"n": 3}, "asked", "v1"),
    ]


def test_chain_of_raised_events_is_cut_at_the_depth_of_the_site(ledger: Ledger) -> None:
    present = installed(ledger, conveyor={"depth": 3})
    caught(present, provider(ledger), notice(message_id="a"))
    again = outcome_of(lambda event: Outcome(raises=[Raise("vm_start", SERVER)]))
    handlers = {**dict.fromkeys(ORDER, nothing), "switchboard": again}
    all_the_way(present, handlers)
    with ledger.reading() as session:
        rows = session.execute(select(Event.depth, Event.state).order_by(Event.depth)).all()
    assert rows == [(0, "finished"), (1, "finished"), (2, "finished"), (3, "finished"), (4, "dead")]
    [error] = errors(ledger).values()
    assert "more than 3 deep" in error
    assert "conveyor.depth" in error
    internal = exact(ledger)["internal"]
    assert (internal.received, internal.finished, internal.dead, internal.pending) == (4, 3, 1, 0)


def test_raised_event_speaks_with_the_words_of_its_first_cause(ledger: Ledger) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice(message_id="a", payload={"state": "stopped"}))
    said: dict[int, Any] = {}

    def handle(event: model.Event, view: View) -> Outcome:
        said[event.depth] = event.payload["content"]["payload"]["state"]
        assert set(event.payload) == {"form", "content"}
        return Outcome(raises=[Raise("vm_start", SERVER)] if event.depth < 3 else [])

    all_the_way(present, {**dict.fromkeys(ORDER, nothing), "switchboard": handle})
    assert said == dict.fromkeys(range(4), "stopped")


def test_object_of_a_raised_event_is_known_at_once_and_read(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(message_id="a"))
    take(present, "convert")
    done = take(present, "switchboard", _raising(Raise("vm_start", SERVER)))
    assert done.reads
    with ledger.reading() as session:
        known = session.scalars(select(InventoryObject)).one()
        target = session.scalars(select(RefreshTarget)).one()
        cause = session.scalars(select(Event).where(~Event.raised)).one()
        request = session.scalars(select(RefreshRequest)).one()
    assert (known.kind, known.ref, known.state) == ("server", "s1", "stub")
    assert (target.kind, target.ref, target.state, target.event_id) == ("server", "s1", "wanted", cause.id)
    assert (request.event_id, request.target_id, request.generation) == (cause.id, target.id, 1)
    # Once it is known, raising another event on it reads nothing by itself.
    caught(present, lab, notice(message_id="b", seconds=1))
    take(present, "convert")
    assert not take(present, "switchboard", _raising(Raise("vm_stop", SERVER))).reads


def test_events_of_a_provider_wait_before_the_switchboard_until_it_is_ready(ledger: Ledger) -> None:
    present, new = installed(ledger), provider(ledger, ready=False)
    provider(ledger, "old")
    caught(present, new, notice(message_id="a"))
    assert take(present, "convert").worked == 1
    waiting = take(present, "switchboard")
    assert (waiting.worked, waiting.remaining) == (0, [])
    assert standing(ledger) == {"a": "switchboard"}
    with ledger.transaction() as session:
        session.execute(update(Provider).where(Provider.id == new).values(ready_at=START))
    all_the_way(present)
    assert standing(ledger)["a"] == "finished"


def test_plan_reaches_the_stages_behind_the_switchboard(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice(message_id="a"))
    take(present, "convert")
    plan = Plan(enforce=True, targets=[SERVER, ObjectRef("volume", "v1")])
    take(present, "switchboard", outcome_of(lambda event: Outcome(plan=plan)))
    seen: list[Plan] = []

    def look(event: model.Event, view: View) -> Outcome:
        seen.append(Plan.from_dict(event.plan))
        if len(seen) == 1:
            raise OSError("not yet")
        return Outcome()

    take(present, "policy", look)
    hands.forward(10)
    take(present, "policy", look)
    take(present, "alert", look)
    done = take(present, "refresh")
    assert seen == [plan] * 3
    assert done.reads
    assert count(ledger, RefreshTarget) == 2
    with ledger.reading() as session:
        found = session.scalars(select(Decision).where(Decision.stage == "refresh")).one()
        assert [finding["name"] for finding in found.findings] == ["server/s1", "volume/v1"]


def test_wishes_of_many_events_are_one_target(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), *(notice(message_id=str(n), seconds=n) for n in range(100)))
    all_the_way(present, {"switchboard": outcome_of(lambda event: Outcome(plan=Plan(targets=[SERVER])))})
    with ledger.reading() as session:
        [target] = session.scalars(select(RefreshTarget))
        last = session.scalars(select(Event.id).where(Event.message_id == "99")).one()
    assert (target.wanted, target.read, target.event_id) == (100, 0, last)
    assert (target.due_at - hands.now).total_seconds() == 0.5
    assert count(ledger, RefreshRequest) == 100


def _firing(notify: bool = True) -> Firing:
    return Firing("down", SERVER, "warning", "s1 is down", notify)


def test_firings_on_one_object_are_one_incident_that_counts(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    states: list[tuple[Any, bool]] = []

    def fire(event: model.Event, view: View) -> Outcome:
        state = view.alert_state("down", "lab", SERVER)
        states.append((state.fired_at, state.open))
        return Outcome(firings=[_firing(notify=state.fired_at is None)])

    caught(present, lab, *(notice(message_id=str(n), seconds=n) for n in range(3)))
    first = hands.now
    take(present, "convert", fire)
    hands.forward(60)
    caught(present, lab, notice(message_id="3", seconds=3))
    take(present, "convert", fire)
    assert states == [(None, False), (first, True), (first, True), (first, True)]
    with ledger.reading() as session:
        incident = session.scalars(select(Incident)).one()
        assert (incident.count, incident.opened_at, incident.last_at) == (4, first, hands.now)
        assert incident.event_id == session.scalars(select(Event.id).where(Event.message_id == "0")).one()
        assert session.scalars(select(AlertFiring.notified_at)).all() == [first]


def test_decision_of_every_stage_is_kept_with_the_site_that_took_it(ledger: Ledger) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice("image.update", None, message_id="a"))
    all_the_way(present)
    with ledger.reading() as session:
        rows = session.execute(select(Decision.stage, Decision.site_version, Decision.error).order_by(Decision.id))
        assert rows.all() == [(stage, "v1", None) for stage in ORDER]


# One turn through several stages (conveyor.fuse).


def _fused(present: Any, handlers: dict[str, Any], stage: str = "convert") -> Any:
    line = [(name, handlers.get(name, nothing)) for name in ORDER[ORDER.index(stage) :]]
    return take_line(present, line, lanes(present))


def test_fused_turn_carries_a_batch_to_its_end(ledger: Ledger) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), *(notice(server=f"s{n}", message_id=f"m{n}") for n in range(5)))
    done = _fused(present, HANDLERS)
    assert done.worked == 5
    assert {n: s for n, s in standing(ledger).items() if n[0] == "m"} == {f"m{n}": "finished" for n in range(5)}
    assert count(ledger, Decision) == 25
    assert count(ledger, Event, Event.raised, Event.event_type == "vm_poweroff") == 5
    assert exact(ledger)["internal"].pending == 5
    assert _fused(present, HANDLERS, "switchboard").worked == 5
    assert exact(ledger)["internal"].finished == 5


def test_fused_turn_keeps_what_was_concluded_before_a_failure(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    caught(
        present,
        provider(ledger),
        notice(message_id="bad", seconds=0),
        notice(message_id="behind", seconds=1),
        notice(message_id="free", server="s2"),
    )
    plan = outcome_of(lambda event: Outcome(plan=Plan(enforce=True), asks=[Ask("log", "r", {})]))
    done = _fused(present, {**HANDLERS, "switchboard": plan, "alert": Recorder(bad=OSError("x"))})
    assert (done.worked, done.failed, len(done.effects)) == (1, 1, 3)
    assert standing(ledger) == {"bad": "alert", "behind": "alert", "free": "finished"}
    hands.forward(10)
    seen: list[Any] = []

    def look(event: model.Event, view: View) -> Outcome:
        seen.append((event.facts.message_id, event.facts.tenant_id, Plan.from_dict(event.plan).enforce))
        return Outcome()

    _fused(present, {"alert": look}, "alert")
    _fused(present, {"alert": look}, "alert")
    assert seen == [("bad", "red", True), ("behind", "red", True)]
    assert set(standing(ledger).values()) == {"finished"}
    assert (count(ledger, Hold), count(ledger, Effect)) == (0, 3)
    exact(ledger)


def test_fused_turn_counts_the_tries_of_each_stage_by_themselves(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, conveyor={"attempts": 3})
    caught(present, provider(ledger), notice(message_id="a"))
    for _ in range(2):
        _fused(present, {"convert": Recorder(a=OSError("x"))})
        hands.forward(100)
    _fused(present, {"policy": Recorder(a=OSError("y"))})
    assert standing(ledger) == {"a": "policy"}
    with ledger.reading() as session:
        assert session.scalars(select(Place.attempts)).one() == 1
    hands.forward(100)
    _fused(present, {}, "policy")
    assert standing(ledger) == {"a": "finished"}
    assert count(ledger, Hold) == 0


def test_fused_turn_leaves_no_hold_behind_where_a_provider_is_not_ready(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger, ready=False)
    caught(present, lab, notice(message_id="a"))
    _fused(present, {"convert": Recorder(a=OSError("x"))})
    hands.forward(10)
    _fused(present, {})
    assert standing(ledger) == {"a": "switchboard"}
    with ledger.transaction() as session:
        session.execute(update(Provider).where(Provider.id == lab).values(ready_at=START))
    _fused(present, {}, "switchboard")
    assert standing(ledger) == {"a": "finished"}
    caught(present, lab, notice(message_id="b", seconds=1))
    assert _fused(present, {}).worked == 1
    assert count(ledger, Hold) == 0
    exact(ledger)


def test_fused_turn_with_an_outcome_that_cannot_be_written_fails_that_event_alone(ledger: Ledger) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), *(notice(server=f"s{n}", message_id=f"m{n}") for n in range(4)))

    def handle(event: model.Event, view: View) -> Outcome:
        bad = event.facts.message_id == "m2"
        return Outcome(findings=[Finding("a", "b", "c", {"x": float("inf") if bad else 1})])

    _fused(present, {"switchboard": handle})
    assert set(standing(ledger).values()) == {"switchboard"}
    _fused(present, {"switchboard": handle}, "switchboard")
    assert standing(ledger) == {"m0": "policy", "m1": "policy", "m2": "switchboard", "m3": "policy"}
    _fused(present, {}, "policy")
    assert sorted(standing(ledger).values()) == ["finished"] * 3 + ["switchboard"]
    exact(ledger)


def test_turn_on_no_lane_does_nothing(ledger: Ledger) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice(STOPPED))
    done = take(present, "convert", nothing, lanes=[])
    assert (done.worked, done.remaining) == (0, [])
    with ledger.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM decision")) == 0
