"""Internal events: the shipped table by its rules, and those that a site defines."""

from __future__ import annotations

import pytest

from tasks.effects.table import actions
from tasks.model.definitions import Definitions, shipped
from tasks.policy.read import read
from tasks.site.contracts import SiteContext
from tasks.site.events import definitions_of
from tasks.site.settings import Settings

OURS = ("inventory", "source", "operation", "clock", "request_process", "orchestration")


def test_the_table_has_the_numbers_of_the_spec() -> None:
    """Policy-alerts 1.1: which events may be picked for what."""
    known = [d for d in shipped().values() if d.category not in OURS]
    assert len(known) == 184
    assert sum(d.control for d in known) == 148
    assert sum(d.alerting for d in known) == 174
    assert sum(d.compliance for d in known) == 9
    assert sum(d.preventable for d in known) == 26
    assert all(d.description and d.kind for d in shipped().values())


def test_a_start_is_about_a_server_and_its_announcement_can_be_prevented() -> None:
    start, announced = shipped()["vm_start"], shipped()["request_vm_start"]
    assert (start.kind, start.category, start.preventable) == ("server", "vm_operational", False)
    assert announced.preventable
    assert not shipped()["user_created"].control
    assert not shipped()["evm_server_start"].control
    assert shipped()["evm_server_start"].alerting


def told(text: str) -> tuple[Definitions, list[str]]:
    found, problems = definitions_of({"events/a.yaml": text.encode()})
    return found, [str(p) for p in problems]


def test_a_site_adds_events_of_its_own() -> None:
    found, problems = told("events:\n- {name: rack_hot, description: A rack is hot, target: node}\n- name: plain\n")
    assert problems == []
    assert (found["rack_hot"].kind, found["plain"].kind, found["rack_hot"].control) == ("node", "any", True)
    assert "vm_start" in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("events:\n- name: Rack Hot\n", "events/a.yaml:2"),
        ("events:\n- name: vm_start\n", "comes with Catchment"),
        ("events:\n- name: a\n- name: a\n", "is defined at events/a.yaml:2 already"),
        ("events:\n- name: a\n  colour: red\n", "colour"),
        ("event: []\n", "does not begin with `events:`"),
        ("events: [", "events/a.yaml:1"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, words: str) -> None:
    assert any(words in problem for problem in told(text)[1])


def test_a_policy_on_an_event_that_nobody_raises_is_warned_of() -> None:
    own, _ = told("events:\n- name: rack_hot\n")
    on = "[vm_strat, rack_hot, vm_perf_complete]"
    text = f"policies:\n- {{name: p, target: server, on: {on}, then: [{{log: {{message: x}}}}]}}\n".encode()
    policies, problems = read({"policies/a.yaml": text}, SiteContext(Settings(), {}, actions(), own))
    warnings = [p for p in problems if p.severity == "warning"]
    assert len(warnings) == 2
    assert "there is no internal event 'vm_strat'. Did you mean 'vm_start'?" in str(warnings[0])
    assert "sets off no control policy" in str(warnings[1])
    assert len(policies) == 1
