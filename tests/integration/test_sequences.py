"""Actions in sequence: what comes before was prevented or failed before what follows it was decided on."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select

from tasks.conveyor import operations
from tasks.conveyor.retry import retry_effect, retry_event
from tasks.effects import ledger as tries
from tasks.effects.ledger import Verdict
from tasks.ledger.effects import Effect
from tasks.ledger.events import DeadLetter
from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent
from tasks.model.event import Event as EventValue
from tasks.model.outcome import Again, Outcome, Plan, View
from tasks.switchboard.handle import switchboard_handler
from tests.ground import Clock, all_the_way, caught, notice, only_postgresql
from tests.integration.test_operations import GUARDS, STARTED, Halt, Stand

PAUSED = "request_vm_pause"
IN_ORDER = (
    "{name: stops, target: server, on: [vm_start],"
    " then: [{halt: {}, synchronous: true}, {halt: {reason: pause}, synchronous: true}, {note: {text: last}}]}"
)
NOTED_FIRST = (
    "{name: stops, target: server, on: [vm_start], then: [{note: {text: first}, synchronous: true}, {halt: {}}]}"
)


@pytest.fixture(autouse=True)
def _two_guards(monkeypatch: pytest.MonkeyPatch) -> None:
    def guard(_self: Halt, params: Mapping[str, Any]) -> str:
        return PAUSED if params.get("reason") == "pause" else "request_vm_poweroff"

    monkeypatch.setattr(Halt, "guard", guard)


def later(event: EventValue, view: View) -> Outcome:
    """A switchboard on which an operation waits for a minute before it is decided on."""
    if event.event_type == "request_vm_poweroff" and event.plan is None:
        return Outcome(plan=Plan(), again=Again(60, {"waits": True}))
    event.plan = None
    return switchboard_handler(event, view)


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_an_operation_behind_a_prevented_one_is_given_up_and_does_not_wait_for_ever(
    ledger: Ledger, hands: Clock, fuse: str
) -> None:
    stand = Stand(ledger, IN_ORDER, GUARDS, conveyor={"fuse": fuse})
    stand.go(notice(STARTED))
    assert [state for _, state, _ in stand.operations()] == ["prevented", "allowed"]
    assert (stand.halt.halted, stand.note.told) == ([], [])
    found = {action: (state, error) for action, state, error in stand.effects()}
    why = "not tried: what comes before it in its rule was prevented: policy:guards:true"
    assert found["halt"] == ("dead", why)
    assert found["note"] == ("dead", "not tried: what comes before it in its rule did not succeed")


def test_an_operator_retries_what_was_given_up_behind_a_prevented_operation(ledger: Ledger, hands: Clock) -> None:
    stand = Stand(ledger, IN_ORDER, GUARDS)
    stand.go(notice(STARTED))
    with ledger.transaction() as session:
        number = session.scalars(select(Effect.id).where(Effect.action == "halt")).one()
        assert retry_effect(session, number, hands.now)
    stand.tried()
    assert (stand.halt.halted, stand.note.told) == (["s1"], ["last"])


def test_an_operation_decided_on_after_what_comes_before_it_failed_is_given_up(
    ledger: Ledger, hands: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(ledger, NOTED_FIRST)

    def fails(*_: object) -> None:
        raise Permanent("nobody listens")

    monkeypatch.setattr(stand.note, "run", fails)
    stand.go(notice(STARTED), switchboard=later)
    hands.forward(61)
    stand.go(switchboard=later)
    assert stand.operations() == [("halt", "allowed", None)]
    assert stand.halt.halted == []
    assert stand.effects()[-1] == ("halt", "dead", "not tried: what comes before it in its rule did not succeed")


def test_what_follows_an_operation_is_opened_with_it_when_its_event_is_retried(ledger: Ledger, hands: Clock) -> None:
    broken = True

    def switch(event: EventValue, view: View) -> Outcome:
        if broken and event.event_type == "request_vm_poweroff":
            raise Permanent("the workflow is broken")
        return switchboard_handler(event, view)

    stand = Stand(ledger, IN_ORDER)
    stand.go(notice(STARTED), switchboard=switch)
    assert [state for _, state, _ in stand.effects()] == ["dead", "dead"]
    broken = False
    with ledger.transaction() as session:
        letter = session.scalars(select(DeadLetter)).one()
        assert retry_event(session, letter.event_id, hands.now, stand.present.site.settings.conveyor.lanes)
    stand.go()
    assert (stand.halt.halted, stand.note.told) == (["s1", "s1"], ["last"])


@only_postgresql
def test_an_operation_decided_on_while_what_comes_before_it_ends_is_not_left_waiting(
    ledger: Ledger, hands: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(ledger, NOTED_FIRST)
    caught(stand.present, stand.lab, notice(STARTED))
    all_the_way(stand.present, {"switchboard": later})
    with ledger.transaction() as session:
        number = session.scalars(select(Effect.id)).one()
        taken = tries.take(session, number, "w1", hands.now, 60)
    assert taken is not None
    hands.forward(61)
    inserted = threading.Event()
    genuine = operations._effect

    def effect(*given: Any) -> dict[str, Any]:
        try:
            return genuine(*given)
        finally:
            inserted.set()

    monkeypatch.setattr(operations, "_effect", effect)
    decides = threading.Thread(target=all_the_way, args=(stand.present, {"switchboard": later}))
    with ledger.transaction() as session:
        assert tries.finish(session, taken, "w1", Verdict("done", "noted"), hands.now)
        decides.start()
        # It either looked already, which is the fault, or waits for this transaction.
        inserted.wait(1)
    decides.join(30)
    stand.tried()
    assert stand.halt.halted == ["s1"]
