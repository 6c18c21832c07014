"""Who did it, for whom, where and under which request; and what makes no event at all."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.model.errors import BadPayload
from tasks.model.event import Message, Normalised
from tasks.providers.openstack.converter import OpenStackConverter
from tests.unit.openstack.openstack_samples import PROJECT, REQUEST, USER, VM, notification

CONVERTER = OpenStackConverter()
IDENTITY = {
    "typeURI": "http://x/event",
    "id": "record",
    "target": {"id": "p9"},
    "resource_info": "p9",
    "initiator": {"user_id": USER, "project_id": PROJECT, "username": "erin", "request_id": "req-9"},
}


def convert(body: Any) -> Normalised:
    (message,) = CONVERTER.unwrap(body)
    return CONVERTER.convert(message)


def test_the_remaining_facts_of_a_server_event() -> None:
    payload = {
        "instance_id": VM,
        "tenant_id": PROJECT,
        "user_id": "owner",
        "host": "",
        "reservation_id": "r-abcd1234",
    }
    found = convert(notification("compute.instance.create.start", payload))
    assert found.tenant_id == PROJECT
    assert found.actor == "erin"
    assert found.host == "node7.example"
    assert found.phase == "start"
    assert found.request_id == REQUEST
    assert found.chain_id == "r-abcd1234"


@pytest.mark.parametrize(
    ("publisher", "payload", "host"),
    [
        ("compute.node1", {"host": "node2"}, "node2"),
        ("nova-compute:node1", {}, "node1"),
        ("conductor.ctl0", {}, None),
        ("compute", {}, None),
        (None, {}, None),
        (17, {"host": {}}, None),
    ],
)
def test_the_host_of_a_server_is_its_hypervisor(publisher: Any, payload: dict[str, Any], host: str | None) -> None:
    body = notification("compute.instance.update", {"instance_id": VM, **payload}, publisher_id=publisher)
    assert convert(body).host == host


def test_the_host_of_a_volume_is_cut_to_the_machine() -> None:
    assert convert(notification("volume.create.end", {"volume_id": "v", "host": "store1@lvm#pool"})).host == "store1"


def test_the_host_of_a_port_is_where_it_is_bound() -> None:
    assert convert(notification("port.update.end", {"port": {"id": "p", "binding:host_id": "node4"}})).host == "node4"


def test_keystone_tells_actor_tenant_and_request_through_its_initiator() -> None:
    body = {k: v for k, v in notification("identity.user.updated", IDENTITY).items() if not k.startswith("_context")}
    found = convert(body)
    assert (found.actor, found.tenant_id, found.request_id) == ("erin", PROJECT, "req-9")


def test_empty_texts_count_as_unknown() -> None:
    body = notification(
        "compute.instance.update", {"instance_id": "", "tenant_id": " ", "host": "", "reservation_id": ""}
    )
    body = {k: ("" if k.startswith("_context") else v) for k, v in body.items()} | {"publisher_id": ""}
    found = convert(body)
    assert (
        found.resource_id,
        found.tenant_id,
        found.host,
        found.actor,
        found.request_id,
        found.chain_id,
    ) == (None,) * 6


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("Upload failed: no space left on device", "no space left on device"),
        (None, "null"),
        ([1, 2], "list of 2"),
        (True, "bool"),
        (7, "int"),
    ],
)
def test_a_payload_that_is_no_object_is_refused_with_its_reason(payload: Any, reason: str) -> None:
    with pytest.raises(BadPayload, match=reason):
        convert(notification("image.upload", payload))


def test_only_a_piece_of_a_long_text_payload_is_quoted() -> None:
    with pytest.raises(BadPayload) as caught:
        convert(notification("image.upload", "x" * 1_000_000))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("event_type", [None, "", {}, []])
def test_a_message_without_a_type_is_refused(event_type: Any) -> None:
    with pytest.raises(BadPayload, match="event_type"):
        convert(notification(event_type, {}))


def test_hostile_values_never_reach_a_column() -> None:
    big = "z" * 1_000_000
    hostile = {
        "instance_id": 12,
        "tenant_id": {"a": 1},
        "host": [1],
        "reservation_id": big,
        "image_ref_url": 3,
        "flavor": [],
        "ip_addresses": [5],
        "block_devices": {},
        "image_meta": "x",
        "user_id": False,
    }
    body = notification(
        "compute.instance.update", hostile, _context_user_name=big, _context_request_id=[], publisher_id=big
    )
    found = convert(body)
    assert found.resource_id == "12"
    for name in ("tenant_id", "actor", "host", "chain_id", "request_id"):
        value = getattr(found, name)
        assert value is None or (isinstance(value, str) and len(value) <= 255), name


def test_the_converter_names_its_source() -> None:
    assert OpenStackConverter.source == "OPENSTACK"
    assert isinstance(CONVERTER.unwrap(notification("a.b", {}))[0], Message)
