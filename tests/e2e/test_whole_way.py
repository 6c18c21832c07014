"""The whole way of an event in real processes, on both ledgers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from tasks.ledger.events import Event
from tasks.ledger.incidents import Incident
from tests.conftest import POSTGRESQL, made_database
from tests.fault_stand import Stand, catchment

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(params=["sqlite", POSTGRESQL])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    with made_database() as url:
        yield url


@pytest.mark.service("rabbitmq")
def test_an_event_goes_from_the_bus_to_its_effect_and_every_step_is_told(tmp_path: Path, database: str) -> None:
    with Stand(tmp_path, database) as stand:
        stand.publish(25)
        stand.quiet()
        found = stand.counters()
        with stand.ledger.reading() as session:
            raised = session.scalars(select(Event).where(Event.parent_id.is_not(None)).order_by(Event.id)).first()
            incidents = session.scalars(select(Incident)).all()
            told = session.scalars(select(Event.event_type).where(Event.raised, Event.parent_id.is_(None))).all()
        assert raised is not None
        balance = catchment(stand, "balance", "--json")
        why = json.loads(catchment(stand, "why", str(raised.id), "--json").stdout)

    assert (found.lost, found.undecided, found.duplicate_effects, found.out_of_order) == (0, 0, 0, 0)
    assert found.effects == 25
    assert balance.returncode == 0
    # Beside what the notifications led to, Catchment tells that it is up.
    assert told == ["SERVER_UP"]
    assert {line["provider"]: line["finished"] for line in json.loads(balance.stdout)} == {"cloud": 25, "internal": 26}
    assert [d["stage"] for d in why["decisions"]] == ["switchboard", "policy", "alert", "refresh"]
    assert [e["state"] for e in why["effects"]] == ["done"]
    assert len(incidents) == 7
    assert sum(i.count for i in incidents) == 25


@pytest.mark.service("rabbitmq")
def test_processes_that_are_asked_to_end_do_so_and_lose_nothing(tmp_path: Path, database: str) -> None:
    with Stand(tmp_path, database, pause=0.2) as stand:
        stand.publish(20)
        stand.wait_for_effects(2)
        names = list(stand.processes.running)
        stubborn = stand.processes.stop(patience=40)
        for name in names:
            stand.start(name)
        stand.quiet()
        found = stand.counters()

    assert stubborn == []
    assert (found.lost, found.undecided, found.duplicate_effects) == (0, 0, 0)
    assert found.effects == 20
    assert found.exact


def test_the_demo_shows_an_event_at_every_stage_and_ends_in_balance() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CATCHMENT_")}

    done = subprocess.run(
        [sys.executable, "-m", "workers.cli.main", "demo", "--seconds", "25", "--pace", "0.5"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    for stage in ("convert", "switchboard", "policy", "alert", "refresh", "inventory"):
        assert re.search(rf"^{stage} ", done.stdout, re.MULTILINE), f"nothing of {stage} was shown"
    assert "fault:" not in done.stdout
