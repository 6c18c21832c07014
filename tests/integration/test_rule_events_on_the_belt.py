"""Rule events and built-in events pass the switchboard, policies and alerts like all others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from tasks.conveyor.firing import builtin, fire
from tasks.effects.table import actions
from tasks.ledger.effects import Effect
from tasks.ledger.events import Event
from tasks.ledger.facts import FactObject, FactRef
from tasks.ledger.incidents import Incident
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.ledger.why import why
from tasks.rules.read import read
from tasks.site.contracts import SiteContext
from tasks.site.events import definitions_of
from tasks.site.settings import Settings
from tests.ground import all_the_way, exact, installed, provider, site
from tests.rule_ground import ALWAYS, Stand, event_text, rule

POLICIES = """
policies:
  - {name: each, target: host, on: [each], then: [{log: {message: "${event.target_id} is up"}}]}
  - {name: batch, target: rule, on: [batch], then: [{log: {message: told}}]}
  - {name: online, target: resource, on: [RESOURCE_ONLINE], then: [{log: {message: there}}]}
"""
ALERTS = """
alerts:
  - {name: rule-fired, target: host, on: [each], severity: error, notify: [{log: {message: hot}}]}
"""


@pytest.fixture
def present(ledger: Ledger) -> Any:
    return installed(ledger, site(policies=POLICIES.replace('"${event.target_id} is up"', "up"), alerts=ALERTS))


def home(ledger: Ledger, owner: int) -> None:
    with ledger.transaction() as session:
        for row in session.scalars(select(FactObject)):
            row.provider_id, row.object_kind, row.object_ref = owner, "host", row.ref


def test_a_rule_event_for_each_object_is_about_the_object_and_policies_and_alerts_answer(
    ledger: Ledger, present: Any
) -> None:
    owner = provider(ledger)
    stand = Stand(ledger, rule(ALWAYS, stem="each", notify="each"))
    stand.write("vmhost/a", online=True)
    stand.write("vmhost/b", online=True)
    home(ledger, owner)
    stand.sweep()
    all_the_way(present)
    with ledger.reading() as session:
        events = session.scalars(select(Event).order_by(Event.id)).all()
        assert [(e.event_type, e.raw_event_type, e.resource_kind, e.resource_id, e.state) for e in events] == [
            ("each", "CustomEvent/Rule/each", "host", "a", "finished"),
            ("each", "CustomEvent/Rule/each", "host", "b", "finished"),
        ]
        assert sorted(session.scalars(select(Effect.rule))) == ["alert:rule-fired"] * 2 + ["policy:each:true"] * 2
        assert [i.ref for i in session.scalars(select(Incident).order_by(Incident.ref))] == ["a", "b"]
        told = why(session, events[0].id)
        assert told is not None
        assert "/Catchment/System/Event/CustomEvent/Rule/.missing" in json.dumps(told.as_dict())
    exact(ledger)


def test_a_notification_of_several_objects_is_about_the_rule(ledger: Ledger, present: Any) -> None:
    stand = Stand(ledger, rule(ALWAYS, stem="batch"))
    stand.write("vmhost/a", online=True)
    stand.write("vmhost/b", online=True)
    stand.sweep()
    all_the_way(present)
    with ledger.reading() as session:
        [event] = session.scalars(select(Event)).all()
        assert (event.resource_kind, event.resource_id, event.state) == ("rule", "batch", "finished")
        assert list(session.scalars(select(Effect.rule))) == ["policy:batch:true"]
    exact(ledger)


def test_a_built_in_event_is_answered_by_policies(ledger: Ledger, present: Any) -> None:
    with ledger.transaction() as session:
        count = Count()
        fire(session, Settings(), Stand(ledger).now, count, [builtin("RESOURCE_ONLINE", FactRef("resource", "r1"))])
        count.write(session)
    all_the_way(present)
    with ledger.reading() as session:
        assert list(session.scalars(select(Effect.rule))) == ["policy:online:true"]
    exact(ledger)


def test_what_is_kept_back_in_a_storm_is_in_the_balance_and_goes_no_way(ledger: Ledger, present: Any) -> None:
    stand = Stand(ledger, rule(ALWAYS, stem="each", notify="each"))
    for n in range(130):
        stand.write(f"vmhost/{n}", online=True)
    stand.sweep()
    all_the_way(present)
    line = exact(ledger)["internal"]
    assert (line.received, line.finished, line.pending) == (130, 130, 0)
    with ledger.reading() as session:
        assert len(list(session.scalars(select(Event.id).where(Event.state == "finished")))) == 130


def test_the_site_reads_rules_and_knows_their_events_by_name() -> None:
    files = {
        "rules/hot.event": event_text(ALWAYS),
        "rules/HOT.event": event_text(ALWAYS),
        "rules/bad.event": b"<event/>",
    }
    found, problems = read(files, SiteContext(Settings(), {}, actions()))
    assert [rule.name for rule in found.rules] == ["HOT"]
    said = {(problem.path, problem.line, problem.what.split()[0]) for problem in problems}
    assert ("rules/hot.event", 1, "E309") in said
    assert any(problem.path == "rules/bad.event" and "E203" in problem.what for problem in problems)
    definitions, _ = definitions_of({"rules/hot.event": b""})
    assert "hot" in definitions
    assert "hot.RESET" in definitions
    assert definitions["hot"].control
    assert definitions["RESOURCE_ONLINE"].alerting
