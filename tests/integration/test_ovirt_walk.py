"""The published walk of a USER_RUN_VM event, through real turns: from the engine's log to a workflow and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from tasks.catch.ingest import Ingest
from tasks.conveyor.installation import Installation
from tasks.ledger.effects import Effect
from tasks.ledger.events import FINISHED, Event
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.requests import Request
from tasks.ledger.session import Ledger
from tasks.ledger.why import Why, why
from tasks.model.event import Notification
from tasks.providers.contracts import ProviderConfig
from tasks.providers.ovirt.converter import OvirtConverter
from tasks.providers.ovirt.options import OvirtOptions
from tests.ground import START, Clock, exact, installed, site
from tests.request_ground import METHODS, STEP, carried, task, told
from tests.unit.switchboard.small_datastores import domain, files_of, klass

VM, HOST = "6e3f0d0a-0000-4000-8000-000000000023", "6e3f0d0a-0000-4000-8000-000000000007"
CODE = """
def begin(service):
    service.task["saw"] = [service.root["server_id"], service.root["colour"]]

def tell(service):
    stream = service.event
    said = [stream["event_namespace"], stream["source"], service.root["vm_id"], service.root["alert"]]
    service.ask("log", message="|".join(said))

wait = approve = veto = fails = lambda service: None
"""
POLICIES = """
policies:
- name: walk the objects
  target: server
  on: [vm_start]
  then: [{automate: {instance: /Lab/Ops/provide, attrs: {colour: red}}}]
"""
ALERTS = """
alerts:
- name: VM Powered On
  severity: info
  target: server
  on: [vm_start]
  notify: [{management_event: {event_name: test}}]
"""


def virt(fuse: str, policies: str = POLICIES, alerts: str = ALERTS, **options: Any) -> Any:
    """A site with an oVirt provider, an instance that a policy calls and one that answers to a management event."""
    ops = klass("Lab", "Ops", STEP, {"provide": {"meth1": "begin"}}, METHODS)
    answer = {"meth1": "Lab/Ops.tell"}
    alert = klass("System/Event/CustomEvent", "Alert", STEP, {"test": answer})
    files = {**files_of(domain("Ours", ops, alert)), "automate/methods/lab.py": CODE.encode()}
    approve = klass("System", "Policy", STEP, {"AutomationRequest_created": {"meth1": "Lab/Ops.approve"}})
    files |= files_of(domain("Yes", approve))
    provider = ProviderConfig(
        "virt", "ovirt", OvirtOptions(url="https://engine.example.org", password="sesame", **options)
    )
    return site(policies=policies, alerts=alerts, automate=files, providers=[provider], conveyor={"fuse": fuse})


def enrolled(ledger: Ledger) -> int:
    """The provider's row, whose inventory has been read."""
    with ledger.transaction() as session:
        row = Provider(name="virt", kind="ovirt", added_at=START, ready_at=START)
        session.add(row)
        session.flush()
        return row.id


def notification(number: int = 7999, code: int = 32, **more: Any) -> Notification:
    """An event as the engine's API gives it."""
    at = datetime(2031, 5, 4, 11, 59, tzinfo=UTC)
    body = {
        "id": str(number),
        "href": f"/ovirt-engine/api/events/{number}",
        "code": str(code),
        "severity": "normal",
        "origin": "oVirt",
        "time": int(at.timestamp() * 1000) + number,
        "description": "VM rhel7srv010 started on Host rhelh03.bit63.net",
        "correlation_id": "2f1c",
        "custom_id": "-1",
        "flood_rate": "30",
        "vm": {"href": f"/ovirt-engine/api/vms/{VM}", "id": VM},
        "host": {"href": f"/ovirt-engine/api/hosts/{HOST}", "id": HOST},
        "cluster": {"href": "/ovirt-engine/api/clusters/c1", "id": "c1"},
        "user": {"href": "/ovirt-engine/api/users/u1", "id": "u1"},
        **more,
    }
    return Notification(json.dumps(body), "event log of the engine")


def caught(present: Installation, provider_id: int, *notices: Notification) -> Any:
    """Store notifications as the catcher does."""
    ignore = frozenset(present.site.providers["virt"].options.ignore)
    ingest = Ingest(present.ledger, present.site.settings, "virt", provider_id, OvirtConverter(), ignore)
    return ingest.store(notices, {"id": 7999, "time": "", "since": ""}, "events")


def told_of(ledger: Ledger, event_type: str) -> Why:
    with ledger.reading() as session:
        found = why(session, session.scalars(select(Event.id).where(Event.event_type == event_type)).one())
    assert found is not None
    return found


def steps(found: Why, kind: str) -> list[tuple[str, str]]:
    """Name and verdict of each finding of a kind."""
    return [(f["name"], f["verdict"]) for d in found.decisions for f in d.findings if f["kind"] == kind]


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_the_published_walk_of_a_start_event(ledger: Ledger, hands: Clock, fuse: str) -> None:
    """USER_RUN_VM, its instance, vm_start, .missing, the policy's automation, the alert's management event."""
    present = installed(ledger, virt(fuse))
    caught(present, enrolled(ledger), notification())
    carried(present)

    run = told_of(ledger, "USER_RUN_VM")
    assert (run.event.resource_kind, run.event.resource_id, run.event.state) == ("server", VM, FINISHED)
    assert ("/Catchment/System/Event/EmsEvent/RHEVM/USER_RUN_VM", "found") in steps(run, "instance")
    assert [(name.rsplit("/", 1)[1], verdict) for name, verdict in steps(run, "method")][-2:] == [
        ("event_action_policy", "raised"),
        ("event_action_refresh", "done"),
    ]
    assert {child.event.event_type for child in run.children} >= {"vm_start", "request_created", "test"}

    start = told_of(ledger, "vm_start")
    assert start.event.parent_id == run.event.id
    assert ("/Catchment/System/Event/MiqEvent/POLICY/.missing", "missing") in steps(start, "instance")
    assert ("walk the objects", "matched") in steps(start, "policy")
    assert ("VM Powered On", "fired") in steps(start, "alert")

    with ledger.reading() as session:
        request = session.scalars(select(Request)).one()
        wanted = session.execute(select(RefreshTarget.kind, RefreshTarget.ref)).all()
        said = [effect.params["message"] for effect in session.scalars(select(Effect))]
        assert session.scalars(select(Incident.alert)).all() == ["VM Powered On"]
    assert told(ledger, request.id) == ("approved", "finished", "Ok", "Automation Request completed")
    assert task(ledger, request.id).options["saw"] == [VM, "red"]
    assert ("server", VM) in [tuple(row) for row in wanted]
    assert said == [f"CustomEvent|Alert|{VM}|VM Powered On"]

    management = told_of(ledger, "test")
    assert management.event.parent_id == start.event.id
    assert management.event.raw_event_type == "CustomEvent/Alert/test"
    assert ("/Ours/System/Event/CustomEvent/Alert/test", "found") in steps(management, "instance")
    assert exact(ledger)["virt"].received == 1


def test_why_shows_the_whole_line(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, virt("never"))
    caught(present, enrolled(ledger), notification())
    carried(present)
    found = json.dumps(told_of(ledger, "USER_RUN_VM").as_dict(), default=str)
    line = ["EmsEvent/RHEVM/USER_RUN_VM", "vm_start", "POLICY/.missing", "walk the objects", "VM Powered On"]
    line += ["request_created", "CustomEvent/Alert/test", f"CustomEvent|Alert|{VM}"]
    assert [part for part in line if part not in found] == []
    with ledger.reading() as session:
        number = session.scalars(select(Request.id)).one()
        of_request = session.scalars(select(Event.id).where(Event.request_id == str(number))).all()
        told_there = json.dumps([why(session, each).as_dict() for each in of_request], default=str)  # type: ignore[union-attr]
    assert "/Ours/Lab/Ops/provide" in told_there


def test_same_number_after_a_restored_backup_is_another_event_and_the_same_one_is_none(
    ledger: Ledger, hands: Clock
) -> None:
    present = installed(ledger, virt("never", policies="", alerts=""))
    known = enrolled(ledger)
    again = notification(code=33, time=1_935_000_000_000)
    assert caught(present, known, notification(), notification()).duplicate == 1
    assert caught(present, known, again, notification()).stored == 1
    carried(present)
    with ledger.reading() as session:
        types = session.scalars(select(Event.event_type).where(~Event.raised).order_by(Event.event_type)).all()
    assert list(types) == ["USER_RUN_VM", "USER_STOP_VM"]
    exact(ledger)


def test_types_that_nobody_wants_are_counted_as_rejected(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, virt("never", policies="", alerts=""))
    stored = caught(present, enrolled(ledger), notification(1, 30), notification(2, 31), notification(3, 114))
    assert (stored.received, stored.rejected, stored.stored) == (3, 3, 0)
    exact(ledger)


def test_what_the_monitor_tells_of_the_log_is_an_event_of_the_provider_that_alerts_may_name(
    ledger: Ledger, hands: Clock
) -> None:
    alerts = """
alerts:
- {name: lost, severity: error, on: [EVENTS_MISSED, EVENT_LOG_SET_BACK], notify: [{log: {message: look}}]}
"""
    present = installed(ledger, virt("never", policies="", alerts=alerts))
    told_by_us = notification(1, vm=None, host=None, cluster=None, code="EVENTS_MISSED", provider={"id": "virt"})
    caught(present, enrolled(ledger), told_by_us)
    carried(present)
    found = told_of(ledger, "EVENTS_MISSED")
    assert (found.event.resource_kind, found.event.resource_id, found.event.state) == ("provider", "virt", FINISHED)
    assert ("lost", "fired") in steps(found, "alert")
