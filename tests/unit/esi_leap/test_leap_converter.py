"""What becomes of ESI Leap's notifications: both wire formats, rows of the history, and hostile ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from examples.esi.leases import LESSEE, OWNER
from tasks.model.errors import BadPayload
from tasks.model.event import Normalised
from tasks.providers.esi_leap.converter import LeapConverter, shape_of
from tests.unit.esi_leap.leap_ground import END, ERROR, LEASE, NODE, START, captured, data, message

ROW = {
    "id": 22, "event_type": "esi_leap.lease.delete.end", "event_time": "2026-11-21T09:27:32.832784",
    "object_type": "lease", "object_uuid": LEASE, "resource_type": "dummy_node", "resource_uuid": NODE,
    "lessee_id": LESSEE, "owner_id": OWNER,
}  # fmt: skip


def converted(body: Any) -> Normalised:
    converter = LeapConverter()
    [only] = converter.unwrap(body)
    identity, facts = converter.identify(only), converter.convert(only)
    assert (identity.message_id, identity.event_type) == (facts.message_id, facts.event_type)
    assert (identity.resource_kind, identity.resource_id) == (facts.resource_kind, facts.resource_id)
    assert identity.occurred_at == facts.occurred_at
    return facts


@pytest.mark.corpus
def test_check_01_every_captured_message_has_lease_node_projects_and_times(corpus: Path) -> None:
    messages = captured(corpus)
    assert len(messages) == 6
    for each in messages:
        facts, sent = converted(each["body_raw"]), each["oslo_message"]
        lease = sent["payload"]["esi_leap_object.data"]
        assert facts.event_type == sent["event_type"]
        assert facts.message_id == sent["message_id"]
        assert facts.ref() == ("lease", lease["uuid"])
        assert facts.tenant_id == lease["project_id"]
        assert facts.parents["node"] == lease["node_uuid"]
        assert facts.parents["owner"] == lease["owner_id"]
        assert facts.phase == sent["event_type"].rpartition(".")[2]
        assert facts.details.get("purpose") == lease["purpose"]
        assert facts.details["start_time"] == lease["start_time"].replace("Z", ".000000Z")
        assert facts.details["end_time"] == lease["end_time"].replace("Z", ".000000Z")
        assert facts.occurred_at.isoformat().replace("T", " ").removesuffix("+00:00") == sent["timestamp"]


def test_a_lease_is_told_with_all_that_it_belongs_to() -> None:
    facts = converted(message(START, offer_uuid="o-1", parent_lease_uuid="l-0", name="L3 $(id)"))
    assert facts.parents == {"node": NODE, "offer": "o-1", "project": LESSEE, "owner": OWNER, "lease": "l-0"}
    assert facts.details == {
        "name": "L3 $(id)", "purpose": "test", "status": "created", "resource_type": "ironic_node",
        "node_name": "node-a", "node_provision_state": "available", "node_power_state": "power off",
        "start_time": "2031-05-04T12:00:00.000000Z", "end_time": "2031-05-04T14:00:00.000000Z",
    }  # fmt: skip
    assert (facts.group, facts.level, facts.phase) == ("addition", "detail", "start")
    assert shape_of(ERROR) == ("lease", "error", "addition", "critical")


def test_check_06_both_formats_of_a_message_are_one_event_without_the_token() -> None:
    converter = LeapConverter()
    token = "gAAAAABmtoken-of-the-caller-0123456789-0123456789-0123456789"
    texts = []
    for envelope in (True, False):
        whole = json.loads(message(envelope=envelope, message_id="m-1"))
        inner = json.loads(whole["oslo.message"]) if envelope else whole
        inner["_context_auth_token"] = token
        body = json.dumps({**whole, "oslo.message": json.dumps(inner)} if envelope else inner)
        [only] = converter.unwrap(body)
        texts.append(json.dumps(only.content))
        assert converter.identify(only).message_id == "m-1"
        assert converter.convert(only).ref() == ("lease", LEASE)
    assert all(token not in text for text in texts)
    assert json.loads(texts[0]) | {"context": 0} == json.loads(texts[1]) | {"context": 0}


def test_a_versioned_object_is_unwrapped_whoever_publishes_it() -> None:
    body = {
        "message_id": "b-1", "event_type": "baremetal.node.power_set.end", "timestamp": "2031-05-04 12:00:00.000000",
        "payload": {"ironic_object.name": "NodeSetPowerStatePayload", "ironic_object.data": {"uuid": NODE}},
    }  # fmt: skip
    [only] = LeapConverter().unwrap(body)
    assert only.content["payload"] == {"uuid": NODE}
    assert only.content["object"]["name"] == "NodeSetPowerStatePayload"
    assert converted(body).ref() == ("node", NODE)


def test_a_row_of_the_history_is_an_event_of_its_lease() -> None:
    facts = converted(ROW)
    assert facts.message_id == "event:22"
    assert facts.ref() == ("lease", LEASE)
    assert (facts.tenant_id, facts.parents["owner"], facts.parents["node"]) == (LESSEE, OWNER, NODE)
    assert facts.occurred_at.isoformat() == "2026-11-21T09:27:32.832784+00:00"


def test_message_and_row_of_one_happening_are_twins() -> None:
    converter = LeapConverter()
    [bus] = converter.unwrap(message("esi_leap.lease.delete.end"))
    [row] = converter.unwrap(ROW)
    one, other = converter.identify(bus), converter.identify(row)
    assert one.twin == other.twin
    assert one.variant != other.variant


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"payload": None}, "NoneType"),
        ({"payload": "text"}, "str"),
        ({"event_type": None, "payload": {}}, "event_type"),
    ],
)
def test_what_makes_no_event_is_refused_and_identified_all_the_same(changed: dict[str, Any], what: str) -> None:
    converter = LeapConverter()
    [only] = converter.unwrap({"message_id": "m", "event_type": END, "timestamp": "x", **changed})
    assert converter.identify(only).message_id == "m"
    with pytest.raises(BadPayload, match=what):
        converter.convert(only)


@pytest.mark.parametrize("body", [b"junk", b"[]", b'{"a": 1}', b'{"oslo.message": 3}', b"\xff"])
def test_junk_is_refused(body: bytes) -> None:
    with pytest.raises(BadPayload):
        LeapConverter().unwrap(body)


@pytest.mark.parametrize("value", [None, 7, [], {}, True, "", "x" * 100_000, "\x00\ud800", 1e30])
def test_no_value_of_any_field_breaks_the_converter(value: Any) -> None:
    for field in data():
        whole = json.loads(message())
        inner = json.loads(whole["oslo.message"])
        inner["payload"]["esi_leap_object.data"][field] = value
        assert converted(json.dumps({**whole, "oslo.message": json.dumps(inner)})).event_type == END
