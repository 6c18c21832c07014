"""The worked example of docs/requests.md: a request that waits for a file, while every worker is killed in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select

from tasks.ledger.events import Event
from tasks.ledger.request_lines import RequestTale, tale
from tasks.ledger.requests import RequestTask
from tasks.requests import automation
from tasks.requests.desk import Desk
from tasks.site.settings import Settings
from tests.fault_stand import SOURCE, Stand

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.quick
@pytest.mark.fault("request", "a request's machine waits, every worker is killed in turn, the broker forgets")
def test_request_survives_the_death_of_every_worker_and_ends_once(
    tmp_path: Path, database: str, record: Callable[..., None], seed: Random
) -> None:
    marker = tmp_path / "marker"
    with Stand(tmp_path, database, site=SOURCE / "examples/requests") as stand:
        desk = Desk(stand.ledger, Settings(), lambda _lanes: None)
        parts = {"namespace": "Lab", "class": "Ops", "instance": "provide"}
        wanted = automation.read({"uri_parts": parts, "parameters": {"marker": str(marker)}})
        number = desk.open(wanted.petition, "erin", approver="erin")

        def told() -> RequestTale:
            with stand.ledger.reading() as session:
                found = tale(session, number)
            assert found is not None
            return found

        stand.wait_until(lambda: bool(told().tasks) and told().tasks[0].deliveries >= 1, 60, "it does not begin")
        killed = [name for name in stand.processes.running if name != "redis"]
        for name in killed:
            time.sleep(seed.uniform(0, 0.5))
            stand.kill(name)
        stand.redis.flush()
        before = told().tasks[0].deliveries
        stand.wait_until(lambda: told().tasks[0].deliveries > before, 60, "it does not go on")
        marker.write_text("rack 7\n")
        stand.wait_until(lambda: told().request.request_state == "finished", 60, "it does not end")
        found = told()
        assert (found.request.status, found.request.message) == ("Ok", "Automation Request completed")
        assert {key: found.tasks[0].options[key] for key in ("began", "found")} == {"began": 1, "found": "rack 7"}
        with stand.ledger.reading() as session:
            assert session.scalar(select(func.count()).select_from(RequestTask)) == 1
            mine = Event.request_id == str(number)
            types = session.scalars(select(Event.event_type).where(mine).order_by(Event.id)).all()
        assert list(types) == ["request_created", "request_approved", "request_starting", "deliver"]
        stand.quiet()
        record(stand.counters(), 0, deliveries=found.tasks[0].deliveries, workers_killed=len(killed))
