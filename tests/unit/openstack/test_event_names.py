"""One fact has one name, one kind and one place on the timeline."""

from __future__ import annotations

import pytest

from tasks.providers.openstack.aliases import canonical, has_twin
from tasks.providers.openstack.shapes import shape_of
from tasks.providers.openstack.timeline import place


@pytest.mark.parametrize(
    ("sent", "known_as"),
    [
        ("instance.create.end", "compute.instance.create.end"),
        ("instance.update", "compute.instance.update"),
        ("instance.exists", "compute.instance.exists"),
        ("instance.power_off.start", "compute.instance.power_off.start"),
        ("instance.volume_attach.end", "compute.instance.volume.attach"),
        ("instance.volume_detach.end", "compute.instance.volume.detach"),
        ("instance.resize_confirm.end", "compute.instance.resize.confirm.end"),
        ("instance.resize_finish.end", "compute.instance.finish_resize.end"),
        ("instance.resize_prep.start", "compute.instance.resize.prep.start"),
        ("instance.resize.error", "compute.instance.resize.error"),
        ("instance.live_migration_post.end", "compute.instance.live_migration._post.end"),
        ("instance.live_migration_post_dest.end", "compute.instance.live_migration.post.dest.end"),
        ("instance.live_migration_abort.start", "compute.instance.live.migration.abort.start"),
        ("instance.rebuild_scheduled", "compute.instance.rebuild.scheduled"),
        ("aggregate.add_host.end", "aggregate.addhost.end"),
        ("aggregate.update_metadata.start", "aggregate.updatemetadata.start"),
        ("aggregate.create.end", "aggregate.create.end"),
        ("server_group.add_member", "servergroup.addmember"),
        ("server_group.delete", "servergroup.delete"),
        ("compute_task.build_instances.error", "compute_task.build_instances"),
        ("metrics.update", "compute.metrics.update"),
    ],
)
def test_a_versioned_name_becomes_the_unversioned_one(sent: str, known_as: str) -> None:
    assert canonical(sent) == known_as
    assert canonical(known_as) == known_as
    assert has_twin(known_as)


@pytest.mark.parametrize(
    "name",
    [
        "flavor.create", "service.update", "instance.lock", "instance.interface_attach.end",
        "instance.volume_swap.start", "instance.volume_attach.start", "instance.volume_attach.error",
        "aggregate.cache_images.end", "port.create.end", "identity.user.created",
        "compute.instance.create_ip.end",
    ],
)  # fmt: skip
def test_a_name_without_a_second_form_stays_and_has_no_twin(name: str) -> None:
    assert canonical(name) == name
    assert not has_twin(name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("compute.instance.live_migration.rollback.dest.end", "server"),
        ("instance.lock", "server"),
        ("compute_task.rebuild_server", "server"),
        ("scheduler.select_destinations.start", "server"),
        ("HostAPI.set_enabled.end", "host"),
        ("compute.metrics.update", "host"),
        ("servergroup.addmember", "server_group"),
        ("keypair.import.end", "keypair"),
        ("service.create", "service"),
        ("volume.usage", "volume"),
        ("volume.transfer.accept.end", "volume"),
        ("volume_type_extra_specs.create", "volume_type"),
        ("group.create.end", "volume_group"),
        ("group_snapshot.delete.start", "volume_group_snapshot"),
        ("cgsnapshot.create.end", "cgsnapshot"),
        ("image.member.create", "image"),
        ("loadbalancer.create.end", "loadbalancer"),
        ("trunk.update.end", "trunk"),
        ("policy.create.end", "policy"),
        ("floatingip.update.end", "floatingip"),
        ("network.floating_ip.associate", "floatingip"),
        ("router.interface.delete", "router"),
        ("security_group_rule.create.end", "security_group_rule"),
        ("orchestration.stack.resume.error", "stack"),
        ("orchestration.autoscaling.end", "stack"),
        ("identity.project.created", "project"),
        ("identity.group.updated", "group"),
        ("identity.role_assignment.deleted", "role_assignment"),
        ("identity.OS-TRUST:trust.created", "trust"),
        ("baremetal.node.provision_set.success", "node"),
        ("baremetal.port.create.end", "baremetal_port"),
        ("dns.zone.create", "zone"),
        ("dns.domain.create", "dns_domain"),
        ("magnum.cluster.create", "cluster"),
        ("trove.instance.create.end", "trove_instance"),
        ("octavia.loadbalancer.update.end", "loadbalancer"),
        ("esi_leap.lease.fulfill.start", "lease"),
        ("never.seen.before", "never"),
        ("get_host_uptime", None),
        ("dhcp_agent.network.add", None),
        ("telemetry.polling", None),
        ("\u0000?.x", None),
    ],
)
def test_the_kind_follows_from_the_type(name: str, kind: str | None) -> None:
    assert shape_of(name).kind == kind


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("port.create.start", "start"),
        ("port.create.end", "end"),
        ("compute.instance.create.error", "error"),
        ("image.update", None),
        ("instance.volume_attach.end", None),
        ("end", None),
        ("identity.user.created", None),
    ],
)
def test_the_phase_is_the_last_word_of_the_type(name: str, phase: str | None) -> None:
    assert shape_of(name).phase == phase


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("compute.instance.create.end", ("power", "critical")),
        ("compute.instance.snapshot.end", ("snapshot", "critical")),
        ("compute.instance.snapshot.start", ("other", "detail")),
        ("identity.project.deleted", ("addition", "critical")),
        ("image.delete", ("deletion", "critical")),
        ("hardware.ipmi.metrics.update", ("general", "critical")),
        ("backup.restore.start", ("storage", "critical")),
        ("port.create.end", ("other", "detail")),
        ("router.interface.create", ("network", "critical")),
        ("servergroup.addmember", ("configuration", "critical")),
        ("compute.instance.suspend.end", ("power", "critical")),
        ("compute.instance.resume.end", ("power", "critical")),
        ("compute.instance.suspend.start", ("other", "detail")),
        ("no.such.type", ("other", "detail")),
    ],
)
def test_the_timeline_files_a_type_in_its_place(name: str, where: tuple[str, str]) -> None:
    assert place(name) == where


def test_a_versioned_name_stands_where_the_unversioned_one_does() -> None:
    assert (shape_of("instance.pause.end").group, shape_of("instance.pause.end").level) == (
        "power",
        "critical",
    )


def test_a_type_of_any_length_has_a_bounded_shape() -> None:
    shape = shape_of("x" * 1_000_000 + ".y")
    assert len(shape.event_type) <= 255
    assert shape.kind is None
