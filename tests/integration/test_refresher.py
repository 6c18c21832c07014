"""The refresher: one read for many wishes, and none of them dropped."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import Wish, want
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent, ProviderDown, SignedOut, Transient
from tasks.model.event import ObjectRef
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.table import kinds
from tasks.refresh import refresher
from tasks.refresh.refresher import refresh
from tests.ground import (
    Clock,
    installed,
    provider,
    site,
)
from tests.refresh_ground import SERVER, FakeCloud, changes, event_of, known, target, wish


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    table = {"openstack": replace(kinds()["openstack"], inventory=fake.reader())}
    monkeypatch.setattr(refresher, "kinds", lambda: table)
    return fake


@pytest.fixture
def present(ledger: Ledger, hands: Clock) -> Installation:
    return installed(ledger, refresh={"settle_seconds": 0, "attempts": 3})


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
    wish(present, lab, SERVER, event_id=event_of(present, lab, "a"))
    refresh(present)
    del cloud.objects[SERVER]
    hands.forward(10)
    cause = event_of(present, lab, "b")
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


def test_change_tells_what_changed_and_by_whichevent_of(present: Installation, cloud: FakeCloud, hands: Clock) -> None:
    lab = provider(present.ledger)
    events = [event_of(present, lab, str(n)) for n in range(3)]
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
    # A pause that the provider asks for is the whole provider's; any other failure is the object's alone.
    if not getattr(error, "after", None):
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
    refresher._Work(present, "first").fail([_taken(row)], ProviderDown("late"))
    assert target(present.ledger).error is None


def _taken(row: RefreshTarget) -> Any:
    return refresher.Taken(row.id, row.provider_id, "lab", SERVER, row.wanted, row.attempts, None)
