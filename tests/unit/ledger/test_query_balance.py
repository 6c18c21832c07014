"""The balance: every event accounted for, and every equation that does not hold named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.ledger.balance import balance, refresh_balance
from tasks.ledger.inventory import RefreshRequest, RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model import clock
from tests.unit.ledger.query_ground import (
    DIALECTS,
    add,
    ago,
    dead,
    event,
    filled_ledger,
    pending,
    tally,
    three_providers,
)


@pytest.fixture(params=DIALECTS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with filled_ledger(request.param, tmp_path) as found:
        yield found


def test_balance_is_exact_where_tallies_and_rows_agree(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        three_providers(session)
        add(session, event(1), event(2, provider=2))
        pending(session, 3)
        dead(session, 4)
        add(
            session,
            tally(1, received=3, stored=2, duplicate=1, finished=1),
            tally(1, received=2, stored=1, rejected=1, dead=1),
            tally(2, received=1, stored=1, finished=1),
        )
    with ledger.reading() as session:
        found = balance(session)
    assert [line.as_dict() for line in found] == [
        {
            "provider": "north", "received": 5, "stored": 3, "duplicate": 1, "rejected": 1, "finished": 1,
            "pending": 1, "dead": 1, "exact": True, "faults": [],
        },
        {
            "provider": "south", "received": 1, "stored": 1, "duplicate": 0, "rejected": 0, "finished": 1,
            "pending": 0, "dead": 0, "exact": True, "faults": [],
        },
    ]  # fmt: skip


def test_raised_events_count_under_internal_whatever_provider_they_concern(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        three_providers(session)
        add(session, event(1))
        pending(session, 2, raised=True, parent_id=1)
        dead(session, 3, raised=True, parent_id=1)
        add(session, tally(1, received=1, stored=1, finished=1), tally(3, received=2, stored=2, dead=1))
    with ledger.reading() as session:
        found = {line.provider: line for line in balance(session)}
    assert (found["north"].pending, found["north"].dead, found["north"].exact) == (0, 0, True)
    assert (found["internal"].pending, found["internal"].dead, found["internal"].exact) == (1, 1, True)
    assert list(found) == ["north", "south", "internal"]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"received": 2, "stored": 1, "finished": 1}, "received 2, but stored 1"),
        ({"received": 2, "stored": 2, "finished": 1}, "stored 2, but finished 1 + pending 0 + dead 0"),
        ({"received": 1, "stored": 1, "finished": 1, "dead": 1}, "1 events were counted dead, but 0"),
    ],
)
def test_a_violated_equation_is_named_and_the_balance_is_not_exact(
    ledger: Ledger, counts: dict[str, int], words: str
) -> None:
    with ledger.transaction() as session:
        three_providers(session)
        add(session, event(1), tally(1, **counts))
    with ledger.reading() as session:
        north = balance(session)[0]
    assert not north.exact
    assert len(north.faults) == 1
    assert words in north.faults[0]


def test_a_pending_event_without_a_place_is_missed(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        three_providers(session)
        add(session, event(1, state="pending"), tally(1, received=1, stored=1))
    with ledger.reading() as session:
        assert "pending 0" in balance(session)[0].faults[0]


def test_an_empty_ledger_has_no_balance(ledger: Ledger) -> None:
    with ledger.reading() as session:
        assert balance(session) == []
        assert refresh_balance(session) == []


def test_refresh_balance_puts_each_target_in_one_column(ledger: Ledger) -> None:
    soon, lost = clock.now() + timedelta(minutes=1), clock.now() - timedelta(minutes=1)
    with ledger.transaction() as session:
        three_providers(session)
        add(session, event(1), event(2))
        add(session, target(1, "wanted"), target(2, "wanted", lease_until=soon), target(3, "read"))
        add(session, target(4, "dead"), target(5, "wanted", lease_until=lost))
        add(session, *(RefreshRequest(event_id=n, target_id=3, generation=n) for n in (1, 2)))
    with ledger.reading() as session:
        found = refresh_balance(session)
    assert found == [
        {"provider": "north", "wanted": 2, "reading": 1, "read": 1, "failed": 1, "requests": 2},
        {"provider": "south", "wanted": 0, "reading": 0, "read": 0, "failed": 0, "requests": 0},
    ]


def target(row: int, state: str, **more: object) -> RefreshTarget:
    return RefreshTarget(id=row, provider_id=1, kind="server", ref=f"s{row}", state=state, due_at=ago(9), **more)


def test_a_provider_that_was_never_counted_has_zeros(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        add(session, Provider(id=1, name="new", kind="openstack", added_at=ago(1)))
    with ledger.reading() as session:
        (only,) = balance(session)
    assert only.exact
    assert only.received == 0
