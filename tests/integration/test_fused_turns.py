"""One turn through several stages (conveyor.fuse) keeps every promise that single turns keep."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from tasks.conveyor.order import ORDER
from tasks.conveyor.turn import take as take_line
from tasks.ledger.effects import Effect
from tasks.ledger.events import Decision, Digest, Event, Hold, Place
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model import event as model
from tasks.model.outcome import Ask, Finding, Outcome, Plan, View
from tests.ground import (
    HANDLERS,
    START,
    Clock,
    caught,
    count,
    exact,
    installed,
    lanes,
    nothing,
    notice,
    outcome_of,
    provider,
    standing,
)
from tests.turn_ground import Recorder


def fusing(ledger: Ledger, **conveyor: Any) -> Any:
    """An installation whose turns always go as far as they can."""
    return installed(ledger, conveyor={"fuse": "always", **conveyor})


def _fused(present: Any, handlers: dict[str, Any], stage: str = "convert") -> Any:
    line = [(name, handlers.get(name, nothing)) for name in ORDER[ORDER.index(stage) :]]
    return take_line(present, line, lanes(present))


def test_fused_turn_carries_a_batch_to_its_end(ledger: Ledger) -> None:
    present = fusing(ledger)
    caught(present, provider(ledger), *(notice(server=f"s{n}", message_id=f"m{n}") for n in range(5)))
    done = _fused(present, HANDLERS)
    assert done.worked == 10
    assert {n: s for n, s in standing(ledger).items() if n[0] == "m"} == {f"m{n}": "finished" for n in range(5)}
    assert count(ledger, Event, Event.raised, Event.event_type == "vm_poweroff") == 5
    assert exact(ledger)["internal"].finished == 5
    # Ten events on five objects, told in the words of two: those that were caught, and those that were raised.
    assert (count(ledger, Decision), count(ledger, Digest)) == (0, 2)
    assert done.through


def test_fused_turn_keeps_what_was_concluded_before_a_failure(ledger: Ledger, hands: Clock) -> None:
    present = fusing(ledger)
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
    present = fusing(ledger, attempts=3)
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
    present, lab = fusing(ledger), provider(ledger, ready=False)
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
    present = fusing(ledger)
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
