"""The refresher: one read for many wishes, nothing dropped, nothing older over anything newer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import select, update

from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from tasks.conveyor import installation
from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL, Wish, stub, want
from tasks.ledger.inventory import InventoryChange, InventoryObject, RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model.errors import Gone, Permanent, ProviderDown, SignedOut, Transient
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

SERVER = ObjectRef("server", "s1")


class FakeCloud:
    """What a provider's API would answer: objects, or what the test puts in their place."""

    def __init__(self) -> None:
        self.objects: dict[ObjectRef, dict[str, Any]] = {}
        self.answers: dict[ObjectRef | str, list[Exception]] = {}
        self.reads: Counter[ObjectRef | str] = Counter()
        self.during: dict[ObjectRef | str, Callable[[], Any]] = {}
        self.opened = self.closed = 0

    def reader(self) -> type[Any]:
        cloud = self

        class Reader:
            kinds: ClassVar[tuple[str, ...]] = ("network", "server")

            def __init__(self, config: ProviderConfig) -> None:
                cloud.opened += 1
                cloud.answer("sign in")

            def read(self, ref: ObjectRef) -> Reading:
                cloud.answer(ref)
                if ref not in cloud.objects:
                    raise Gone(f"there is no {ref}")
                return cloud.reading(ref)

            def read_all(self, kind: str) -> Iterator[Reading]:
                found = [cloud.reading(ref) for ref in cloud.objects if ref.kind == kind]
                cloud.answer(kind)
                yield from found

            def close(self) -> None:
                cloud.closed += 1

        return Reader

    def answer(self, what: ObjectRef | str) -> None:
        self.reads[what] += 1
        if what in self.during:
            self.during.pop(what)()
        if self.answers.get(what):
            raise self.answers[what].pop(0)

    def reading(self, ref: ObjectRef) -> Reading:
        return Reading(ref, f"name of {ref.id}", "red", dict(self.objects[ref]))


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    table = {"openstack": replace(kinds()["openstack"], inventory=fake.reader())}
    monkeypatch.setattr(refresher, "kinds", lambda: table)
    return fake


@pytest.fixture
def present(ledger: Ledger, hands: Clock) -> Installation:
    return installed(ledger, refresh={"settle_seconds": 0, "attempts": 3})


def wish(present: Installation, lab: int, *refs: ObjectRef, event_id: int | None = None) -> None:
    with present.ledger.transaction() as session:
        want(session, [Wish(lab, ref, event_id) for ref in refs], refresher.clock.now(), settle=0)


def target(ledger: Ledger, ref: ObjectRef = SERVER) -> RefreshTarget:
    with ledger.reading() as session:
        query = select(RefreshTarget).where(RefreshTarget.kind == ref.kind, RefreshTarget.ref == ref.id)
        return session.scalars(query).one()


def known(ledger: Ledger, ref: ObjectRef = SERVER) -> InventoryObject | None:
    with ledger.reading() as session:
        query = select(InventoryObject).where(InventoryObject.kind == ref.kind, InventoryObject.ref == ref.id)
        return session.scalars(query).one_or_none()


def changes(ledger: Ledger) -> list[tuple[str, str, int | None, dict[str, Any], dict[str, Any]]]:
    """Object, verdict, cause, before and after of each change."""
    with ledger.reading() as session:
        rows = session.execute(
            select(InventoryObject.ref, InventoryChange)
            .join(InventoryObject, InventoryObject.id == InventoryChange.object_id)
            .order_by(InventoryChange.id)
        )
        return [(ref, c.verdict, c.event_id, c.before, c.after) for ref, c in rows]


def test_hundred_wishes_for_one_object_are_one_read(present: Installation, cloud: FakeCloud) -> None:
    lab = provider(present.ledger)
    cloud.objects[SERVER] = {"status": "ACTIVE"}
    for _ in range(10):
        wish(present, lab, *[SERVER] * 10)
    refresh(present)
    assert cloud.reads[SERVER] == 1
    row = target(present.ledger)
    assert (row.state, row.wanted, row.read, row.lease_owner) == ("read", 100, 100, None)
    found = known(present.ledger)
    assert found is not None
    assert (found.state, found.name, found.tenant_id, found.attributes) == (
        "known",
        "name of s1",
        "red",
        {"status": "ACTIVE"},
    )
    assert cloud.opened == cloud.closed == 1
    refresh(present)
    assert cloud.reads[SERVER] == 1


def test_wish_during_the_read_leads_to_one_more(present: Installation, cloud: FakeCloud, hands: Clock) -> None:
    lab = provider(present.ledger)
    cloud.objects[SERVER] = {"status": "ACTIVE"}

    def meanwhile() -> None:
        wish(present, lab, SERVER, SERVER)
        hands.forward(1)
        # Nobody else reads it now.
        with present.ledger.transaction() as session:
            assert refresher.targets.take(session, "other", present.site.settings.refresh, hands.now, 10) == []
        cloud.objects[SERVER] = {"status": "SHUTOFF"}

    # The answer was on its way before the object changed.
    old = cloud.reading(SERVER)
    cloud.reading = lambda ref, real=cloud.reading: (  # type: ignore[method-assign,misc]  # the first answer only
        old if cloud.reads[SERVER] == 1 else real(ref)
    )
    cloud.during[SERVER] = meanwhile
    wish(present, lab, SERVER)
    refresh(present)
    assert cloud.reads[SERVER] == 2
    row = target(present.ledger)
    assert (row.state, row.wanted, row.read) == ("read", 3, 3)
    found = known(present.ledger)
    assert found is not None
    assert found.attributes == {"status": "SHUTOFF"}


def test_bell_that_finds_nothing_owed_is_over_at_once(ledger: Ledger, cloud: FakeCloud, hands: Clock) -> None:
    present, lab = installed(ledger, refresh={"settle_seconds": 3}), provider(ledger)
    began = time.monotonic()
    assert not refresh(present)
    with ledger.transaction() as session:
        want(session, [Wish(lab, SERVER, None)], hands.now + timedelta(seconds=60), settle=0)
    assert not refresh(present)
    assert time.monotonic() - began < 2
    assert cloud.opened == 0


def test_burst_is_given_the_time_to_arrive(ledger: Ledger, cloud: FakeCloud) -> None:
    present, lab = installed(ledger, refresh={"settle_seconds": 0.4}), provider(ledger)
    cloud.objects[SERVER] = {}
    with ledger.transaction() as session:
        want(session, [Wish(lab, SERVER, None)], refresher.clock.now(), settle=0.4)
    thread = threading.Timer(0.1, wish, (present, lab, SERVER))
    thread.start()
    refresh(present)
    thread.join()
    assert cloud.reads[SERVER] == 1
    assert target(ledger).read == 2


def test_object_that_is_gone_becomes_a_tombstone_with_the_event_that_led_there(
    present: Installation, cloud: FakeCloud, hands: Clock
) -> None:
    lab = provider(present.ledger)
    cloud.objects[SERVER] = {"status": "ACTIVE"}
    wish(present, lab, SERVER, event_id=_event(present, lab, "a"))
    refresh(present)
    del cloud.objects[SERVER]
    hands.forward(10)
    cause = _event(present, lab, "b")
    wish(present, lab, SERVER, event_id=cause)
    refresh(present)
    found = known(present.ledger)
    assert found is not None
    assert (found.state, found.gone_at, found.attributes) == ("gone", hands.now, {"status": "ACTIVE"})
    facts = {"name": "name of s1", "tenant_id": "red", "status": "ACTIVE"}
    assert changes(present.ledger)[1:] == [("s1", "gone", cause, facts, {})]
    assert target(present.ledger).state == "read"
    # Gone again is nothing new; back again is.
    wish(present, lab, SERVER)
    hands.forward(1)
    refresh(present)
    cloud.objects[SERVER] = {"status": "BUILD"}
    wish(present, lab, SERVER)
    hands.forward(1)
    refresh(present)
    assert changes(present.ledger)[2:] == [("s1", "returned", None, {"status": "ACTIVE"}, {"status": "BUILD"})]


def _event(present: Installation, lab: int, name: str) -> int:
    from tasks.ledger.events import Event

    caught(present, lab, notice(message_id=name))
    with present.ledger.reading() as session:
        return session.scalars(select(Event.id).where(Event.message_id == name)).one()


def test_change_tells_what_changed_and_by_which_event(present: Installation, cloud: FakeCloud, hands: Clock) -> None:
    lab = provider(present.ledger)
    events = [_event(present, lab, str(n)) for n in range(3)]
    cloud.objects[SERVER] = {"status": "ACTIVE", "vcpus": 2}
    for event_id, attributes in zip(events, [{"vcpus": 2}, {"status": "ERROR", "fault": "x"}, {}], strict=True):
        wish(present, lab, SERVER, event_id=event_id)
        # A wish of Catchment's own, as of a full refresh, does not hide the cause.
        wish(present, lab, SERVER)
        refresh(present)
        cloud.objects[SERVER] = {"status": "ACTIVE", **attributes} if attributes else cloud.objects[SERVER]
        hands.forward(5)
    named = {"name": "name of s1", "tenant_id": "red"}
    assert changes(present.ledger) == [
        ("s1", "created", events[0], {}, {**named, "status": "ACTIVE", "vcpus": 2}),
        ("s1", "changed", events[2], {"status": "ACTIVE", "vcpus": 2}, {"status": "ERROR", "fault": "x"}),
    ]


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (ProviderDown("nova answers with a fault of its own (500)"), 2),
        (Transient("nova asks for a pause (429)", after=30), 30),
        (SignedOut("keystone refuses the credentials"), 2),
        (ValueError("a bug of the reader"), 2),
        (Transient("wait for an hour", after=100_000), 600),
    ],
    ids=["500", "429", "401", "bug", "endless"],
)
def test_failed_read_is_put_off_and_never_dropped(
    present: Installation, cloud: FakeCloud, hands: Clock, error: Exception, pause: float
) -> None:
    lab, other = provider(present.ledger), ObjectRef("server", "s2")
    cloud.objects.update({SERVER: {"status": "ACTIVE"}, other: {}})
    wish(present, lab, SERVER, other)
    cloud.answers[SERVER] = [error]
    refresh(present)
    row = target(present.ledger)
    assert (row.state, row.attempts, row.read, row.lease_owner) == ("wanted", 1, 0, None)
    assert str(error) in str(row.error)
    assert (row.due_at - hands.now).total_seconds() == pytest.approx(pause, rel=0.11)
    assert known(present.ledger) is None
    assert target(present.ledger, other).state == "read"
    # A wish in the meantime does not make it impatient.
    wish(present, lab, SERVER)
    refresh(present)
    assert cloud.reads[SERVER] == 1
    hands.now = row.due_at
    refresh(present)
    row = target(present.ledger)
    assert (row.state, row.attempts, row.error) == ("read", 0, None)


def test_what_inventory_knows_stays_while_the_provider_is_down(
    present: Installation, cloud: FakeCloud, hands: Clock
) -> None:
    lab = provider(present.ledger)
    cloud.objects[SERVER] = {"status": "ACTIVE"}
    wish(present, lab, SERVER)
    refresh(present)
    cloud.answers[SERVER] = [ProviderDown("down")] * 3
    for _ in range(3):
        wish(present, lab, SERVER)
        refresh(present)
        hands.forward(100)
    assert target(present.ledger).state == "dead"
    found = known(present.ledger)
    assert found is not None
    assert (found.state, found.attributes) == ("known", {"status": "ACTIVE"})
    # The next event on it tries again, with all its tries.
    wish(present, lab, SERVER)
    refresh(present)
    row = target(present.ledger)
    assert (row.state, row.attempts) == ("read", 0)


@pytest.mark.parametrize("ref", [ObjectRef("server", "../../x"), ObjectRef("keypair", "k")])
def test_what_cannot_be_read_ever_is_not_tried_again_and_again(
    present: Installation, cloud: FakeCloud, ref: ObjectRef
) -> None:
    lab = provider(present.ledger)
    cloud.answers[ref] = [Permanent("that is no id")]
    wish(present, lab, ref)
    refresh(present)
    row = target(present.ledger, ref)
    assert (row.state, row.attempts) == ("dead", 1)
    assert row.error


def test_object_that_the_ledger_refuses_does_not_keep_the_others(present: Installation, cloud: FakeCloud) -> None:
    lab, other = provider(present.ledger), ObjectRef("server", "s2")
    cloud.objects.update({SERVER: {"load": float("nan")}, other: {}})
    wish(present, lab, SERVER, other)
    refresh(present)
    assert target(present.ledger, other).state == "read"
    row = target(present.ledger)
    assert row.state == "dead"
    assert "refuses" in str(row.error)
    assert known(present.ledger) is None


def test_provider_that_cannot_be_signed_in_to_keeps_its_wishes_and_hurts_no_other(
    present: Installation, cloud: FakeCloud, hands: Clock
) -> None:
    configs = [ProviderConfig(name, "openstack", OpenStackOptions()) for name in ("lab", "zone")]
    present = installed(present.ledger, site(providers=configs, refresh={"settle_seconds": 0}))
    lab, zone = provider(present.ledger), provider(present.ledger, "zone")
    cloud.objects[SERVER] = {}
    cloud.answers["sign in"] = [OSError("no route to host")]
    wish(present, lab, SERVER)
    wish(present, zone, SERVER)
    refresh(present)
    with present.ledger.reading() as session:
        states = {row.provider_id: row.state for row in session.scalars(select(RefreshTarget))}
    assert states == {lab: "wanted", zone: "read"}
    hands.forward(5)
    refresh(present)
    assert cloud.reads[SERVER] == 2


def test_wish_for_a_provider_that_the_site_has_no_more_ends_on_the_desk(
    present: Installation, cloud: FakeCloud
) -> None:
    gone = provider(present.ledger, "forgotten")
    wish(present, gone, SERVER)
    refresh(present)
    row = target(present.ledger)
    assert row.state == "dead"
    assert "forgotten" in str(row.error)


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


def test_refresher_whose_lease_was_lost_writes_nothing(present: Installation, cloud: FakeCloud, hands: Clock) -> None:
    lab = provider(present.ledger)
    cloud.objects[SERVER] = {"status": "ACTIVE"}

    def overtaken() -> None:
        hands.forward(61)
        with present.ledger.transaction() as session:
            [mine] = refresher.targets.take(session, "other", present.site.settings.refresh, hands.now, 10)
        assert mine.ref == SERVER

    cloud.during[SERVER] = overtaken
    wish(present, lab, SERVER)
    refresh(present)
    row = target(present.ledger)
    assert (row.state, row.lease_owner, row.read) == ("wanted", "other", 0)
    assert known(present.ledger) is None
    # The one that has it by now may be told of a failure, and the first one's changes nothing.
    refresher._all_put_off(present, [_taken(row)], "first", ProviderDown("late"))
    assert target(present.ledger).error is None


def _taken(row: RefreshTarget) -> Any:
    return refresher.Taken(row.id, row.provider_id, "lab", SERVER, row.wanted, row.attempts, None)


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
