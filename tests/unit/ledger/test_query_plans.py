"""What is asked again and again never goes through all events, however many are stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as sql_events
from sqlalchemy.orm import Session

from tasks.ledger.balance import balance
from tasks.ledger.health import providers, stages
from tasks.ledger.incident_lists import GROUPS, groups, incidents, muted, tale
from tasks.ledger.incident_lists import Wanted as WantedIncidents
from tasks.ledger.listing import effects, events
from tasks.ledger.timeline import events as timeline_events
from tasks.ledger.timeline import timeline
from tasks.ledger.timeline_filters import Wanted
from tasks.ledger.why import why
from tests.unit.ledger.query_ground import NOW, add, event, filled_ledger, three_providers

LATELY = Wanted(NOW - timedelta(days=7), NOW)


@pytest.mark.parametrize(
    "query",
    [
        balance,
        stages,
        lambda session: providers(session, NOW),
        lambda session: events(session, state="dead"),
        lambda session: events(session, state="pending"),
        lambda session: events(session, stage="policy"),
        lambda session: events(session, resource="server/s1"),
        lambda session: events(session, after_id=1),
        lambda session: effects(session, event_id=1),
        lambda session: incidents(session, WantedIncidents(state="open")),
        lambda session: incidents(session, WantedIncidents(project="red", cannot_notify=True), after_id=1),
        *(lambda session, by=by: groups(session, by, WantedIncidents(project="red")) for by in GROUPS),
        lambda session: muted(session),
        lambda session: tale(session, 1),
        lambda session: why(session, 1),
        lambda session: timeline(session, LATELY),
        lambda session: timeline(session, replace(LATELY, provider="north", groups=["power", "vm_operational"])),
        lambda session: timeline(session, replace(LATELY, project="red", levels=["failure"])),
        lambda session: timeline_events(session, replace(LATELY, provider="north"), after=(NOW, 1)),
    ],
)
def test_no_statement_scans_the_events(tmp_path: Path, query: Callable[[Session], Any]) -> None:
    with filled_ledger("sqlite", tmp_path) as ledger:
        with ledger.transaction() as session:
            three_providers(session)
            add(session, event(1), event(2, raised=True, parent_id=1))
        asked: list[tuple[str, Any]] = []
        sql_events.listen(ledger.engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
        with ledger.reading() as session:
            query(session)
        statements = [(statement, values) for statement, values in asked if "SELECT" in statement]
        assert statements
        with ledger.engine.connect() as connection:
            steps = [
                row[3]
                for statement, values in statements
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            ]
    # In the order of an index, a list ends at its limit.
    assert [step for step in steps if step.startswith("SCAN event") and "ix_event_time" not in step] == []


def test_a_timeline_reads_the_events_of_its_range_or_of_its_object_by_an_index(tmp_path: Path) -> None:
    cases = {"ix_event_time": {"provider": "north"}, "ix_event_object": {"resource": ("server", "s1")}}
    with filled_ledger("sqlite", tmp_path) as ledger:
        with ledger.transaction() as session:
            three_providers(session)
            add(session, event(1), event(2, raised=True, parent_id=1))
        asked: list[tuple[str, Any]] = []
        sql_events.listen(ledger.engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
        for index, narrowed in cases.items():
            with ledger.reading() as session:
                timeline(session, replace(LATELY, **narrowed))
            statement, values = asked[-1]
            with ledger.engine.connect() as connection:
                steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            assert any(step.startswith("SEARCH event USING INDEX " + index) for step in steps), steps
