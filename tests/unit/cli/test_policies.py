"""``catchment policies``: what there is, and what it would conclude on an object, with every condition."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.ledger.compliance import ComplianceCheck
from tasks.ledger.events import Event
from tests.unit.cli.cli_ground import NOW, Site

POLICIES = """
policies:
- name: large and off
  target: server
  on: [vm_poweroff, vm_suspend]
  conditions:
  - {name: ours, when: {field: event.tenant_id, is: red}}
  - {name: large, when: {field: server.memory_mb, ">=": 4096}}
  - {name: "off", when: {field: server.status, is: SHUTOFF}, scope: {field: server.status, "is not": ERROR}}
  then: [{log: {message: "${target.name} is off"}}]
  otherwise: [{log: {message: fine}}]
- {name: elsewhere, target: server, on: [vm_poweroff], then: [{log: {message: x}}],
   scope: {field: event.tenant_id, is: blue}}
- {name: volumes, target: volume, on: [vm_start], then: [{log: {message: x}}]}
- {name: asleep, target: server, on: [vm_poweroff], active: false}
- {name: looked at, mode: compliance, target: server, every: 90m}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path).made()
    found.fill()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/a.yaml").write_text(POLICIES)
    return found


def test_policies_are_listed(site: Site) -> None:
    rows = json.loads(site.run("policies", "list", "--json").stdout)
    assert [(row["name"], row["active"], row["conditions"]) for row in rows] == [
        ("large and off", True, 3),
        ("elsewhere", True, 0),
        ("volumes", True, 0),
        ("asleep", False, 0),
        ("looked at", True, 0),
    ]
    assert [row["every"] for row in rows] == [None, None, None, None, "1h30m"]
    listed = site.run("policies", "list").stdout
    assert "large and off" in listed
    assert "1h30m" in listed


def test_check_26_and_36_every_condition_is_told_and_nothing_is_done(site: Site) -> None:
    found = json.loads(site.run("policies", "resolve", "north", "server/s1", "--event", "vm_poweroff", "--json").stdout)
    first, second = found
    assert (first["policy"], first["event"]) == ("large and off", "vm_poweroff")
    # The ones behind the first false one are told, too.
    assert [c["name"] for c in first["conditions"]] == ["ours", "large", "off, scope", "off"]
    assert first["verdict"] == "not matched"
    assert first["actions"] == [{"action": "log", "params": {"message": "fine"}}]
    assert (second["verdict"], second["conditions"][0]["result"], second["actions"]) == ("out of scope", "false", [])
    told = site.run("policies", "resolve", "north", "server/s1").stdout
    assert "large and off on vm_suspend: not matched" in told
    assert "would do: log" in told


def test_check_53_every_comparison_is_told_with_its_own_result(site: Site) -> None:
    tree = "{any: [{field: server.status, is: ACTIVE}, {field: server.memory_mb, '>': 9}]}"
    found = f"policies: [{{name: two, target: server, on: [vm_start], when: {tree}}}]"
    (site.root / "policies/a.yaml").write_text(found)
    [[condition]] = [
        one["conditions"] for one in json.loads(site.run("policies", "resolve", "north", "server/s1", "--json").stdout)
    ]
    assert [atom["result"] for atom in condition["tree"]["any"]] == [True, False]
    told = site.run("policies", "resolve", "north", "server/s1").stdout
    assert "any: true" in told
    assert 'false  {"path": "server.memory_mb"' in told


def test_what_cannot_be_resolved_is_told(site: Site) -> None:
    assert "no policy is asked" in site.run("policies", "resolve", "north", "server/s1", "--event", "vm_x").stdout
    assert "has no server/nobody" in site.run("policies", "resolve", "north", "server/nobody", code=2).stderr
    assert "write its kind and id" in site.run("policies", "resolve", "north", "s1", code=2).stderr
    (site.root / "policies/a.yaml").write_text("policies: [1]")
    assert "policies/a.yaml" in site.run("policies", "list", code=2).stderr


def test_check_113_an_object_is_checked_by_hand_and_its_checks_are_listed(site: Site) -> None:
    told = site.run("policies", "check", "north", "server/s1").stdout
    assert told.startswith("server/s1 is being checked: event ")
    with site.ledger.transaction() as session:
        number = int(told.split("event ")[1].split(",")[0])
        event = session.get_one(Event, number)
        assert (event.event_type, event.resource_id, event.state) == ("vm_compliance_check", "s1", "pending")
        for status, verdict in (("compliant", "matched"), ("non-compliant", "not matched")):
            details = [{"policy": "owned", "verdict": verdict, "conditions": []}]
            about = {"provider_id": event.provider_id, "kind": "server", "ref": "s1", "event_id": number}
            session.add(ComplianceCheck(**about, checked_at=NOW, status=status, details=details))
            session.flush()
    [state] = json.loads(site.run("policies", "compliance", "--json", code=1).stdout)
    assert (state["status"], state["policies"][0]["verdict"]) == ("non-compliant", "not matched")
    history = json.loads(site.run("policies", "compliance", "north", "server/s1", "--json", code=1).stdout)
    assert [line["status"] for line in history] == ["non-compliant", "compliant"]
    assert json.loads(site.run("policies", "compliance", "--status", "compliant", "--json").stdout) == []
    assert "owned" in site.run("policies", "compliance", code=1).stdout


def test_what_cannot_be_checked_is_told(site: Site) -> None:
    assert "has no server/nobody" in site.run("policies", "check", "north", "server/nobody", code=2).stderr
    assert "is no object" in site.run("policies", "check", "north", "s1", code=2).stderr
    assert "name both" in site.run("policies", "compliance", "north", code=2).stderr


def test_a_provider_is_an_object_that_policies_are_about(site: Site) -> None:
    text = "policies:\n- {name: p, target: provider, on: [ems_auth_valid], when: {field: provider.name, is: north}}\n"
    (site.root / "policies/a.yaml").write_text(text)
    [found] = json.loads(site.run("policies", "resolve", "north", "provider/north", "--json").stdout)
    assert (found["policy"], found["verdict"]) == ("p", "matched")
    site.run("policies", "resolve", "north", "provider/south", code=2)
