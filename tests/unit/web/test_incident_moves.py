"""Moves of incidents: each happens once, whatever two callers do at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.ledger import incident_moves, tables
from tasks.ledger.incidents import Incident
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger

NOW = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    tables.METADATA.create_all(found.engine)
    with found.transaction() as session:
        session.add(Provider(id=1, name="north", kind="openstack", added_at=NOW))
        session.flush()
        session.add(
            Incident(id=1, open_key="k", alert="a", provider_id=1, kind="server", ref="s", severity="warning",
                     summary="it is hot", event_id=1, opened_at=NOW, last_at=NOW)
        )  # fmt: skip
    yield found
    found.close()


def incident(ledger: Ledger) -> Incident:
    with ledger.reading() as session:
        found = session.get(Incident, 1)
        assert found is not None
        return found


def test_acknowledge_keeps_who_and_when_and_happens_once(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        assert incident_moves.acknowledge(session, 1, "ann", NOW) is True
        assert incident_moves.acknowledge(session, 1, "bob", NOW) is False

    found = incident(ledger)
    assert (found.state, found.acknowledged_by, found.acknowledged_at) == ("acknowledged", "ann", NOW)
    assert found.open_key == "k"


def test_close_frees_the_key_so_that_the_alert_can_open_a_new_incident(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        assert incident_moves.close(session, 1, "ann", NOW) is True
        assert incident_moves.close(session, 1, "bob", NOW) is False
        assert incident_moves.acknowledge(session, 1, "bob", NOW) is False

    found = incident(ledger)
    assert (found.state, found.open_key, found.closed_by, found.closed_at) == ("closed", None, "ann", NOW)
    assert found.acknowledged_by is None


def test_close_follows_an_acknowledgement(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        incident_moves.acknowledge(session, 1, "ann", NOW)
        assert incident_moves.close(session, 1, "bob", NOW) is True

    assert (incident(ledger).acknowledged_by, incident(ledger).closed_by) == ("ann", "bob")


def test_moves_of_an_unknown_incident_move_nothing(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        assert incident_moves.acknowledge(session, 99, "ann", NOW) is False
        assert incident_moves.close(session, 99, "ann", NOW) is False


def test_check_83_an_assigned_incident_is_acknowledged_by_its_assignee_alone(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        assert incident_moves.assign(session, 1, "ann", "bob", NOW) is True
        assert incident_moves.acknowledge(session, 1, "bob", NOW) is False
        assert incident_moves.acknowledge(session, 1, "ann", NOW) is True

    assert (incident(ledger).state, incident(ledger).acknowledged_by) == ("acknowledged", "ann")


def test_check_83_to_assign_it_again_ends_the_acknowledgement(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        incident_moves.acknowledge(session, 1, "ann", NOW)
        assert incident_moves.assign(session, 1, "bob", "ann", NOW) is True

    found = incident(ledger)
    assert (found.state, found.assigned_to, found.acknowledged_by, found.acknowledged_at) == ("open", "bob", None, None)
    with ledger.transaction() as session:
        assert [(n.who, n.word, n.text) for n in incident_moves.history(session, 1)] == [
            ("ann", "acknowledged", None),
            ("ann", "assigned", "bob"),
        ]


@pytest.mark.parametrize("move", [incident_moves.acknowledge, incident_moves.close])
def test_of_many_callers_at_once_exactly_one_moves_the_incident(ledger: Ledger, move: Callable[..., bool]) -> None:
    start = threading.Barrier(6)
    won: list[str] = []

    def call(who: str) -> None:
        start.wait()
        with ledger.transaction() as session:
            if move(session, 1, who, NOW):
                won.append(who)

    callers = [threading.Thread(target=call, args=(f"caller{n}",)) for n in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    found = incident(ledger)
    assert len(won) == 1
    assert won[0] in {found.acknowledged_by, found.closed_by}
