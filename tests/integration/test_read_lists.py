"""Lists of one kind, escalation to them, pauses and rates, and the clock of full refreshes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tasks.conveyor import sweep
from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL, Wish, all_of, want
from tasks.ledger import health
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model.errors import Absent, ProviderDown, Transient
from tasks.model.event import ObjectRef
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.table import kinds
from tasks.refresh import refresher
from tasks.refresh.refresher import refresh
from tasks.refresh.tick import STANDSTILL, tick
from tests.ground import START, Clock, installed, provider, site
from tests.refresh_ground import SERVER, FakeCloud, changes, event_of, known, target, target_states, wish

ALL = all_of("server")


def server(number: int) -> ObjectRef:
    return ObjectRef("server", f"s{number:04}")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    table = {"openstack": replace(kinds()["openstack"], inventory=fake.reader())}
    monkeypatch.setattr(refresher, "kinds", lambda: table)
    return fake


@pytest.fixture
def present(ledger: Ledger, hands: Clock) -> Installation:
    return installed(ledger, refresh={"settle_seconds": 0, "list_settle_seconds": 0, "attempts": 3, "escalate": 5})


def test_all_of_one_kind_is_a_target_of_its_own_and_reads_no_other_kind(
    present: Installation, cloud: FakeCloud, hands: Clock
) -> None:
    lab = provider(present.ledger)
    cloud.objects.update({server(n): {"n": n} for n in range(3)})
    cloud.objects[ObjectRef("network", "n1")] = {}
    wish(present, lab, FULL)
    refresh(present)
    hands.forward(10)
    cloud.reads.clear()
    cause = event_of(present, lab, "a")
    cloud.objects[server(0)] = {"n": 100}
    del cloud.objects[server(1)]
    wish(present, lab, ALL, event_id=cause)
    refresh(present)
    assert dict(cloud.reads) == {"sign in": 1, "server": 1, server(1): 1}
    assert changes(present.ledger)[4:] == [
        ("s0000", "changed", cause, {"n": 0}, {"n": 100}),
        ("s0001", "gone", cause, {"name": "name of s0001", "tenant_id": "red", "n": 1}, {}),
    ]
    # A list that shows nothing removes nothing (spec capture 9 C1).
    assert known(present.ledger, ObjectRef("network", "n1")).state == "known"  # type: ignore[union-attr]  # it is there


def test_kind_that_nobody_reads_ends_on_the_desk(present: Installation, cloud: FakeCloud) -> None:
    lab = provider(present.ledger)
    wish(present, lab, all_of("unicorn"))
    refresh(present)
    assert target(present.ledger, all_of("unicorn")).state == "dead"


def test_many_objects_of_a_kind_that_nobody_reads_keep_none_of_the_others(
    present: Installation, cloud: FakeCloud
) -> None:
    lab = provider(present.ledger)
    cloud.objects[SERVER] = {}
    wish(present, lab, *(ObjectRef("unicorn", str(n)) for n in range(10)), SERVER)
    refresh(present)
    assert target(present.ledger).state == "read"
    assert [state for name, state in target_states(present.ledger).items() if "unicorn" in name] == ["dead"] * 11


def test_many_objects_of_one_kind_are_read_by_their_list(present: Installation, cloud: FakeCloud, hands: Clock) -> None:
    lab = provider(present.ledger)
    refs = [server(n) for n in range(20)]
    cloud.objects.update({ref: {} for ref in refs})
    wish(present, lab, FULL)
    refresh(present)
    hands.forward(10)
    cloud.reads.clear()
    events = [event_of(present, lab, str(n)) for n in range(4)]
    for number, ref in enumerate(refs):
        cloud.objects[ref] = {"changed": True}
        wish(present, lab, ref, event_id=events[number % 4])
    del cloud.objects[refs[7]]
    refresh(present)
    assert {what: n for what, n in cloud.reads.items() if what != "sign in"} == {"server": 1, refs[7]: 1}
    assert set(target_states(present.ledger).values()) == {"read"}
    # Each object's change names the event that wanted that object.
    caused = {ref: event_id for ref, verdict, event_id, *_ in changes(present.ledger) if verdict == "changed"}
    assert caused == {ref.id: events[n % 4] for n, ref in enumerate(refs) if ref != refs[7]}
    with present.ledger.reading() as session:
        lagging = select(func.count()).where(RefreshTarget.wanted != RefreshTarget.read)
        assert session.scalar(lagging) == 0


def test_same_object_wanted_often_is_no_reason_for_a_list(present: Installation, cloud: FakeCloud) -> None:
    lab = provider(present.ledger)
    cloud.objects.update({server(n): {} for n in range(4)})
    for _ in range(50):
        wish(present, lab, *(server(n) for n in range(4)))
    refresh(present)
    assert cloud.reads["server"] == 0
    assert sum(n for what, n in cloud.reads.items() if isinstance(what, ObjectRef)) == 4


def test_objects_that_the_list_does_not_show_are_read_by_themselves_and_never_by_list_again(
    present: Installation, cloud: FakeCloud, hands: Clock
) -> None:
    lab = provider(present.ledger)
    refs = [server(n) for n in range(30)]
    cloud.objects.update({ref: {} for ref in refs})
    wish(present, lab, FULL)
    refresh(present)
    hands.forward(10)
    cloud.reads.clear()
    cloud.objects.clear()
    wish(present, lab, *refs)
    refresh(present)
    assert cloud.reads["server"] == 1
    assert all(cloud.reads[ref] == 1 for ref in refs)
    assert sum(verdict == "gone" for _, verdict, *_ in changes(present.ledger)) == 30


def test_wish_that_comes_while_the_list_is_read_leads_to_one_more_read(
    present: Installation, cloud: FakeCloud, hands: Clock
) -> None:
    lab = provider(present.ledger)
    refs = [server(n) for n in range(10)]
    cloud.objects.update({ref: {"n": 1} for ref in refs})

    def meanwhile() -> None:
        # The list has its answer already; the object changes, and its event comes.
        hands.forward(1)
        cloud.objects[refs[3]] = {"n": 2}
        wish(present, lab, refs[3])

    cloud.during["server"] = meanwhile
    wish(present, lab, *refs)
    refresh(present)
    assert (cloud.reads["server"], cloud.reads[refs[3]]) == (1, 1)
    found = known(present.ledger, refs[3])
    assert found is not None
    assert found.attributes == {"n": 2}
    assert target(present.ledger, refs[3]).state == "read"


def test_list_that_fails_gives_its_objects_back(present: Installation, cloud: FakeCloud, hands: Clock) -> None:
    lab = provider(present.ledger)
    refs = [server(n) for n in range(10)]
    cloud.objects.update({ref: {} for ref in refs})
    cloud.answers["server"] = [ProviderDown("no lists today")]
    wish(present, lab, *refs)
    refresh(present)
    assert cloud.reads["server"] == 1
    assert all(cloud.reads[ref] == 1 for ref in refs)
    assert target(present.ledger, ALL).state == "wanted"


def test_list_costs_more_than_the_objects_where_there_are_many_more_of_them(
    present: Installation, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresher.covered, "A_PAGE", 2)
    lab = provider(present.ledger)
    refs = [server(n) for n in range(30)]
    cloud.objects.update({ref: {} for ref in refs})
    wish(present, lab, FULL)
    refresh(present)
    cloud.reads.clear()
    wish(present, lab, *refs[:10])
    refresh(present)
    assert cloud.reads["server"] == 0


def test_service_that_the_cloud_lacks_leaves_its_kinds_out(
    present: Installation, cloud: FakeCloud, hands: Clock
) -> None:
    lab = provider(present.ledger, ready=False)
    cloud.objects.update({SERVER: {}, ObjectRef("network", "n1"): {}})
    cloud.answers["network"] = [Absent("the catalogue has no network service")]
    wish(present, lab, FULL)
    assert refresh(present)
    assert target_states(present.ledger) == {"*/*": "read"}
    assert known(present.ledger) is not None


def test_pause_that_a_provider_asks_for_is_kept_for_all_of_it_and_for_no_other(
    ledger: Ledger, cloud: FakeCloud, hands: Clock
) -> None:
    configs = [ProviderConfig(name, "openstack", OpenStackOptions()) for name in ("lab", "zone")]
    present = installed(ledger, site(providers=configs, refresh={"settle_seconds": 0, "parallel": 1}))
    lab, zone = provider(ledger), provider(ledger, "zone")
    refs = [server(n) for n in range(6)]
    cloud.objects.update({ref: {} for ref in refs})
    cloud.answers[refs[1]] = [Transient("nova asks for a pause (429)", after=30)]
    wish(present, lab, *refs)
    refresh(present)
    assert [cloud.reads[ref] for ref in refs] == [1, 1, 0, 0, 0, 0]
    with ledger.reading() as session:
        row = session.get_one(Provider, lab)
        assert (row.reads_after, row.reads_note) == (hands.now + timedelta(seconds=30), "nova asks for a pause (429)")
        told = {line.name: (line.reads_after, line.reads_note) for line in health.providers(session, hands.now)}
        assert told == {"lab": (row.reads_after, row.reads_note), "zone": (None, None)}
    # What the pause kept from being read has lost no try; new wishes wait, and nobody is rung for.
    assert {target(ledger, ref).attempts for ref in refs[2:]} == {0}
    hands.forward(29)
    wish(present, lab, refs[5])
    wish(present, zone, SERVER)
    cloud.objects[SERVER] = {}
    refresh(present)
    assert [cloud.reads[ref] for ref in refs] == [1, 1, 0, 0, 0, 0]
    assert cloud.reads[SERVER] == 1
    with ledger.reading() as session:
        assert not sweep.find(session, present.site.settings, hands.now).reads
    hands.forward(5)
    with ledger.reading() as session:
        assert sweep.find(session, present.site.settings, hands.now).reads
    refresh(present)
    assert [cloud.reads[ref] for ref in refs] == [1, 2, 1, 1, 1, 1]


def test_pause_is_asked_for_in_the_middle_of_a_list(present: Installation, cloud: FakeCloud, hands: Clock) -> None:
    lab = provider(present.ledger, ready=False)
    cloud.answers["server"] = [Transient("503, come back in a minute", after=60)]
    wish(present, lab, FULL)
    refresh(present)
    wish(present, lab, SERVER)
    refresh(present)
    assert (cloud.reads["server"], cloud.reads[SERVER]) == (1, 0)
    hands.forward(67)
    assert refresh(present)


def test_rate_of_reads_is_kept_by_all_workers_together(ledger: Ledger, cloud: FakeCloud, hands: Clock) -> None:
    present = installed(ledger, refresh={"settle_seconds": 0, "reads_per_second": 5})
    lab = provider(ledger)
    refs = [server(n) for n in range(12)]
    cloud.objects.update({ref: {} for ref in refs})
    wish(present, lab, *refs)
    read = []
    for _ in range(4):
        refresh(present)
        refresh(Installation(ledger, present.sites, host="elsewhere"))
        read.append(sum(n for what, n in cloud.reads.items() if isinstance(what, ObjectRef)))
        hands.forward(1)
    assert read == [5, 10, 12, 12]


def test_rate_of_one_provider_replaces_that_of_the_site(ledger: Ledger, cloud: FakeCloud, hands: Clock) -> None:
    config = ProviderConfig("lab", "openstack", OpenStackOptions(reads_per_second=0))
    present = installed(ledger, site(providers=[config], refresh={"settle_seconds": 0, "reads_per_second": 1}))
    lab = provider(ledger)
    wish(present, lab, *(server(n) for n in range(12)))
    refresh(present)
    assert sum(n for what, n in cloud.reads.items() if isinstance(what, ObjectRef)) == 12


def _tick(present: Installation, hands: Clock) -> list[str]:
    with present.ledger.transaction() as session:
        return tick(session, present.site, hands.now)


def _own_times(**options: float) -> ProviderConfig:
    return ProviderConfig("lab", "openstack", OpenStackOptions(**options))  # type: ignore[arg-type]  # times alone


@pytest.mark.parametrize(
    ("options", "every"), [({}, 3600.0), ({"full_every_seconds": 600.0}, 600.0)], ids=["of the site", "its own"]
)
def test_full_refresh_comes_on_schedule(
    ledger: Ledger, cloud: FakeCloud, hands: Clock, options: dict[str, float], every: float
) -> None:
    settings = {"settle_seconds": 0, "full_every_seconds": 3600}
    present = installed(ledger, site(providers=[_own_times(**options)], refresh=settings))
    lab = provider(ledger)
    wish(present, lab, FULL)
    refresh(present)
    asked = []
    for _ in range(int(every / 60) + 2):
        if _tick(present, hands):
            asked.append((hands.now - START).total_seconds())
            assert _tick(present, hands) == []
            refresh(present)
        hands.forward(60)
    assert asked == [every]
    assert cloud.reads["server"] == 2


def test_full_refresh_comes_after_a_standstill_and_not_twice(ledger: Ledger, cloud: FakeCloud, hands: Clock) -> None:
    present = installed(ledger, refresh={"settle_seconds": 0, "full_every_seconds": 0})
    lab = provider(ledger)
    wish(present, lab, FULL)
    refresh(present)
    # The first start of all: what was read a moment ago is not read again.
    assert _tick(present, hands) == []
    for _ in range(10):
        hands.forward(60)
        assert _tick(present, hands) == []
    hands.forward(STANDSTILL.total_seconds() + 60)
    assert _tick(present, hands) == ["lab"]
    refresh(present)
    hands.forward(60)
    assert _tick(present, hands) == []
    assert cloud.reads["server"] == 2


def test_provider_whose_inventory_is_not_read_is_left_alone_by_the_clock(ledger: Ledger, hands: Clock) -> None:
    config = ProviderConfig("lab", "openstack", OpenStackOptions(inventory="none"))
    present = installed(ledger, site(providers=[config]))
    provider(ledger)
    assert _tick(present, hands) == []
    with ledger.reading() as session:
        assert session.scalar(select(func.count()).select_from(RefreshTarget)) == 0


def test_wish_for_a_list_waits_longer_than_one_for_an_object(ledger: Ledger, hands: Clock) -> None:
    lab = provider(ledger)
    with ledger.transaction() as session:
        want(session, [Wish(lab, SERVER, None), Wish(lab, ALL, None)], hands.now, 0.5, 5)
    assert target(ledger).due_at == hands.now + timedelta(seconds=0.5)
    assert target(ledger, ALL).due_at == hands.now + timedelta(seconds=5)
