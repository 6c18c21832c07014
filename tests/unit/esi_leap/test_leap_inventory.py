"""Leases, offers and nodes as inventory: read one by one and all of them, and what refusals mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.esi.leases import LESSEE
from examples.esi.running import LeapApi
from tasks.model.errors import Gone, Permanent, ProviderDown
from tasks.model.event import ESI_LEAP, PROVIDER_EVENT, Event, Normalised, ObjectRef
from tasks.model.leases import FIELDS
from tasks.model.outcome import Outcome, Plan
from tasks.providers.esi_leap.inventory import LeapInventory
from tasks.switchboard.consequences import CONSEQUENCES, REFRESHABLE
from tests.unit.esi_leap.leap_ground import AT, LEASE, NODE, provider

UNKNOWN = ObjectRef("lease", "00000000-0000-4000-8000-000000000000")


@pytest.fixture
def api() -> Iterator[LeapApi]:
    with LeapApi() as running:
        running.state.node("node-a", uuid=NODE)
        running.state.create("L1", NODE, uuid=LEASE, offer_uuid="o-1")
        running.state.offers["o-1"] = {"uuid": "o-1", "name": "offer", "project_id": "seller", "status": "available"}
        yield running


@pytest.fixture
def reader(api: LeapApi, tmp_path: Path) -> LeapInventory:
    return LeapInventory(provider(api, tmp_path))


def test_a_lease_is_read_with_all_the_fields_of_the_api(reader: LeapInventory, api: LeapApi) -> None:
    reading = reader.read(ObjectRef("lease", LEASE))
    assert (reading.ref, reading.name, reading.tenant_id) == (("lease", LEASE), "L1", LESSEE)
    assert tuple(reading.attributes) == FIELDS
    assert reading.attributes["resource_properties"] == {"vendor": "foo"}
    assert api.asked[f"/v1/leases/{LEASE}"] == 1


def test_an_ended_lease_stays_and_says_so(reader: LeapInventory, api: LeapApi) -> None:
    api.state.fulfil(LEASE)
    api.state.delete(LEASE)
    assert reader.read(ObjectRef("lease", LEASE)).attributes["status"] == "deleted"


def test_nodes_and_offers_are_read_one_by_one(reader: LeapInventory) -> None:
    assert reader.read(ObjectRef("node", NODE)).attributes["power_state"] == "power off"
    assert reader.read(ObjectRef("offer", "o-1")).tenant_id == "seller"


def test_an_id_that_the_service_never_gave_is_gone_though_it_answers_500(reader: LeapInventory) -> None:
    with pytest.raises(Gone):
        reader.read(UNKNOWN)


def test_a_service_that_is_out_of_order_takes_nothing_away(reader: LeapInventory, api: LeapApi) -> None:
    api.refuse = 500
    for ref in (ObjectRef("lease", LEASE), UNKNOWN, ObjectRef("node", NODE)):
        with pytest.raises(ProviderDown):
            reader.read(ref)


@pytest.mark.parametrize("ref", [ObjectRef("server", "s"), ObjectRef("lease", "../events"), ObjectRef("lease", "..")])
def test_no_other_address_is_asked(reader: LeapInventory, api: LeapApi, ref: ObjectRef) -> None:
    with pytest.raises(Permanent):
        reader.read(ref)
    assert not api.asked


def test_all_of_a_kind_are_read_of_all_projects(reader: LeapInventory, api: LeapApi) -> None:
    found = {kind: [r.ref.id for r in reader.read_all(kind)] for kind in reader.kinds}
    assert found == {"node": [NODE], "offer": ["o-1"], "lease": [LEASE]}
    assert api.asked["/v1/leases?view=all"] == 1


def test_a_user_of_one_project_gets_its_own_leases(reader: LeapInventory, api: LeapApi) -> None:
    api.admin = False
    assert [r.ref.id for r in reader.read_all("lease")] == [LEASE]
    assert api.asked["/v1/leases"] == 1


def refreshed(**more: object) -> list[ObjectRef]:
    facts = Normalised(
        "esi_leap.lease.delete.end", "esi_leap.lease.delete.end", "m", AT, "lease", LEASE,
        parents={"node": NODE, "offer": "o-1", "project": LESSEE}, details=dict(more),
    )  # fmt: skip
    plan = Plan()
    CONSEQUENCES["refresh"]({}, Event(1, "esi", ESI_LEAP, PROVIDER_EVENT, facts, {}), Outcome(), plan)
    return plan.targets


def test_a_lease_event_has_lease_node_and_offer_read_again() -> None:
    assert refreshed(resource_type="ironic_node") == [("lease", LEASE), ("node", NODE), ("offer", "o-1")]
    assert refreshed() == [("lease", LEASE), ("node", NODE), ("offer", "o-1")]


def test_a_node_that_stands_in_no_list_is_not_asked_for() -> None:
    assert refreshed(resource_type="dummy_node") == [("lease", LEASE), ("offer", "o-1")]


def test_what_the_switchboard_has_read_again_is_what_the_reader_reads() -> None:
    assert REFRESHABLE[ESI_LEAP] == frozenset(LeapInventory.kinds)
