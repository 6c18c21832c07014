"""Actions that stay inside: a policy or an alert raises events, runs instances, opens requests, has objects read."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tasks.ledger.effects import Effect
from tasks.ledger.events import DeadLetter, Event
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.requests import Request
from tasks.ledger.session import Ledger
from tasks.ledger.why import why
from tests.ground import Clock, all_the_way, caught, exact, installed, notice, provider, site
from tests.request_ground import carried, lab, task, told

STARTED = "compute.instance.power_on.end"
CODE = """
def begin(service):
    service.task["saw"] = [service.root["server_id"], service.root["colour"]]

wait = tell = approve = veto = fails = lambda service: None
"""
WALK = """
policies:
- name: greet
  target: server
  on: [vm_start]
  then: [{automate: {instance: /Lab/Ops/provide, attrs: {colour: red}}}]
"""
ALERTS = """
alerts:
- {name: woke, severity: info, target: server, on: [vm_start], notify: [{raise_event: {name: vm_resume}}]}
"""


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_check_61_the_published_walk_of_a_start_event(ledger: Ledger, hands: Clock, fuse: str) -> None:
    """vm_start has no instance, so .missing; a policy runs an automation, an alert raises an event."""
    present = installed(ledger, lab(CODE, policies=WALK, alerts=ALERTS, conveyor={"fuse": fuse}))
    cloud = provider(ledger)
    caught(present, cloud, notice(STARTED, message_id="walk"))
    carried(present)
    with ledger.reading() as session:
        start = session.scalars(select(Event.id).where(Event.message_id == "walk")).one()
        found = why(session, start)
        request = session.scalars(select(Request)).one()
    assert found is not None
    [vm_start] = [child for child in found.children if child.event.event_type == "vm_start"]
    findings = [f for d in vm_start.decisions for f in d.findings]
    assert any(f["name"].endswith("/POLICY/.missing") and f["verdict"] == "missing" for f in findings)
    assert {child.event.event_type for child in found.children} >= {"vm_start", "vm_resume", "request_created"}
    assert (request.requester, request.description) == ("erin", "greet on server/s1")
    assert told(ledger, request.id) == ("approved", "finished", "Ok", "Automation Request completed")
    assert task(ledger, request.id).options["saw"] == ["s1", "red"]
    with ledger.reading() as session:
        assert session.scalars(select(Effect)).all() == []
        assert session.scalars(select(Incident.alert)).all() == ["woke"]
    assert exact(ledger)


def rule(action: str) -> str:
    return f"policies:\n- {{name: p, target: server, on: [vm_poweroff], then: [{action}]}}\n"


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_a_rule_that_sets_off_its_own_cause_is_cut_at_the_depth_and_seen(
    ledger: Ledger, hands: Clock, fuse: str
) -> None:
    own_cause = rule("{raise_event: {name: vm_poweroff}}")
    present = installed(ledger, site(policies=own_cause, conveyor={"depth": 3, "fuse": fuse}))
    caught(present, provider(ledger), notice())
    all_the_way(present)
    with ledger.reading() as session:
        depths = session.scalars(select(Event.depth).where(Event.raised).order_by(Event.depth)).all()
        [letter] = session.scalars(select(DeadLetter))
    assert list(depths) == [1, 2, 3, 4]
    assert "a rule sets off its own cause" in letter.error
    assert exact(ledger)


def test_a_rule_opens_a_request_and_has_its_target_read(ledger: Ledger, hands: Clock) -> None:
    actions = "{open_request: {type: vm_retire, attrs: {warn: 7}, description: Retire it}}, refresh"
    present = installed(ledger, site(policies=rule(actions)))
    caught(present, provider(ledger), notice())
    all_the_way(present)
    with ledger.reading() as session:
        request = session.scalars(select(Request)).one()
        wanted: Any = session.scalars(select(RefreshTarget.ref)).all()
    assert (request.request_type, request.approval_state) == ("vm_retire", "pending_approval")
    assert request.description == "Retire it"
    assert request.options == {"attrs": {"warn": 7, "server_id": "s1"}}
    assert "s1" in wanted
