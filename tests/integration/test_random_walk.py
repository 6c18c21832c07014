"""Inventory is compared with the truth: a random walk through the cloud, its events lost, doubled and out of order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.ledger.session import Ledger
from tests.ground import exact
from tests.walk_ground import walking

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")


@pytest.mark.parametrize("operations", [300, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
@pytest.mark.parametrize("lost", [0.0, 0.1], ids=["nothing is lost", "one event in ten is lost"])
def test_after_a_random_walk_inventory_is_the_cloud_object_by_object(
    ledger: Ledger, tmp_path: Path, lost: float, operations: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with walking(ledger, tmp_path, seed=5, lost=lost) as walked:
        assert walked.wrong() == {}
        before = walked.requests()
        walked.go(operations)
        asked = walked.requests() - before
        astray = walked.wrong()
        whole = walked.full()
        after = walked.wrong()
        with capsys.disabled():
            print(
                f"\n{operations} operations, {walked.events} events, {lost:.0%} lost: {asked} requests, where a full "
                f"refresh after each event had been {walked.events * whole:,}; "
                f"{astray.total()} objects astray until the next full refresh"
            )
        assert after == {}
        if not lost:
            # Doubled, late and in no order: nothing of that leaves anything to the full refresh.
            assert astray == {}
        assert asked < walked.events
    exact(ledger)
