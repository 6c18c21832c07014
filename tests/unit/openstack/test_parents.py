"""The objects that an event's object belongs to or hangs on are named."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.model.event import Normalised
from tasks.providers.openstack.converter import OpenStackConverter
from tests.unit.openstack.openstack_samples import USER, VM, notification, versioned

CONVERTER = OpenStackConverter()


def convert(body: Any) -> Normalised:
    (message,) = CONVERTER.unwrap(body)
    return CONVERTER.convert(message)


@pytest.mark.parametrize(
    ("event_type", "payload", "parents"),
    [
        (
            "compute.instance.create.end",
            {
                "instance_id": VM,
                "image_ref_url": "http://img/images/i1",
                "instance_flavor_id": "f1",
                "availability_zone": "az1",
            },
            {"image": "i1", "flavor": "f1", "availability_zone": "az1"},
        ),
        ("compute.instance.volume.attach", {"instance_id": VM, "volume_id": "v1"}, {"volume": "v1"}),
        (
            "port.update.end",
            {
                "port": {
                    "id": "p",
                    "network_id": "n",
                    "device_id": VM,
                    "device_owner": "compute:az1",
                    "fixed_ips": [{"subnet_id": "s"}],
                    "security_groups": ["g"],
                }
            },
            {"network": "n", "server": VM, "subnet": "s", "security_group": "g"},
        ),
        (
            "port.create.end",
            {"port": {"id": "p", "device_id": "r", "device_owner": "network:router_interface"}},
            {"router": "r"},
        ),
        ("port.create.end", {"port": {"id": "p", "device_id": "d", "device_owner": "network:dhcp"}}, {}),
        (
            "port.create.end",
            {
                "ports": [
                    {"id": "1", "network_id": "n", "device_id": "a", "device_owner": "compute:x"},
                    {"id": "2", "network_id": "n", "device_id": "b", "device_owner": "compute:x"},
                ]
            },
            {"network": "n"},
        ),
        (
            "volume.attach.end",
            {"volume_id": "v", "snapshot_id": "s", "volume_attachment": [{"server_id": VM}]},
            {"snapshot": "s", "server": VM},
        ),
        ("snapshot.create.end", {"snapshot_id": "s", "volume_id": "v"}, {"volume": "v"}),
        (
            "backup.create.end",
            {"backup_id": "b", "volume_id": "v", "snapshot_id": "", "parent_id": "b0"},
            {"volume": "v", "backup": "b0"},
        ),
        (
            "security_group_rule.create.end",
            {"security_group_rule": {"id": "r", "security_group_id": "g"}},
            {"security_group": "g"},
        ),
        (
            "floatingip.update.end",
            {"floatingip": {"id": "f", "port_id": "p", "router_id": "r", "floating_network_id": "n"}},
            {"port": "p", "router": "r", "network": "n"},
        ),
        (
            "router.interface.create",
            {"router_interface": {"id": "r", "subnet_id": "s", "port_id": "p", "network_id": "n"}},
            {"subnet": "s", "port": "p", "network": "n"},
        ),
        (
            "router.update.end",
            {"router": {"id": "r", "external_gateway_info": {"network_id": "n"}}},
            {"network": "n"},
        ),
        ("keypair.create.end", {"key_name": "k", "user_id": USER}, {"user": USER}),
        ("image.create", {"id": "i", "properties": {"instance_uuid": VM}}, {"server": VM}),
        ("aggregate.addhost.end", {"aggregate_id": 1, "host_name": "node3"}, {"host": "node3"}),
        ("servergroup.addmember", {"server_group_id": "g", "instance_uuids": [VM]}, {"server": VM}),
        ("orchestration.stack.create.end", {"stack_identity": "s", "parent_id": "s0"}, {"stack": "s0"}),
        (
            "identity.role_assignment.created",
            {"role": "r", "user": "u", "project": "p"},
            {"role": "r", "user": "u", "project": "p"},
        ),
        (
            "port.create.end",
            {
                "port": {
                    "id": "p",
                    "network_id": {},
                    "fixed_ips": "x",
                    "security_groups": {},
                    "device_owner": 5,
                }
            },
            {},
        ),
    ],
)
def test_the_parents_are_named(event_type: str, payload: Any, parents: dict[str, str]) -> None:
    assert convert(notification(event_type, payload)).parents == parents


def test_parents_of_a_versioned_server_are_named() -> None:
    data = {
        "uuid": VM, "host_name": "guest", "image_uuid": "i", "key_name": "k",
        "flavor": {"nova_object.data": {"flavorid": "f"}},
        "ip_addresses": [{"nova_object.data": {"port_uuid": "p"}}],
        "block_devices": [{"nova_object.data": {"volume_id": "v"}}],
    }  # fmt: skip
    found = convert(versioned("instance.create.end", data))
    assert found.parents == {"image": "i", "keypair": "k", "flavor": "f", "port": "p", "volume": "v"}
