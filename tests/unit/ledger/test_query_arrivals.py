"""Following new events: each once, none left out, even where a lower id is committed later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tasks.ledger import arrivals
from tasks.ledger.arrivals import Arrivals
from tasks.ledger.session import Ledger
from tests.unit.ledger.query_ground import DIALECTS, add, event, filled_ledger, three_providers


@pytest.fixture(params=DIALECTS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with filled_ledger(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Ledger]:
    with filled_ledger("postgresql", tmp_path) as found:
        yield found


def store(ledger: Ledger, *ids: int) -> None:
    with ledger.transaction() as session:
        add(session, *(event(number) for number in ids))


def begin(ledger: Ledger) -> Arrivals:
    with ledger.reading() as session:
        return Arrivals(session)


def look(ledger: Ledger, following: Arrivals) -> list[int]:
    with ledger.reading() as session:
        return following.poll(session)[0]


def test_poll_gives_each_new_event_once(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        three_providers(session)
    store(ledger, 1, 2)
    following = begin(ledger)
    assert look(ledger, following) == []
    store(ledger, 3, 4)
    assert look(ledger, following) == [3, 4]
    assert look(ledger, following) == []
    store(ledger, 5)
    assert look(ledger, following) == [5]


def test_poll_says_that_there_is_more_than_a_page(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "PAGE", 2)
    with ledger.transaction() as session:
        three_providers(session)
    following = begin(ledger)
    store(ledger, 1, 2, 3)
    with ledger.reading() as session:
        assert following.poll(session) == ([1, 2], True)
    with ledger.reading() as session:
        assert following.poll(session) == ([3], False)


@pytest.mark.service("postgresql")
def test_an_event_that_is_committed_after_a_higher_one_is_not_missed(postgres: Ledger) -> None:
    with postgres.transaction() as session:
        three_providers(session)
    following = begin(postgres)
    with Session(postgres.engine) as slow:
        add(slow, event(1))
        store(postgres, 2, 5)
        assert look(postgres, following) == [2, 5]
        for _ in range(3):
            assert look(postgres, following) == []
        slow.commit()
    assert look(postgres, following) == [1]
    assert look(postgres, following) == []


@pytest.mark.service("postgresql")
def test_an_event_that_was_under_way_at_the_start_is_not_missed(postgres: Ledger) -> None:
    with postgres.transaction() as session:
        three_providers(session)
    with Session(postgres.engine) as slow:
        add(slow, event(7))
        store(postgres, 8)
        following = begin(postgres)
        assert look(postgres, following) == []
        slow.commit()
    assert look(postgres, following) == [7]


@pytest.mark.service("postgresql")
def test_gaps_that_nothing_can_fill_are_forgotten(postgres: Ledger) -> None:
    with postgres.transaction() as session:
        three_providers(session)
    following = begin(postgres)
    store(postgres, 3, 900)
    assert look(postgres, following) == [3, 900]
    assert [(gap.low, gap.high) for gap in following._gaps] == [(1, 2), (4, 899)]
    # A transaction of any database of the server, another test's among them, keeps the gaps until it has ended.
    deadline = time.monotonic() + 60
    while following._gaps and time.monotonic() < deadline:
        look(postgres, following)
        time.sleep(0.05)
    assert following._gaps == []
