"""Management events and timeline marks: what a rule tells a workflow, and what it notes among an object's events."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from tasks.conveyor.order import ORDER, from_stage
from tasks.conveyor.turn import take as take_line
from tasks.effects.table import actions
from tasks.ledger.effects import Effect
from tasks.ledger.events import DEAD, FINISHED, Event, Notification
from tasks.ledger.session import Ledger
from tasks.ledger.why import Why, why
from tasks.site.contracts import Site
from tasks.site.settings import Settings
from tests.ground import HANDLERS, Clock, caught, count, exact, installed, lanes, notice, provider, site
from tests.unit.switchboard.small_datastores import domain, files_of, klass
from workers.simulation import Simulation

CODE = """
def note(service):
    stream, root = service.event, service.root
    said = [root["vm_id"], root["alert"], root["rule"], root["miq_alert_description"], root["alert_severity"]]
    said += [stream["event_namespace"], stream["source"], stream["payload"]["content"]["payload"]["alert"]]
    service.ask("log", message="|".join(said))
    service.raise_event("vm_resume", "server", root["vm_id"])
"""
ALERTS = """
alerts:
- name: down
  severity: error
  description: "${event.resource_id} is down"
  on: [vm_poweroff]
  notify: [{management_event: {event_name: Page_Us}}]
"""
SAID = "s1|down|alert:down|s1 is down|error|CustomEvent|Alert|down"
BOTH = pytest.mark.parametrize("fuse", ["never", "always"])


def answering(alerts: str = ALERTS, instance: str = "Page_Us", **more: Any) -> Site:
    """A site with one instance that answers to a management event."""
    python = {"language": "python", "location": "inline", "data": "ours:note"}
    held = klass(
        "System/Event/CustomEvent", "Alert", [("meth1", "method")], {instance: {"meth1": "note"}}, [["note", python]]
    )
    files = {**files_of(domain("Ours", held)), "automate/methods/ours.py": CODE.encode()}
    return site(alerts=alerts, automate=files, **more)


def carried(ledger: Ledger, present: Site, *notices: Any) -> None:
    """Take turns that go as far along the belt as the site has them go, until nothing is due."""
    here = installed(ledger, present)
    caught(here, provider(ledger), *(notices or [notice()]))
    for _ in range(30):
        lines = [[(name, HANDLERS[name]) for name in from_stage(stage)] for stage in ORDER]
        done = [take_line(here, line, lanes(here)) for line in lines]
        if not sum(turn.worked + turn.failed for turn in done):
            return
    raise AssertionError("events are still on their way")


def told(ledger: Ledger, event_type: str) -> Why:
    """All of the one event of a type."""
    with ledger.reading() as session:
        found = why(session, session.scalars(select(Event.id).where(Event.event_type == event_type)).one())
    assert found is not None
    return found


def verdicts(found: Why, kind: str) -> list[str]:
    return [f["verdict"] for d in found.decisions for f in d.findings if f["kind"] == kind]


@BOTH
def test_check_80_an_alert_tells_a_workflow_that_runs_on_its_object(ledger: Ledger, hands: Clock, fuse: str) -> None:
    carried(ledger, answering(conveyor={"fuse": fuse}))
    found = told(ledger, "Page_Us")
    assert (found.event.raw_event_type, found.event.raised) == ("CustomEvent/Alert/Page_Us", True)
    assert (found.event.resource_kind, found.event.resource_id, found.event.state) == ("server", "s1", FINISHED)
    assert found.notification is not None
    assert found.notification.content["payload"] == {
        "rule": "alert:down",
        "alert": "down",
        "severity": "error",
        "description": "s1 is down",
    }
    assert verdicts(found, "policy") == ["not asked"]
    assert told(ledger, "vm_poweroff").event.id == found.event.parent_id
    with ledger.reading() as session:
        assert [e.params["message"] for e in session.scalars(select(Effect))] == [SAID]
    exact(ledger)


@BOTH
def test_what_a_workflow_raises_in_turn_is_a_policy_event_with_the_words_of_the_cloud(
    ledger: Ledger, hands: Clock, fuse: str
) -> None:
    policies = """
policies:
- {name: p, target: server, on: [vm_resume], then: [{log: {message: "${event.payload.display_name}"}}]}
"""
    carried(ledger, answering(conveyor={"fuse": fuse}, policies=policies))
    assert told(ledger, "vm_resume").notification is None
    with ledger.reading() as session:
        said = {e.params["message"] for e in session.scalars(select(Effect))}
    assert said == {SAID, "name of s1"}


@BOTH
@pytest.mark.parametrize("present", [answering(instance="Other"), site(alerts=ALERTS)], ids=["instance", "class"])
def test_a_management_event_that_nothing_answers_to_is_told_and_no_error(
    ledger: Ledger, hands: Clock, fuse: str, present: Site
) -> None:
    fused = replace(present, settings=Settings(conveyor={"fuse": fuse}))
    carried(ledger, fused)
    found = told(ledger, "Page_Us")
    assert (found.event.state, verdicts(found, "instance")[-1]) == (FINISHED, "absent")
    assert count(ledger, Event, Event.state == DEAD) == 0
    exact(ledger)


def test_a_policy_raises_one_too(ledger: Ledger, hands: Clock) -> None:
    policies = (
        "policies:\n- {name: p, target: server, on: [vm_poweroff], then: [{management_event: {event_name: X}}]}\n"
    )
    carried(ledger, site(policies=policies))
    found = told(ledger, "X")
    assert found.notification is not None
    assert found.notification.content["payload"] == {"rule": "policy:p:true"}


def test_an_alert_that_its_own_management_event_would_set_off_is_not_asked(ledger: Ledger, hands: Clock) -> None:
    carried(ledger, site(alerts=ALERTS.replace("on: [vm_poweroff]", "on: [vm_poweroff, Page_Us]")))
    assert count(ledger, Event, Event.event_type == "Page_Us") == 1
    assert verdicts(told(ledger, "Page_Us"), "alert") == ["not asked"]


def test_an_event_of_a_cloud_cannot_pass_for_a_management_event(ledger: Ledger, hands: Clock) -> None:
    carried(ledger, answering(alerts=""), notice("CustomEvent/Alert/Page_Us"), notice("Page_Us"))
    assert count(ledger, Effect) == 0


MARKS = """
alerts:
- {name: seen, on: [vm_poweroff], notify: [{timeline_mark: {text: "down, says ${event.actor}"}}]}
- {name: loop, on: [timeline_mark], notify: [{timeline_mark: {text: again}}]}
"""


@BOTH
def test_a_timeline_mark_stands_among_the_events_of_its_object_and_sets_nothing_in_motion(
    ledger: Ledger, hands: Clock, fuse: str
) -> None:
    policies = "policies:\n- {name: p, target: server, on: [timeline_mark], then: [{log: {message: x}}]}\n"
    carried(ledger, site(alerts=MARKS, policies=policies, conveyor={"fuse": fuse}))
    found = told(ledger, "timeline_mark")
    assert (found.event.resource_kind, found.event.resource_id, found.event.state) == ("server", "s1", FINISHED)
    with ledger.reading() as session:
        [words] = session.scalars(select(Notification).where(Notification.form == "raised"))
    assert json.loads(words.content)["payload"]["text"] == "down, says erin"
    assert (verdicts(found, "policy"), verdicts(found, "alert")) == (["not asked"], ["not asked"])
    assert count(ledger, Effect) == 0
    exact(ledger)


def test_the_offline_run_takes_the_same_way() -> None:
    body = notice().body
    assert isinstance(body, bytes)
    [event] = Simulation(answering(), "lab", {}).run(body)
    [off] = [child for child in event.children if child.facts.event_type == "vm_poweroff"]
    [paged] = [child for child in off.children if child.facts.event_type == "Page_Us"]
    assert paged.facts.raw_event_type == "CustomEvent/Alert/Page_Us"
    assert [ask.params["message"] for ask in paged.asks] == [SAID]
    assert [child.facts.event_type for child in paged.children] == ["vm_resume"]


@pytest.mark.parametrize("name", ["", "page us", "a/b", "../x", "${event.actor}", "pägé", "x" * 201])
def test_a_name_that_is_no_word_is_refused_when_the_site_is_read(name: str) -> None:
    with pytest.raises(ValidationError):
        actions()["management_event"].params.model_validate({"event_name": name})
