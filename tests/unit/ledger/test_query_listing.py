"""Lists: every filter alone and together, in a fixed order, page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as sql_events

from tasks.ledger.incident_lists import Wanted, incidents
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import InventoryChange, InventoryObject, RefreshTarget
from tasks.ledger.listing import effects, events, inventory, inventory_object
from tasks.ledger.session import Ledger
from tasks.model import clock
from tests.unit.ledger.query_ground import (
    DIALECTS,
    add,
    ago,
    dead,
    effect,
    event,
    filled_ledger,
    pending,
    three_providers,
)


@pytest.fixture(params=DIALECTS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with filled_ledger(request.param, tmp_path) as found:
        with found.transaction() as session:
            three_providers(session)
        yield found


@pytest.fixture
def several(ledger: Ledger) -> Ledger:
    """Six events; ids and times go apart: 6 happened before 5."""
    with ledger.transaction() as session:
        add(session, event(1, 600, event_type="compute.instance.create.end"))
        add(session, event(2, 500, provider=2, resource_id="s2", tenant_id="blue"))
        pending(session, 3, seconds=400, event_type="volume.create.end", resource_kind="volume")
        dead(session, 4, seconds=300, stage="convert", event_type="compute_instance[x]")
        pending(session, 5, stage="convert", seconds=100, resource_id="s_1", raised=True, parent_id=4, depth=1)
        add(session, event(6, 200, event_type="computeXinstance"))
    return ledger


def ids(ledger: Ledger, **filters: Any) -> list[int]:
    with ledger.reading() as session:
        return [line.id for line in events(session, **filters)]


def test_events_come_in_the_order_in_which_they_happened(several: Ledger) -> None:
    assert ids(several) == [5, 6, 4, 3, 2, 1]
    assert ids(several, newest_first=False) == [1, 2, 3, 4, 6, 5]
    assert ids(several, limit=2) == [5, 6]


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"provider": "south"}, [2]),
        ({"provider": "north"}, [5, 6, 4, 3, 1]),
        ({"provider": "internal"}, [5]),
        ({"provider": "nowhere"}, []),
        ({"event_type": "compute.instance.update"}, [5, 2]),
        ({"event_type": "compute.instance.*"}, [5, 2, 1]),
        ({"event_type": "compute?instance*"}, [5, 6, 4, 2, 1]),
        ({"event_type": "compute_*"}, [4]),
        ({"event_type": "*[x]"}, [4]),
        ({"event_type": "COMPUTE*"}, []),
        ({"resource": "server/s2"}, [2]),
        ({"resource": "volume/s1"}, [3]),
        ({"resource": "s1"}, [6, 4, 3, 1]),
        ({"resource": "server/s?1"}, []),
        ({"since": ago(300)}, [5, 6, 4]),
        ({"until": ago(300)}, [3, 2, 1]),
        ({"since": ago(500), "until": ago(300)}, [3, 2]),
        ({"state": "pending"}, [5, 3]),
        ({"state": "dead"}, [4]),
        ({"state": "finished"}, [6, 2, 1]),
        ({"stage": "convert"}, [5, 4]),
        ({"stage": "convert", "state": "dead"}, [4]),
        ({"stage": "policy", "state": "dead"}, []),
        ({"stage": "policy", "state": "pending"}, [3]),
        ({"stage": "policy", "state": "finished"}, []),
        ({"project": "blue"}, [2]),
        ({"project": "red", "provider": "north", "state": "finished"}, [6, 1]),
    ],
)
def test_events_fit_the_filter(several: Ledger, filters: dict[str, Any], wanted: list[int]) -> None:
    assert ids(several, **filters) == wanted


def test_pages_of_events_meet_without_gap_or_overlap(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        # Four happened at the same moment: the id must decide between them.
        add(session, *(event(number, 100 if number in (2, 3, 5, 6) else 200 - number) for number in range(1, 8)))
    for newest_first in (True, False):
        whole = ids(ledger, newest_first=newest_first)
        paged: list[int] = []
        while page := ids(ledger, newest_first=newest_first, limit=2, after_id=paged[-1] if paged else None):
            paged += page
        assert paged == whole
        assert sorted(paged) == [1, 2, 3, 4, 5, 6, 7]


def test_an_event_line_tells_where_it_stands_and_is_json(several: Ledger) -> None:
    with several.transaction() as session:
        add(session, thing("s1", name="web"))
    with several.reading() as session:
        lines = {line.id: line for line in events(session)}
    assert (lines[3].stage, lines[3].due_at, lines[3].state) == ("policy", ago(400), "pending")
    assert (lines[4].stage, lines[4].error, lines[4].attempts) == ("convert", "BadPayload: no payload", 6)
    assert (lines[1].stage, lines[1].due_at, lines[1].resource_name) == (None, None, "web")
    assert (lines[5].raised, lines[5].provider, lines[5].resource_name) == (True, "north", None)
    data = json.loads(json.dumps(lines[1].as_dict()))
    assert data["occurred_at"] == "2031-05-04T11:50:00.000000Z"
    assert data["parents"] == {}


def test_a_list_costs_the_same_statements_however_long_it_is(several: Ledger) -> None:
    seen: list[str] = []
    sql_events.listen(several.engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
    with several.reading() as session:
        assert len(events(session)) == 6
    assert len([statement for statement in seen if statement.startswith("SELECT")]) == 1


def thing(ref: str, provider: int = 1, **more: Any) -> InventoryObject:
    facts: dict[str, Any] = {
        "kind": "server",
        "state": "known",
        "attributes": {"status": "ACTIVE"},
        "seen_at": ago(50),
        "tenant_id": "red",
    }
    return InventoryObject(provider_id=provider, ref=ref, **{**facts, **more})


def test_inventory_fits_the_filter(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(
            session,
            thing("s2", name="db-2"),
            thing("s1", name="web-1", read_at=ago(10)),
            thing("s1", provider=2, name="web-1", tenant_id="blue"),
            thing("v1", kind="volume", state="stub", attributes={}),
        )
    with ledger.reading() as session:
        found = [(line.provider, line.kind, line.ref) for line in inventory(session)]
        assert found == [
            ("north", "server", "s1"),
            ("north", "server", "s2"),
            ("north", "volume", "v1"),
            ("south", "server", "s1"),
        ]
        assert [line.ref for line in inventory(session, name="web-*", provider="north")] == ["s1"]
        assert [line.ref for line in inventory(session, state="stub")] == ["v1"]
        assert [line.provider for line in inventory(session, project="blue")] == ["south"]
        assert [line.ref for line in inventory(session, kind="server", limit=1)] == ["s1"]
        assert inventory(session, name="db-2")[0].as_dict()["attributes"] == {"status": "ACTIVE"}
        assert inventory(session, provider="nowhere") == []


def test_an_object_has_its_history_and_what_is_owed(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(session, event(1), thing("a/b", id=7, name="web"))
        change = {"object_id": 7, "verdict": "changed", "before": {"status": "BUILD"}, "after": {"status": "ACTIVE"}}
        add(session, InventoryChange(id=1, at=ago(20), event_id=1, **change))
        add(session, InventoryChange(id=2, at=ago(10), event_id=None, **change))
        add(
            session, RefreshTarget(provider_id=1, kind="server", ref="a/b", due_at=ago(1), wanted=3, read=2, event_id=1)
        )
    with ledger.reading() as session:
        found = inventory_object(session, "north", "server", "a/b")
        assert inventory_object(session, "south", "server", "a/b") is None
    assert found is not None
    assert [(line.id, line.event_id, line.event_type) for line in found.changes] == [
        (2, None, None),
        (1, 1, "compute.instance.update"),
    ]
    assert found.refresh is not None
    assert found.refresh.state == "owed"
    assert json.loads(json.dumps(found.as_dict()))["changes"][1]["after"] == {"status": "ACTIVE"}


def test_effects_come_newest_first_and_say_what_runs(ledger: Ledger) -> None:
    soon = clock.now() + timedelta(minutes=1)
    with ledger.transaction() as session:
        add(session, event(1), event(2), effect(1, 1), effect(2, 1, "dead", error="refused"))
        add(session, effect(3, 2, "asked", lease_until=soon), effect(4, 2, "asked"))
    with ledger.reading() as session:
        assert [(line.id, line.running) for line in effects(session)] == [
            (4, False),
            (3, True),
            (2, False),
            (1, False),
        ]
        assert [line.id for line in effects(session, state="dead")] == [2]
        assert [line.id for line in effects(session, event_id=2, limit=1)] == [4]
        assert effects(session, state="dead")[0].as_dict()["event_type"] == "compute.instance.update"


def test_incidents_fit_the_filter(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(session, event(1), event(2, tenant_id="blue"), thing("s1", name="web"))
        add(session, incident(1, 1, last_at=ago(5)), incident(2, 2, ref="s2", last_at=ago(50)))
        add(session, incident(3, 1, state="closed", open_key=None, last_at=ago(500)))
    with ledger.reading() as session:
        assert [(line.id, line.name) for line in incidents(session)] == [(1, "web"), (2, None), (3, "web")]
        assert [line.id for line in incidents(session, Wanted(state="open"))] == [1, 2]
        assert [line.id for line in incidents(session, Wanted(state="closed"))] == [3]
        assert [line.id for line in incidents(session, Wanted(project="blue"))] == [2]
        assert incidents(session, Wanted(state="acknowledged")) == []


def incident(row: int, event_id: int, **more: Any) -> Incident:
    facts: dict[str, Any] = {
        "open_key": f"high|{row}",
        "alert": "high",
        "kind": "server",
        "ref": "s1",
        "severity": "critical",
        "state": "open",
        "summary": "too high",
        "opened_at": ago(600),
    }
    return Incident(id=row, provider_id=1, event_id=event_id, **{**facts, **more})
