"""Reading everything, and bringing inventory in line: nothing older over anything newer."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from tasks.conveyor import installation
from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL, stub
from tasks.ledger.inventory import InventoryChange, InventoryObject, RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model.errors import ProviderDown
from tasks.model.event import ObjectRef
from tasks.model.outcome import Outcome, Plan
from tasks.providers.contracts import ProviderConfig, Reading
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.session import cloud_session
from tasks.providers.table import kinds
from tasks.refresh import refresher
from tasks.refresh.apply import Seen, apply
from tasks.refresh.refresher import refresh
from tasks.refresh.task import read
from tests.ground import (
    START,
    Clock,
    Rung,
    all_the_way,
    caught,
    count,
    exact,
    installed,
    notice,
    only_postgresql,
    outcome_of,
    provider,
    site,
    take,
)
from tests.refresh_ground import SERVER, FakeCloud, changes, known, target, wish


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    table = {"openstack": replace(kinds()["openstack"], inventory=fake.reader())}
    monkeypatch.setattr(refresher, "kinds", lambda: table)
    return fake


@pytest.fixture
def present(ledger: Ledger, hands: Clock) -> Installation:
    return installed(ledger, refresh={"settle_seconds": 0, "attempts": 3})


def test_older_read_does_not_replace_a_newer_one(present: Installation, hands: Clock) -> None:
    lab = provider(present.ledger)

    def seen(status: str | None, seconds: float) -> Seen:
        reading = Reading(SERVER, "web", "red", {"status": status}) if status else None
        return Seen(SERVER, reading, None, START + timedelta(seconds=seconds))

    verdicts = []
    for item in (seen("NEW", 10), seen("OLD", 5), seen(None, 5), seen("NEW", 10), seen(None, 20), seen("OLD", 19)):
        with present.ledger.transaction() as session:
            verdicts += apply(session, lab, [item])
    assert verdicts == ["created", "stale", "stale", "unchanged", "gone", "stale"]
    found = known(present.ledger)
    assert found is not None
    assert (found.state, found.read_at) == ("gone", START + timedelta(seconds=20))
    assert [verdict for _, verdict, *_ in changes(present.ledger)] == ["created", "gone"]


def test_full_refresh_brings_all_and_reads_what_it_did_not_meet_by_itself(
    present: Installation, cloud: FakeCloud, hands: Clock
) -> None:
    lab = provider(present.ledger, ready=False)
    refs = [ObjectRef("server", f"s{n}") for n in range(450)] + [ObjectRef("network", "n1")]
    cloud.objects.update({ref: {"n": 1} for ref in refs})
    with present.ledger.transaction() as session:
        stub(session, [(lab, ObjectRef("server", "stub"))], hands.now)
    wish(present, lab, FULL)
    assert refresh(present)
    assert Counter(verdict for _, verdict, *_ in changes(present.ledger)) == {"created": 451}
    with present.ledger.reading() as session:
        assert session.get_one(Provider, lab).ready_at == hands.now
    assert [cloud.reads[kind] for kind in ("server", "network", SERVER)] == [1, 1, 0]
    # One has changed, one is new, one is gone, and one the list does not show though it is there.
    hands.forward(10)
    cloud.objects[refs[0]] = {"n": 2}
    cloud.objects[ObjectRef("server", "new")] = {"n": 1}
    del cloud.objects[refs[1]]
    hidden = cloud.objects.pop(refs[2])
    cloud.during["server"] = lambda: cloud.objects.update({refs[2]: hidden})
    wish(present, lab, FULL)
    assert not refresh(present)
    assert sorted((ref, verdict) for ref, verdict, *_ in changes(present.ledger)[451:]) == [
        ("new", "created"),
        ("s0", "changed"),
        ("s1", "gone"),
    ]
    assert {ref.id for ref, n in cloud.reads.items() if isinstance(ref, ObjectRef) and n} == {"s1", "s2"}
    for ref, state in ((refs[1], "gone"), (refs[2], "known"), (ObjectRef("server", "stub"), "stub")):
        found = known(present.ledger, ref)
        assert found is not None
        assert found.state == state


@pytest.mark.parametrize("error", [ProviderDown("down"), KeyError("a bug of the reader")])
def test_full_refresh_that_fails_is_tried_for_ever(
    present: Installation, cloud: FakeCloud, hands: Clock, error: Exception
) -> None:
    lab = provider(present.ledger, ready=False)
    cloud.objects[SERVER] = {}
    cloud.answers["server"] = [error] * 5
    wish(present, lab, FULL)
    for tries in range(1, 6):
        assert not refresh(present)
        row = target(present.ledger, FULL)
        assert (row.state, row.attempts) == ("wanted", tries)
        assert row.error
        assert row.due_at > hands.now
        hands.now = row.due_at
    assert refresh(present)
    row = target(present.ledger, FULL)
    assert (row.state, row.attempts, row.error) == ("read", 0, None)


def test_full_refresh_that_lost_its_lease_writes_no_more(present: Installation, cloud: FakeCloud, hands: Clock) -> None:
    lab = provider(present.ledger, ready=False)
    cloud.objects.update({SERVER: {}, ObjectRef("network", "n1"): {}})

    def overtaken() -> None:
        with present.ledger.transaction() as session:
            session.execute(update(RefreshTarget).values(lease_owner="other"))

    cloud.during["server"] = overtaken
    wish(present, lab, FULL)
    assert not refresh(present)
    assert known(present.ledger, ObjectRef("network", "n1")) is not None
    assert known(present.ledger) is None
    assert target(present.ledger, FULL).lease_owner == "other"
    # Nor does it where the list that came last was empty.
    with present.ledger.transaction() as session:
        session.execute(update(RefreshTarget).values(lease_owner=None, lease_until=None))
    del cloud.objects[SERVER]
    cloud.during["server"] = overtaken
    assert not refresh(present)
    with present.ledger.reading() as session:
        assert session.get_one(Provider, lab).ready_at is None


def test_note_of_lost_patience_ends_with_the_first_full_refresh(present: Installation, cloud: FakeCloud) -> None:
    lab = provider(present.ledger, ready_note="events are judged on stubs")
    wish(present, lab, FULL)
    assert not refresh(present)
    with present.ledger.reading() as session:
        row = session.get_one(Provider, lab)
        assert (row.ready_at, row.ready_note) == (START, None)


@only_postgresql
def test_object_that_is_made_known_by_an_event_at_the_same_moment_is_no_failure(
    present: Installation, cloud: FakeCloud
) -> None:
    lab = provider(present.ledger)
    done = threading.Event()

    def work(start: int) -> None:
        for n in range(30):
            refs = [(lab, ObjectRef("server", f"s{m}")) for m in range(n, n + 10)]
            with present.ledger.transaction() as session:
                if start:
                    stub(session, refs, START)
                else:
                    readings = [Reading(ref, None, None, {}) for _, ref in reversed(refs)]
                    apply(session, lab, [Seen(r.ref, r, None, START) for r in readings])
        if start:
            done.set()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done.is_set()
    with present.ledger.reading() as session:
        assert set(session.scalars(select(InventoryObject.state))) == {"known"}
    assert count(present.ledger, InventoryChange, InventoryChange.verdict == "created") == 39


def test_door_starts_the_events_that_waited_for_inventory(
    present: Installation, cloud: FakeCloud, rung: Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "_installation", present)
    lab = provider(present.ledger, ready=False)
    caught(present, lab, notice(message_id="a"))
    take(present, "convert")
    wish(present, lab, FULL)
    read()
    assert {steps for steps, _ in rung.chains} == {("switchboard.run", "policy.run", "alert.run", "refresh.run")}
    assert sorted(lane for _, part in rung.chains for lane in part) == list(range(16))
    assert take(present, "switchboard").worked == 1
    rung.chains.clear()
    read()
    # The server that the event named is read for the first time, and that is told to the rules.
    assert [len(part) for _, part in rung.chains] == [1]
    rung.chains.clear()
    read()
    assert rung.chains == []


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")
def test_event_of_a_real_looking_cloud_leads_to_a_read_that_tells_what_changed(ledger: Ledger, tmp_path: Path) -> None:
    with Cloud(World(seed=13)) as running:
        path = tmp_path / "clouds.yaml"
        path.write_text(clouds_yaml(running.url))
        session = cloud_session("demo", path)
        config = ProviderConfig("lab", "openstack", OpenStackOptions(), lambda: session)
        present = installed(ledger, site(providers=[config], refresh={"settle_seconds": 0}))
        lab = provider(ledger, ready=False)
        wish(present, lab, FULL)
        assert refresh(present)
        server = running.world.servers.named("web-1")
        ref = ObjectRef("server", server.id)
        before = known(ledger, ref)
        assert before is not None
        assert (before.name, before.attributes["status"]) == ("web-1", "ACTIVE")
        running.world.servers.act(server.id, "stop")
        caught(present, lab, notice(server=server.id, message_id="stopped"))
        all_the_way(present, {"switchboard": outcome_of(lambda event: Outcome(plan=Plan(targets=[ref])))})
        running.faults.answer(503, path=f"/servers/{server.id}")
        refresh(present)
        assert target(ledger, ref).attempts == 1
        with ledger.transaction() as writing:
            writing.execute(update(RefreshTarget).values(due_at=START - timedelta(days=9999)))
        refresh(present)
        after = known(ledger, ref)
        assert after is not None
        assert (after.attributes["status"], after.attributes["power_state"]) == ("SHUTOFF", "off")
        [(_, verdict, cause, old, new)] = [c for c in changes(ledger) if c[0] == server.id and c[1] != "created"]
        assert (verdict, cause) == ("changed", target(ledger, ref).event_id)
        assert (old["status"], new["status"]) == ("ACTIVE", "SHUTOFF")
        running.world.servers.delete(server.id)
        wish(present, lab, ref)
        refresh(present)
        last = known(ledger, ref)
        assert last is not None
        assert last.state == "gone"
    exact(ledger)
