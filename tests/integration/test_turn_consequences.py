"""What a turn writes beside its events: raised events, effects, wishes, incidents, decisions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from tasks.conveyor.order import ORDER
from tasks.ledger.effects import Effect
from tasks.ledger.events import Decision, Event, Place
from tasks.ledger.incidents import AlertFiring, Incident
from tasks.ledger.inventory import InventoryObject, RefreshRequest, RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model import event as model
from tasks.model.event import ObjectRef
from tasks.model.outcome import Ask, Firing, Outcome, Plan, Raise, View
from tests.ground import (
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
    outcome_of,
    provider,
    standing,
    take,
)

SERVER = ObjectRef("server", "s1")


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
        assert incident.notified_by == incident.event_id
        assert session.scalars(select(AlertFiring.notified_at)).all() == [first]


def test_an_incident_knows_the_event_on_which_people_were_last_notified(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    notify = iter((False, True, True, False))

    def fire(event: model.Event, view: View) -> Outcome:
        return Outcome(firings=[_firing(notify=next(notify))])

    known: list[str | None] = []
    for numbers in ((0,), (1,), (2, 3)):
        caught(present, lab, *(notice(message_id=str(n), seconds=n) for n in numbers))
        take(present, "convert", fire)
        with ledger.reading() as session:
            named = select(Event.message_id).join(Incident, Incident.notified_by == Event.id)
            known.append(session.scalars(named).one_or_none())
    assert known == [None, "1", "2"]


def test_decision_of_every_stage_is_kept_with_the_site_that_took_it(ledger: Ledger) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice("image.update", None, message_id="a"))
    all_the_way(present)
    with ledger.reading() as session:
        rows = session.execute(select(Decision.stage, Decision.site_version, Decision.error).order_by(Decision.id))
        assert rows.all() == [(stage, "v1", None) for stage in ORDER]
