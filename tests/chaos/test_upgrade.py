"""The previous revision's workers and this one's on the same ledger and broker (spec field 4.1, 34)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.ledger import migrate
from tests.fault_stand import NEEDED, Stand
from workers.processes import SOURCE

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(400)]

#: The revision before this one, and the ledger's revision then.
PREVIOUS, PREVIOUS_LEDGER = (Path(__file__).with_name("previous_revision")).read_text().split()


@pytest.fixture
def old_tree(tmp_path: Path) -> Iterator[Path]:
    """The source tree as it was; skips where the history is not here."""
    folder = tmp_path / "previous"
    git = ["git", "-C", str(SOURCE)]
    made = subprocess.run(
        [*git, "worktree", "add", "--detach", str(folder), PREVIOUS], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"the revision {PREVIOUS} is not in this history: {made.stderr.strip()}")
    yield folder
    subprocess.run([*git, "worktree", "remove", "--force", str(folder)], check=True)


@pytest.mark.fault(34, "a rolling upgrade: workers of the revision before and of this one, and a migration under load")
def test_34_rolling_upgrade(tmp_path: Path, database: str, old_tree: Path, record: Callable[..., None]) -> None:
    with Stand(tmp_path / "stand", database, pause=0.1, tree=old_tree, ledger_revision=PREVIOUS_LEDGER) as stand:
        stand.publish(20)
        migrate.upgrade(stand.ledger)
        stand.publish(20)
        for name in NEEDED:
            stand.start(f"{name}-2")
        stand.publish(20)
        for name in NEEDED:
            stand.processes.stop(name)
            stand.publish(5)
        stand.quiet(120)
        record(stand.counters(), 60 + 5 * len(NEEDED))
