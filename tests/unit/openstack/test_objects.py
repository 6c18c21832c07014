"""The object of an event is found in each family, whichever way the event came (spec capture 5.2)."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.model.event import Normalised
from tasks.providers.openstack.converter import OpenStackConverter
from tests.unit.openstack.openstack_samples import (
    PROJECT,
    USER,
    VM,
    api_event,
    bus_event,
    notification,
    versioned,
)

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


@pytest.mark.parametrize(
    ("event_type", "payload", "kind", "ref"),
    [
        ("compute.instance.resize.end", {"instance_id": VM}, "server", VM),
        ("image.update", {"id": "i1", "owner": PROJECT}, "image", "i1"),
        ("image.member.create", {"image_id": "i1", "member_id": "m"}, "image", "i1"),
        ("orchestration.stack.create.end", {"stack_identity": "s1"}, "stack", "s1"),
        (
            "orchestration.stack.create.end",
            {"stack_identity": f"arn:openstack:heat::{PROJECT}:stacks/web/s2"},
            "stack",
            "s2",
        ),
        ("orchestration.stack.create.end", {"stack_identity": {"stack_id": "s3"}}, "stack", "s3"),
        ("aggregate.create.end", {"aggregate_id": 12, "name": "ssd"}, "aggregate", "12"),
        ("identity.project.created", IDENTITY, "project", "p9"),
        ("identity.project.created", {"resource_info": "p9"}, "project", "p9"),
        ("identity.project.created", {**IDENTITY, "resource_info": None}, "project", "p9"),
        ("identity.authenticate", IDENTITY, "user", USER),
        ("identity.role_assignment.created", IDENTITY, "role_assignment", None),
        ("network.create.end", {"network": {"id": "n1"}}, "network", "n1"),
        ("subnet.delete.start", {"subnet_id": "sn1"}, "subnet", "sn1"),
        ("port.update.start", {"port": {"name": "x"}, "id": "p1"}, "port", "p1"),
        ("port.delete.end", {"port_id": "p1", "port": {"id": "p1"}}, "port", "p1"),
        ("port.create.start", {"port": {"network_id": "n1"}}, "port", None),
        ("port.create.end", {"ports": [{"id": "p1"}]}, "port", "p1"),
        ("port.create.end", {"ports": [{"id": "p1"}, {"id": "p2"}]}, "port", None),
        ("policy.create.end", {"policies": [{"id": "q1"}]}, "policy", "q1"),
        ("router.interface.create", {"router_interface": {"id": "r1", "port_id": "p1"}}, "router", "r1"),
        ("floatingip.update.end", {"floatingip": {"id": "f1"}}, "floatingip", "f1"),
        (
            "security_group_rule.create.end",
            {"security_group_rule": {"id": "sr"}},
            "security_group_rule",
            "sr",
        ),
        ("loadbalancer.delete.start", {"loadbalancer_id": "lb"}, "loadbalancer", "lb"),
        ("tag.create", {"obj_resource": "networks", "obj_resource_id": "n1", "tags": []}, "network", "n1"),
        (
            "tag.delete_all",
            {"obj_resource": "security_groups", "obj_resource_id": "g"},
            "security_group",
            "g",
        ),
        ("volume.create.end", {"volume_id": "v1", "snapshot_id": "sp"}, "volume", "v1"),
        ("snapshot.create.end", {"snapshot_id": "sp", "volume_id": "v1"}, "snapshot", "sp"),
        ("backup.create.end", {"backup_id": "b1", "volume_id": "v1"}, "backup", "b1"),
        ("group.create.end", {"group_id": "g1"}, "volume_group", "g1"),
        ("volume_type.create", {"volume_types": {"id": "vt"}}, "volume_type", "vt"),
        ("volume_type_extra_specs.create", {"type_id": "vt", "specs": {}}, "volume_type", "vt"),
        ("keypair.create.end", {"key_name": "k"}, "keypair", "k"),
        ("keypair.create.end", {"key_name": "k", "user_id": "u"}, "keypair", "u:k"),
        ("servergroup.create", {"server_group_id": "sg"}, "server_group", "sg"),
        ("HostAPI.set_enabled.end", {"host_name": "node3"}, "host", "node3"),
        ("dns.recordset.update", {"id": "rs", "zone_id": "z"}, "recordset", "rs"),
        ("magnum.cluster.create", {"typeURI": "x", "id": "record", "target": {"id": "c1"}}, "cluster", "c1"),
        ("trove.instance.create.end", {"instance_id": "t1"}, "trove_instance", "t1"),
        ("baremetal.node.create.end", {"ironic_object.data": {"uuid": "bm"}}, "node", "bm"),
        (
            "esi_leap.lease.delete.end",
            {"esi_leap_object.data": {"uuid": "le", "resource_uuid": "bm"}},
            "lease",
            "le",
        ),
        ("get_host_uptime", {"exception": "x", "args": {}}, None, None),
    ],
)
def test_the_object_is_found(event_type: str, payload: Any, kind: str | None, ref: str | None) -> None:
    found = convert(notification(event_type, payload))
    assert (found.resource_kind, found.resource_id) == (kind, ref)
    (message,) = CONVERTER.unwrap(notification(event_type, payload))
    known = CONVERTER.identify(message)
    assert (known.resource_kind, known.resource_id) == (kind, ref)


@pytest.mark.parametrize(
    ("plain", "wrapped"),
    [
        (
            ("compute.instance.create.end", {"instance_id": VM, "tenant_id": PROJECT}),
            ("instance.create.end", {"uuid": VM, "tenant_id": PROJECT}),
        ),
        (
            ("keypair.delete.end", {"key_name": "k", "user_id": "u", "tenant_id": PROJECT}),
            ("keypair.delete.end", {"name": "k", "user_id": "u"}),
        ),
        (
            ("aggregate.updateprop.end", {"aggregate_id": 3}),
            ("aggregate.update_prop.end", {"id": 3, "uuid": "u"}),
        ),
        (
            ("servergroup.addmember", {"server_group_id": "g", "instance_uuids": [VM]}),
            ("server_group.add_member", {"uuid": "g"}),
        ),
        (
            ("volume.usage", {"volume_id": "v", "tenant_id": PROJECT}),
            ("volume.usage", {"volume_id": "v", "project_id": PROJECT}),
        ),
    ],
)
def test_both_forms_of_a_fact_come_out_alike(plain: tuple[str, Any], wrapped: tuple[str, Any]) -> None:
    one, two = convert(notification(*plain)), convert(versioned(*wrapped))
    assert one.resource_id is not None
    for name in (
        "event_type",
        "resource_kind",
        "resource_id",
        "tenant_id",
        "group",
        "level",
        "phase",
        "actor",
    ):
        assert getattr(one, name) == getattr(two, name), name
    assert two.raw_event_type == wrapped[0]


@pytest.mark.parametrize("make", [bus_event, api_event])
@pytest.mark.parametrize(
    ("event_type", "payload", "traits"),
    [
        (
            "compute.instance.create.end",
            {"instance_id": VM, "tenant_id": PROJECT},
            {"instance_id": VM, "resource_id": VM, "tenant_id": PROJECT},
        ),
        ("image.delete", {"id": "i", "owner": PROJECT}, {"resource_id": "i", "project_id": PROJECT}),
        (
            "orchestration.stack.delete.end",
            {"stack_identity": "s", "tenant_id": PROJECT},
            {"resource_id": "s", "project_id": PROJECT},
        ),
        ("aggregate.delete.end", {"aggregate_id": 7}, {"service": "aggregate.7", "project_id": PROJECT}),
        (
            "identity.project.created",
            IDENTITY,
            {"resource_id": "p9", "project_id": PROJECT, "initiator_id": USER},
        ),
        (
            "router.update.end",
            {"router": {"id": "r", "tenant_id": PROJECT}},
            {"resource_id": "r", "project_id": PROJECT},
        ),
        (
            "volume.delete.end",
            {"volume_id": "v", "tenant_id": PROJECT},
            {"resource_id": "v", "project_id": PROJECT},
        ),
        (
            "snapshot.update.end",
            {"snapshot_id": "s", "volume_id": "v", "tenant_id": PROJECT},
            {"resource_id": "s", "volume_id": "v", "project_id": PROJECT},
        ),
    ],
)
def test_a_fact_by_way_of_ceilometer_comes_out_alike(make: Any, event_type: str, payload: Any, traits: Any) -> None:
    one, two = convert(notification(event_type, payload)), convert(make(event_type, **traits))
    assert one.resource_id is not None
    for name in ("event_type", "resource_kind", "resource_id", "tenant_id", "group", "level", "phase"):
        assert getattr(one, name) == getattr(two, name), name
    assert two.occurred_at == one.occurred_at
