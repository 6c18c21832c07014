"""What hangs together is known alike: the other side of a change, and the aggregates of hosts and servers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL, all_of
from tasks.ledger.session import Ledger
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Reading
from tasks.providers.table import kinds
from tasks.refresh import refresher
from tasks.refresh.apply import apply
from tasks.refresh.refresher import refresh
from tasks.refresh.seen import Seen
from tests.ground import START, Clock, installed, provider
from tests.refresh_ground import FakeCloud, changes, event_of, known, target_states, wish

KINDS = ("project", "volume", "port", "availability_zone", "aggregate", "host", "server_group", "server")


def ref(thing: str) -> ObjectRef:
    return ObjectRef(*thing.split("/"))


class Lab:
    """A provider whose full refresh is through, and what its cloud is asked from then on."""

    def __init__(self, present: Installation, cloud: FakeCloud, hands: Clock) -> None:
        self.present, self.cloud, self.hands = present, cloud, hands
        self.id = provider(present.ledger)
        cloud.kinds = KINDS
        self.put("project/red")
        self.put("host/h1", aggregates=[])
        self.put("host/h2", aggregates=[])
        for name in ("s1", "s2"):
            self.put(f"server/{name}", host="h1", volume_ids=[], vcpus=1, aggregates=[])
        self.put("volume/v1", server_ids=[])
        self.put("server_group/g1", server_ids=["s2"])
        self.put("aggregate/1", hosts=["h1"], availability_zone=None)
        wish(present, self.id, FULL)
        refresh(present)
        hands.forward(10)
        cloud.reads.clear()

    def put(self, thing: str, **attributes: Any) -> None:
        """Have an object, or other attributes of it, in the cloud."""
        self.cloud.objects[ref(thing)] = {**self.cloud.objects.get(ref(thing), {}), **attributes}

    def read(self, thing: str, event_id: int | None = None) -> set[str]:
        """Read one object, and all that follows from that; returns what was asked for."""
        wish(self.present, self.id, ref(thing), event_id=event_id)
        refresh(self.present)
        asked = {str(what) for what, times in self.cloud.reads.items() if times and what != "sign in"}
        self.cloud.reads.clear()
        self.hands.forward(10)
        return asked

    def facts(self, thing: str) -> dict[str, Any]:
        found = known(self.present.ledger, ref(thing))
        assert found is not None
        return found.attributes


@pytest.fixture
def lab(ledger: Ledger, hands: Clock, monkeypatch: pytest.MonkeyPatch) -> Lab:
    cloud = FakeCloud()
    table = {"openstack": replace(kinds()["openstack"], inventory=cloud.reader())}
    monkeypatch.setattr(refresher, "kinds", lambda: table)
    return Lab(installed(ledger, refresh={"settle_seconds": 0, "list_settle_seconds": 0}), cloud, hands)


def test_object_that_has_not_changed_has_no_other_read(lab: Lab) -> None:
    assert lab.read("server/s1") == {"server/s1"}


def test_other_side_of_a_relation_is_read_with_the_same_cause_unless_it_agrees(lab: Lab) -> None:
    lab.put("server/s1", volume_ids=["v1"])
    lab.put("volume/v1", server_ids=["s1"])
    cause = event_of(lab.present, lab.id, "attach")
    assert lab.read("server/s1", cause) == {"server/s1", "volume/v1"}
    assert lab.facts("volume/v1") == {"server_ids": ["s1"]}
    assert changes(lab.present.ledger)[-1][:3] == ("v1", "changed", cause)
    # The event of the volume comes late and finds nothing new: nothing more is read.
    assert lab.read("volume/v1") == {"volume/v1"}
    lab.put("server/s1", volume_ids=[])
    lab.put("volume/v1", server_ids=[])
    assert lab.read("volume/v1") == {"server/s1", "volume/v1"}


def test_hosts_are_read_that_a_server_has_come_to_and_gone_from(lab: Lab) -> None:
    lab.put("server/s1", host="h2")
    assert lab.read("server/s1") == {"server/s1", "host/h1", "host/h2"}
    lab.put("server/s1", vcpus=8)
    assert lab.read("server/s1") == {"server/s1", "host/h2"}
    lab.put("server/s1", description="says nothing of a host")
    assert lab.read("server/s1") == {"server/s1"}


def test_what_hung_on_a_server_that_is_gone_is_read(lab: Lab) -> None:
    del lab.cloud.objects[ref("server/s2")]
    assert lab.read("server/s2") == {"server/s2", "host/h1", "server_group/g1"}


def test_object_that_nobody_has_heard_of_is_read_when_another_names_it(lab: Lab) -> None:
    lab.put("volume/v2", server_ids=["s3"])
    lab.put("server/s3", host="h1", volume_ids=["v2"], aggregates=[])
    assert lab.read("volume/v2") == {"volume/v2", "server/s3", "host/h1"}


def test_kind_that_the_reader_has_not_is_not_wanted(lab: Lab) -> None:
    lab.put("port/p1", network_id="n1", server_id=None)
    assert lab.read("port/p1") == {"port/p1"}
    assert "network/n1" not in target_states(lab.present.ledger)


def test_zones_are_read_when_an_aggregate_makes_one(lab: Lab) -> None:
    lab.put("aggregate/1", availability_zone="east")
    assert lab.read("aggregate/1") == {"aggregate/1", "availability_zone"}
    lab.put("aggregate/1", hosts=["h1", "h2"])
    assert lab.read("aggregate/1") == {"aggregate/1", "availability_zone"}


def test_servers_have_the_aggregates_of_their_host_without_being_read(lab: Lab) -> None:
    rack = "name of 1"
    assert [lab.facts(t)["aggregates"] for t in ("host/h1", "host/h2", "server/s1")] == [[rack], [], [rack]]
    lab.put("aggregate/2", hosts=["h1"], availability_zone=None)
    cause = event_of(lab.present, lab.id, "addhost")
    assert lab.read("aggregate/2", cause) == {"aggregate/2"}
    assert lab.facts("server/s1")["aggregates"] == [rack, "name of 2"]
    assert ("s1", "changed", cause, {"aggregates": [rack]}, {"aggregates": [rack, "name of 2"]}) in changes(
        lab.present.ledger
    )
    lab.put("aggregate/1", hosts=["h2"])
    lab.read("aggregate/1")
    there = [lab.facts(t)["aggregates"] for t in ("host/h1", "host/h2", "server/s2")]
    assert there == [["name of 2"], [rack], ["name of 2"]]
    # A server that moves gets those of its new host, and an aggregate that is gone leaves all of its hosts.
    lab.put("server/s1", host="h2")
    lab.read("server/s1")
    assert lab.facts("server/s1")["aggregates"] == [rack]
    del lab.cloud.objects[ref("aggregate/1")]
    lab.read("aggregate/1")
    assert [lab.facts(t)["aggregates"] for t in ("host/h2", "server/s1", "server/s2")] == [[], [], ["name of 2"]]


def test_all_of_a_kind_has_what_it_changes_read_too(lab: Lab) -> None:
    lab.put("volume/v1", server_ids=["s1"])
    lab.put("server/s1", volume_ids=["v1"])
    wish(lab.present, lab.id, all_of("volume"))
    refresh(lab.present)
    assert lab.cloud.reads[ref("server/s1")] == 1
    assert lab.facts("server/s1")["volume_ids"] == ["v1"]


def test_answer_from_a_copy_that_is_behind_does_not_replace_what_the_service_said_before(lab: Lab) -> None:
    def seen(status: str, updated: int, seconds: float) -> Seen:
        moment = f"2031-05-04T12:00:{updated:02}.000000Z"
        reading = Reading(ref("server/s9"), "nine", "red", {"status": status, "updated_at": moment})
        return Seen(reading.ref, reading, None, START + timedelta(seconds=seconds))

    verdicts = []
    for item in (seen("NEW", 30, 100), seen("OLD", 10, 101), seen("SAME", 30, 102), seen("RESTORED", 10, 300)):
        with lab.present.ledger.transaction() as session:
            verdicts += apply(session, lab.id, [item])
    assert verdicts == ["created", "stale", "changed", "changed"]
    assert lab.facts("server/s9")["status"] == "RESTORED"
