"""A backlog is carried to its end in one turn, in order, and told in digest."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from tasks.conveyor.order import ORDER
from tasks.conveyor.prune import expire
from tasks.conveyor.turn import take as take_line
from tasks.ledger import digest
from tasks.ledger.events import Decision, Digest, Event, Hold, Place
from tasks.ledger.session import Ledger
from tasks.ledger.why import why
from tasks.model import event as model
from tasks.model.event import ObjectRef
from tasks.model.outcome import Finding, Outcome, Raise, View
from tests.ground import Clock, caught, count, exact, installed, lanes, nothing, notice, provider, standing, take
from tests.turn_ground import Recorder


def carried(present: Any, handlers: dict[str, Any], stage: str = "convert", limit: int | None = None) -> Any:
    """One turn that may go as far as the settings let it."""
    line = [(name, handlers.get(name, nothing)) for name in ORDER[ORDER.index(stage) :]]
    return take_line(present, line, lanes(present), limit)


def backlog(ledger: Ledger, **conveyor: Any) -> Any:
    """An installation for which three events are a backlog."""
    return installed(ledger, conveyor={"fuse_from": 3, "fuse_within_seconds": 0, **conveyor})


def test_a_backlog_goes_to_its_end_and_a_trickle_goes_stage_by_stage(ledger: Ledger) -> None:
    present, lab = backlog(ledger), provider(ledger)
    caught(present, lab, notice(message_id="a"), notice(message_id="b", server="s2"))
    few = carried(present, {})
    assert (few.worked, few.through) == (2, False)
    assert set(standing(ledger).values()) == {"switchboard"}
    take(present, "switchboard", nothing)
    caught(present, lab, *(notice(message_id=f"m{n}", server=f"s{n}") for n in range(3, 6)))
    many = carried(present, {})
    assert (many.worked, many.through) == (5, True)
    assert set(standing(ledger).values()) == {"finished"}
    exact(ledger)


def test_what_stands_further_on_is_taken_along_before_it_can_be_overtaken(ledger: Ledger) -> None:
    present, lab = backlog(ledger), provider(ledger)
    caught(present, lab, notice(message_id="first"))
    take(present, "convert", nothing)
    take(present, "switchboard", nothing)
    caught(present, lab, *(notice(message_id=f"m{n}", seconds=n) for n in range(1, 4)))
    policy = Recorder()
    assert carried(present, {"policy": policy}).worked == 4
    assert policy.seen == ["first", "m1", "m2", "m3"]
    exact(ledger)


def test_nobody_passes_more_events_than_one_turn_takes(ledger: Ledger) -> None:
    present, lab = backlog(ledger), provider(ledger)
    caught(present, lab, *(notice(message_id=f"old{n}", seconds=n) for n in range(5)))
    take(present, "convert", nothing)
    caught(present, lab, *(notice(message_id=f"new{n}", seconds=10 + n) for n in range(3)))
    order = Recorder()
    turn = carried(present, {"switchboard": order}, limit=3)
    assert order.seen == []
    assert turn.behind == {"switchboard": turn.behind["switchboard"]}
    assert set(standing(ledger).values()) == {"switchboard"}
    while carried(present, {"switchboard": order}, "switchboard", limit=3).worked:
        pass
    assert order.seen == [*(f"old{n}" for n in range(5)), *(f"new{n}" for n in range(3))]
    exact(ledger)


def test_raised_events_go_along_right_behind_their_cause(ledger: Ledger) -> None:
    present, lab = backlog(ledger), provider(ledger)
    caught(present, lab, *(notice(message_id=f"m{n}", seconds=n) for n in range(3)))

    def once(event: model.Event, view: View) -> Outcome:
        return Outcome() if event.depth else Outcome(raises=[Raise("vm_poweroff", ObjectRef("server", "s1"))])

    policy = Recorder()
    turn = carried(present, {"switchboard": once, "policy": policy})
    assert (turn.worked, turn.raised_lanes) == (6, set())
    assert [name.split(":")[0] for name in policy.seen] == ["m0", "raised", "m1", "raised", "m2", "raised"]
    assert count(ledger, Place) == 0
    assert exact(ledger)["internal"].finished == 3


def test_events_raised_on_other_objects_are_rung_for(ledger: Ledger) -> None:
    present, lab = backlog(ledger), provider(ledger)
    caught(present, lab, *(notice(message_id=f"m{n}", seconds=n) for n in range(3)))

    def elsewhere(event: model.Event, view: View) -> Outcome:
        return Outcome() if event.depth else Outcome(raises=[Raise("host_down", ObjectRef("host", "node7"))])

    turn = carried(present, {"switchboard": elsewhere})
    assert turn.worked == 3
    assert len(turn.raised_lanes) == 1
    assert exact(ledger)["internal"].pending == 3


def test_a_raised_event_that_fails_waits_for_its_retry_with_its_object(ledger: Ledger, hands: Clock) -> None:
    present, lab = backlog(ledger), provider(ledger)
    caught(present, lab, *(notice(message_id=f"m{n}", seconds=n) for n in range(3)))

    def raising(event: model.Event, view: View) -> Outcome:
        if event.depth:
            raise OSError("not now")
        first = event.facts.message_id == "m0"
        return Outcome(raises=[Raise("vm_poweroff", ObjectRef("server", "s1"))] if first else [])

    policy = Recorder()
    turn = carried(present, {"switchboard": raising, "policy": policy})
    assert (turn.failed, policy.seen) == (1, ["m0", "m1", "m2"])
    assert (count(ledger, Hold), exact(ledger)["internal"].pending) == (1, 1)
    hands.forward(10)
    assert take(present, "switchboard", nothing).worked == 1
    assert count(ledger, Hold) == 0
    exact(ledger)


def test_a_storm_is_told_in_digest_and_each_event_in_its_own_words(ledger: Ledger) -> None:
    present, lab = backlog(ledger), provider(ledger)
    caught(present, lab, *(notice(message_id=f"m{n}", server=f"server-{n % 7}", seconds=n) for n in range(40)))

    def about(event: model.Event, view: View) -> Outcome:
        return Outcome(findings=[Finding("target", str(event.target()), "wanted", {"size": None})])

    assert carried(present, {"refresh": about}).worked == 40
    caught(present, lab, *(notice(message_id=f"n{n}", server="server-3", seconds=100 + n) for n in range(3)))
    assert carried(present, {"refresh": about}).worked == 3
    assert (count(ledger, Decision), count(ledger, Digest)) == (0, 2)
    with ledger.reading() as session:
        event_id = session.scalars(select(Event.id).where(Event.message_id == "m10")).one()
        found = why(session, event_id)
        assert session.scalar(select(func.sum(Digest.events))) == 43
    assert found is not None
    assert [line.stage for line in found.decisions] == list(ORDER)
    assert found.decisions[-1].findings == [
        {"kind": "target", "name": "server/server-3", "verdict": "wanted", "detail": {"size": None}}
    ]
    assert found.decisions[-1].alike is not None
    assert found.decisions[-1].alike.events == 43


def test_a_template_gives_back_what_it_was_made_of_whatever_the_object_is_called() -> None:
    for name in ("s1", 'a"b', "a\\b", "a", "\x1a", "ü", "null", None):
        steps = [("convert", [Finding("k", f"server/{name}", "a\x1ab", {"a": [1, None, name]})]), ("alert", [])]
        text = digest.template(steps, name)
        assert digest.told(text, name) == [(stage, [f.as_dict() for f in found]) for stage, found in steps]


def test_digests_go_with_the_last_of_their_events(ledger: Ledger, hands: Clock) -> None:
    present, lab = backlog(ledger), provider(ledger)
    caught(present, lab, *(notice(message_id=f"m{n}", seconds=n * 86_400) for n in range(3)))
    assert carried(present, {}).worked == 3
    kept = present.site.settings.retention_days * 86_400
    hands.forward(kept + 86_400 * 1.5)
    assert expire(ledger, present.site.settings, hands.now) == 2
    assert count(ledger, Digest) == 1
    hands.forward(86_400)
    assert expire(ledger, present.site.settings, hands.now) == 1
    assert count(ledger, Digest) == count(ledger, Event) == 0
