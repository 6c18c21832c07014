"""What the policies of a raised event concluded stands on the event, whichever way it goes through the stages."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tasks.ledger.events import Event
from tasks.ledger.session import Ledger
from tasks.model.outcome import Finding, Outcome
from tests.ground import Clock, all_the_way, caught, exact, installed, notice, provider, site

HOLDS = """
policies:
- {name: holds, target: server, on: [vm_poweroff], then: [log: {message: it is off}]}
"""
DENIED = """
- {name: denied, target: server, on: [vm_poweroff], when: {field: event.tenant_id, is: blue}, then: [log: {message: x}]}
"""
ASIDE = """
policies:
- name: aside
  target: server
  on: [vm_poweroff]
  scope: {field: event.tenant_id, is: blue}
  then: [{log: {message: x}}]
"""


def results(ledger: Ledger) -> dict[tuple[str, bool], str | None]:
    with ledger.reading() as session:
        rows = session.execute(select(Event.event_type, Event.raised, Event.result, Event.state)).all()
    assert {row.state for row in rows} == {"finished"}
    return {(row.event_type, row.raised): row.result for row in rows}


@pytest.mark.parametrize("fuse", ["never", "always"])
@pytest.mark.parametrize(
    ("policies", "result"),
    [(HOLDS, "success"), (HOLDS + DENIED, "failure"), ("", None), (ASIDE, None)],
    ids=["holds", "one is denied", "none", "out of scope"],
)
def test_the_result_is_written_on_the_raised_event_alone(
    ledger: Ledger, hands: Clock, fuse: str, policies: str, result: str | None
) -> None:
    present = installed(ledger, site(policies=policies, conveyor={"fuse": fuse}))
    caught(present, provider(ledger), notice(message_id="a"))
    all_the_way(present)

    found = results(ledger)
    assert found.pop(("compute.instance.power_off.end", False)) is None
    assert found == {("vm_poweroff", True): result}
    exact(ledger)


def test_a_result_of_an_earlier_turn_outlives_a_later_one(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(policies=HOLDS, conveyor={"fuse": "always"}))
    caught(present, provider(ledger), notice(message_id="a"))
    failing = [OSError("once")]

    def alert(event: object, view: object) -> Outcome:
        if failing and getattr(event, "event_type", "") == "vm_poweroff":
            raise failing.pop()
        return Outcome(findings=[Finding("alert", "-", "none")])

    all_the_way(present, {"alert": alert})
    assert not failing
    hands.forward(1000)
    all_the_way(present, {"alert": alert})
    assert results(ledger)["vm_poweroff", True] == "success"
