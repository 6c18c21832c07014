"""Health: one word for each provider, judged by the ledger alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger import health
from tasks.ledger.health import marks, providers, stages
from tasks.ledger.providers import Mark, Provider
from tasks.ledger.session import Ledger
from tests.unit.ledger.query_ground import DIALECTS, NOW, add, ago, event, filled_ledger, pending, three_providers


@pytest.fixture(params=DIALECTS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with filled_ledger(request.param, tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({}, "never contacted"),
        ({"failed_at": ago(5), "failure": "refused"}, "failing"),
        ({"contact_at": ago(20), "failed_at": ago(5)}, "failing"),
        ({"failed_at": ago(5), "failure": "SignedOut: refused"}, "signed out"),
        ({"contact_at": ago(20), "failed_at": ago(5), "failure": "ProviderDown: away"}, "unreachable"),
        ({"contact_at": ago(5), "failed_at": ago(20), "ready_at": ago(100)}, "connected"),
        ({"contact_at": ago(90), "ready_at": ago(100)}, "silent"),
        ({"contact_at": ago(90), "ready_at": ago(100), "listener_at": ago(5)}, "connected"),
        ({"contact_at": ago(5), "ready_at": ago(100), "event_at": ago(10)}, "receiving"),
        ({"contact_at": ago(5), "ready_at": ago(100), "event_at": ago(1000)}, "connected"),
        ({"contact_at": ago(5)}, "catching up"),
    ],
)
def test_the_state_of_a_provider_is_judged_by_its_row(ledger: Ledger, facts: dict[str, Any], word: str) -> None:
    with ledger.transaction() as session:
        add(session, Provider(name="north", kind="openstack", added_at=ago(9000), **facts))
    with ledger.reading() as session:
        (found,) = providers(session, NOW)
    assert found.state == word


def test_a_backlog_is_catching_up(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "BACKLOG", 2)
    with ledger.transaction() as session:
        three_providers(session)
        session.get_one(Provider, 1).contact_at = ago(1)
        session.get_one(Provider, 2).contact_at = ago(1)
        pending(session, 1)
        pending(session, 2)
        pending(session, 3, provider=2)
        pending(session, 4, provider=2, raised=True, parent_id=3)
    with ledger.reading() as session:
        found = providers(session, NOW)
    assert [(line.name, line.waiting, line.state) for line in found] == [
        ("north", 2, "catching up"),
        ("south", 1, "connected"),
    ]


def test_ages_are_in_seconds_and_a_listener_dies_after_fifteen(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        facts: dict[str, Any] = {"kind": "openstack", "added_at": ago(9), "contact_at": ago(2.5)}
        add(session, Provider(name="a", listener="host:1", listener_at=ago(14), **facts))
        add(session, Provider(name="b", listener="host:2", listener_at=ago(15), passed_over={"amqp": "no"}, **facts))
    with ledger.reading() as session:
        first, second = providers(session, NOW)
    assert (first.contact_age, first.event_age, first.listener_alive) == (2.5, None, True)
    assert (second.listener_alive, second.passed_over) == (False, {"amqp": "no"})
    assert json.loads(json.dumps(first.as_dict()))["contact_at"] == "2031-05-04T11:59:57.500000Z"


def test_stages_count_what_waits_and_since_when(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        three_providers(session)
        add(session, event(1))
        pending(session, 2, seconds=70)
        pending(session, 3, seconds=80)
        pending(session, 4, stage="convert", seconds=5)
    with ledger.reading() as session:
        assert [(line.stage, line.pending, line.oldest_due) for line in stages(session)] == [
            ("convert", 1, ago(5)),
            ("policy", 2, ago(80)),
        ]
        ordered = stages(session, ("policy", "alert"))
    assert [(line.stage, line.pending) for line in ordered] == [("policy", 2), ("alert", 0), ("convert", 1)]


def test_marks_come_by_name(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(session, Mark(name="tick", at=ago(7)), Mark(name="sweep", at=ago(3), note="2 lanes"))
    with ledger.reading() as session:
        assert [(mark.name, mark.at, mark.note) for mark in marks(session)] == [
            ("sweep", ago(3), "2 lanes"),
            ("tick", ago(7), None),
        ]
