"""Why: the whole line of an event, from its notification to its last effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as sql_events

from tasks.ledger import deeds, lineage
from tasks.ledger import why as story
from tasks.ledger.effects import EffectTry
from tasks.ledger.events import Hold, Notification, Sighting
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import InventoryChange, InventoryObject, RefreshRequest, RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.ledger.why import Why, why
from tasks.model import clock
from tests.unit.ledger.query_ground import (
    DIALECTS,
    add,
    ago,
    dead,
    decision,
    effect,
    event,
    filled_ledger,
    pending,
    three_providers,
)

FIRED = {"kind": "alert", "name": "high", "verdict": "fired", "detail": {"cpu": 99}}
HELD = {"kind": "alert", "name": "high", "verdict": "held: fired 5 s ago, delay 1 min"}


@pytest.fixture(params=DIALECTS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with filled_ledger(request.param, tmp_path) as found:
        with found.transaction() as session:
            three_providers(session)
        yield found


def ask(ledger: Ledger, event_id: int, project: str | None = None) -> Why:
    with ledger.reading() as session:
        found = why(session, event_id, project)
    assert found is not None
    return found


def test_why_of_an_unknown_event_or_of_another_project_is_none(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(session, event(1, tenant_id="red"), event(2, tenant_id=None))
    with ledger.reading() as session:
        assert why(session, 99) is None
        assert why(session, 1, "blue") is None
        assert why(session, 2, "red") is None
        assert why(session, 1, "red") is not None


def test_why_tells_notification_sightings_decisions_and_effects(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(session, event(1), Notification(event_id=1, form="oslo", road="amqp", content='{"payload":{"a":1}}'))
        add(
            session,
            Sighting(
                provider_id=1,
                message_id="m1b",
                event_id=1,
                raw_event_type="instance.update",
                road="amqp",
                seen_at=ago(90),
            ),
        )
        add(session, decision(1, 1, "convert", error="ProviderDown: gone"), decision(2, 1, "convert"))
        add(session, decision(3, 1, "policy", {"kind": "policy", "name": "quota", "verdict": "matched"}))
        add(session, effect(1, 1, attempts=2, ended_at=ago(30)))
        add(session, attempt(1, 1, "failed"), attempt(1, 2, "done"))
    found = ask(ledger, 1)
    assert found.notification is not None
    assert (found.notification.content, found.notification.cut) == ({"payload": {"a": 1}}, False)
    assert [line.message_id for line in found.sightings] == ["m1", "m1b"]
    assert [(line.stage, line.error) for line in found.decisions] == [
        ("convert", "ProviderDown: gone"),
        ("convert", None),
        ("policy", None),
    ]
    assert found.decisions[2].findings[0]["name"] == "quota"
    assert [(line.attempt, line.verdict) for line in found.effects[0].tries] == [(1, "failed"), (2, "done")]
    data = json.loads(json.dumps(found.as_dict()))
    assert set(data) == {
        "event", "notification", "sightings", "hold", "decisions", "effects", "refresh", "changes", "incidents",
        "causes", "children", "cut",
    }  # fmt: skip
    assert data["effects"][0]["tries"][1]["verdict"] == "done"
    assert data["effects"][0]["action"] == "log"
    assert data["hold"] is None


def attempt(effect_id: int, number: int, verdict: str) -> EffectTry:
    return EffectTry(
        effect_id=effect_id, attempt=number, worker="h:1", started_at=ago(35), ended_at=ago(34), verdict=verdict
    )


@pytest.mark.parametrize(("content", "shown"), [("{broken", "{broken"), ("[" * 50_000, "[" * 50_000)])
def test_a_notification_that_is_no_json_is_shown_as_text(ledger: Ledger, content: str, shown: str) -> None:
    with ledger.transaction() as session:
        add(session, event(1), Notification(event_id=1, form="oslo", road="amqp", content=content))
    found = ask(ledger, 1).notification
    assert found is not None
    assert found.content == shown


def test_a_long_notification_is_cut_and_says_so(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "CONTENT", 10)
    with ledger.transaction() as session:
        add(session, event(1), Notification(event_id=1, form="oslo", road="amqp", content='{"payload":1}'))
    found = ask(ledger, 1).notification
    assert found is not None
    assert (found.content, found.cut) == ('{"payload"', True)


def test_why_follows_causes_up_and_children_down(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(session, event(1), event(2, 90, raised=True, parent_id=1, depth=1, event_type="vm_start"))
        add(session, event(3, 80, raised=True, parent_id=2, depth=2), event(4, raised=True, parent_id=1, depth=1))
        add(session, event(5))
        add(session, effect(1, 3, "dead", error="refused"), decision(1, 2, "policy"))
    whole = ask(ledger, 1)
    assert [line.id for line in whole.causes] == []
    assert [(deed.event.id, deed.event.parent_id) for deed in whole.children] == [(2, 1), (4, 1), (3, 2)]
    assert whole.children[2].effects[0].effect.error == "refused"
    assert whole.children[0].decisions[0].stage == "policy"
    assert whole.effects == []
    lowest = ask(ledger, 3)
    assert [line.id for line in lowest.causes] == [1, 2]
    assert lowest.children == []


def test_why_costs_the_same_statements_however_large_the_family_is(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(session, event(1))
        add(session, *(event(n, raised=True, parent_id=1, depth=1) for n in range(2, 40)))
        add(session, *(effect(n, n) for n in range(1, 40)))
    seen: list[str] = []
    sql_events.listen(ledger.engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
    assert len(ask(ledger, 1).children) == 38
    assert len(seen) <= 14


def test_a_family_that_is_too_large_is_cut_and_says_so(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "DESCENDANTS", 2)
    monkeypatch.setattr(deeds, "ROWS", 1)
    with ledger.transaction() as session:
        add(session, event(1), *(event(n, raised=True, parent_id=1, depth=1) for n in (2, 3, 4)))
        add(session, effect(1, 1), effect(2, 1))
    found = ask(ledger, 1)
    assert [deed.event.id for deed in found.children] == [2, 3]
    assert found.cut == ["children", "effects"]
    assert len(found.effects) == 1


def test_a_line_that_runs_in_a_circle_ends(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(session, event(1, parent_id=2), event(2, parent_id=1))
    found = ask(ledger, 1)
    assert [line.id for line in found.causes] == [2]
    assert [deed.event.id for deed in found.children] == [2]


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"wanted": 2, "read": 1}, "owed"),
        ({"wanted": 2, "read": 1, "lease_until": clock.now() + timedelta(hours=1)}, "being read"),
        ({"wanted": 2, "read": 1, "lease_until": clock.now() - timedelta(hours=1)}, "owed"),
        ({"wanted": 2, "read": 2, "state": "read", "read_at": ago(3)}, "read"),
        ({"wanted": 3, "read": 2, "state": "wanted", "read_at": ago(3)}, "read"),
        ({"wanted": 2, "read": 1, "state": "dead", "error": "refused"}, "failed"),
    ],
)
def test_a_refresh_target_stands_as_the_wish_of_this_event(ledger: Ledger, facts: dict[str, Any], state: str) -> None:
    with ledger.transaction() as session:
        add(session, event(1), RefreshTarget(id=1, provider_id=1, kind="server", ref="s1", due_at=ago(9), **facts))
        add(session, RefreshRequest(event_id=1, target_id=1, generation=2))
    (line,) = ask(ledger, 1).refresh
    assert (line.state, line.event_id, line.ref, line.error) == (state, 1, "s1", facts.get("error"))


def test_changes_of_objects_outside_the_project_are_left_out(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(session, event(1), event(2, parent_id=1, raised=True, tenant_id="blue"))
        for row, kind, tenant in ((1, "server", "red"), (2, "host", None)):
            add(
                session,
                InventoryObject(
                    id=row,
                    provider_id=1,
                    kind=kind,
                    ref="x",
                    state="known",
                    attributes={},
                    seen_at=ago(5),
                    tenant_id=tenant,
                ),
            )
            add(
                session,
                InventoryChange(
                    object_id=row, at=ago(4), verdict="changed", event_id=1, before={"a": 1}, after={"a": 2}
                ),
            )
    assert [line.kind for line in ask(ledger, 1).changes] == ["server", "host"]
    assert [line.kind for line in ask(ledger, 1, "red").changes] == ["server"]
    assert len(ask(ledger, 1).children) == 1
    assert ask(ledger, 1, "red").children == []


def test_an_event_opens_an_incident_and_later_ones_count_on_it(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(session, event(1), event(2), event(3), event(4))
        add(session, decision(1, 1, "alert", FIRED, at=90), decision(2, 2, "alert", HELD, at=60))
        add(session, decision(3, 3, "alert", {**FIRED, "verdict": "not fired"}, at=60))
        add(session, decision(4, 4, "alert", FIRED, at=5))
        facts = {"alert": "high", "kind": "server", "ref": "s1", "severity": "critical", "summary": "too high"}
        add(
            session,
            Incident(
                id=1,
                provider_id=1,
                event_id=1,
                opened_at=ago(90),
                last_at=ago(60),
                state="closed",
                closed_at=ago(20),
                **facts,
            ),
        )
        add(session, Incident(id=2, provider_id=1, event_id=4, opened_at=ago(5), last_at=ago(5), open_key="k", **facts))
    links = {n: [(link.incident.id, link.relation) for link in ask(ledger, n).incidents] for n in (1, 2, 3, 4)}
    assert links == {1: [(1, "opened")], 2: [(1, "counted")], 3: [], 4: [(2, "opened")]}
    assert ask(ledger, 1).as_dict()["incidents"][0]["relation"] == "opened"


def test_a_held_event_names_the_one_that_it_waits_behind(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        pending(session, 1, seconds=90)
        pending(session, 2, seconds=80)
        pending(session, 3, seconds=70, resource_id="other")
        add(session, Hold(object_key="north/server/s1", event_id=1, since=ago(60)))
    first, second, third = (ask(ledger, number).hold for number in (1, 2, 3))
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.behind, first.own_retry, first.since) == (None, True, ago(60))
    assert (second.behind, second.own_retry, second.stage) == (1, False, "policy")
    assert (third.behind, third.own_retry, third.since, third.inventory) == (None, False, None, False)


def test_an_event_of_a_provider_that_was_never_read_waits_for_inventory(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        session.get_one(Provider, 1).ready_at = None
        pending(session, 1, stage="switchboard")
        pending(session, 2, stage="convert")
        dead(session, 3)
    assert [getattr(ask(ledger, number).hold, "inventory", None) for number in (1, 2, 3)] == [True, False, None]
