"""What the database gives up is counted: a deadlock that we lose, a lock that we wait for too long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tasks.ledger.conflicts import Conflict, kind_of
from tasks.ledger.session import Ledger
from tests.unit.ledger.query_ground import filled_ledger

pytestmark = pytest.mark.service("postgresql")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with filled_ledger("postgresql", tmp_path) as found:
        yield found


def counted(ledger: Ledger) -> dict[str, int]:
    with ledger.reading() as session:
        return {row.kind: row.count for row in session.scalars(select(Conflict))}


def wait_too_long(ledger: Ledger) -> None:
    with Session(ledger.engine) as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(7)"))
        with ledger.transaction() as waiter:
            waiter.execute(text("SET LOCAL lock_timeout = '50ms'"))
            waiter.execute(text("SELECT pg_advisory_xact_lock(7)"))


def test_given_up_transaction_is_counted_and_raised(ledger: Ledger) -> None:
    for _ in range(2):
        with pytest.raises(DBAPIError, match="lock timeout"):
            wait_too_long(ledger)
    assert counted(ledger) == {"lock timeout": 2}


def test_other_errors_are_not_counted(ledger: Ledger) -> None:
    with pytest.raises(DBAPIError), ledger.transaction() as session:
        session.execute(text("SELECT 1 / 0"))
    assert counted(ledger) == {}
    assert kind_of(ValueError("no error of the database")) is None
