"""The jobs that ship as examples: they can be used as they are, and do what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tasks.constraints.xml import against_schema
from tasks.jobs.archive import pack
from tasks.ledger.inventory import InventoryObject
from tasks.ledger.operations import Operation
from tasks.ledger.session import Ledger
from tests.ground import Clock, provider
from tests.job_ground import Stand, read_site
from workers.processes import SOURCE

EXAMPLES = SOURCE / "examples" / "jobs"


def site_files() -> dict[str, bytes]:
    """The examples as an operator packs them into a site."""
    files = {path.name: path.read_bytes() for path in EXAMPLES.glob("*.trig")}
    for folder in (path for path in EXAMPLES.iterdir() if path.is_dir()):
        parts = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        files[f"{folder.name}.job"] = pack(parts)
    return files


@pytest.fixture
def stand(ledger: Ledger, hands: Clock) -> Stand:
    return Stand(ledger, hands, site_files(), actions={"destructive": True})


def test_the_examples_have_no_mistakes_and_fit_their_schemas() -> None:
    found, problems = read_site(site_files())
    # The rule event is another example, which is not in this site.
    assert [problem.what for problem in problems if "W408" not in problem.what] == []
    assert {"relieve", "watchman"} <= found.jobs.keys()
    schemas = {".sched": "schedule_2_0_0.xsd", ".trig": "trigger_1_0_0.xsd", ".policy": "job_policy_1_0_0.xsd"}
    for path in Path(EXAMPLES).rglob("*"):
        if path.suffix in schemas:
            assert against_schema(path.read_bytes(), schemas[path.suffix]) == [], path


def machine(session: Any, lab: int, ref: str, host: str, memory: int, now: Any, status: str = "ACTIVE") -> None:
    attributes = {"host": host, "memory_mb": memory, "status": status}
    facts = {"state": "known", "name": f"name of {ref}", "attributes": attributes, "seen_at": now}
    session.add(InventoryObject(provider_id=lab, kind="server", ref=ref, **facts))


def test_relieve_asks_for_a_migration_of_the_smallest_machine_of_each_host(stand: Stand) -> None:
    lab = provider(stand.ledger)
    with stand.ledger.transaction() as session:
        for ref, host, memory in (("s1", "h1", 4096), ("s2", "h1", 1024), ("s3", "h2", 512), ("s4", "h3", 64)):
            machine(session, lab, ref, host, memory, stand.hands.now)
        machine(session, lab, "s5", "h1", 1, stand.hands.now, status="SHUTOFF")
    stand.fire("vmhost", {"vmhost": ["lab/h1", "lab/h2", "lab/h9"]})
    stand.tick()
    assert stand.work_all() == 1
    assert stand.runs("state", "result") == [("completed", {"hosts": 3})], stand.log()
    assert "nothing runs on lab/h9 that could be moved" in stand.log()
    with stand.ledger.reading() as session:
        asked = session.execute(
            select(Operation.action, Operation.target_id, Operation.rule).order_by(Operation.target_id)
        )
        assert [tuple(row) for row in asked] == [
            ("migrate_server", "s2", "job:relieve"),
            ("migrate_server", "s3", "job:relieve"),
        ]


def test_the_watchman_waits_counts_and_ends_when_it_is_told_to(stand: Stand) -> None:
    stand.fire("SERVER_UP")
    stand.tick()
    assert stand.work_all() == 1
    stand.hands.forward(1)
    for host in ("a", "b", "a"):
        stand.fire("RESOURCE_OFFLINE", {"resource": host})
    stand.tick()
    assert stand.rings.hosts == {None: 1}
    stand.work_all()
    assert stand.runs("state") == ["running"]
    stand.fire("watchman_off")
    stand.tick()
    stand.work_all()
    assert stand.runs("state", "result") == [("completed", {"a": 2, "b": 1})]
    assert stand.log() == ["a: 2", "b: 1"]
