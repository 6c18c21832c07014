"""Files each event type under the group and the level of the timeline (spec capture 7)."""

from __future__ import annotations

DEFAULT = ("other", "detail")

_CRITICAL = {
    "addition": """
        aggregate.addhost.end aggregate.create.end aggregate.removehost.end aggregate.updateprop.end
        aggregate.updatemetadata.end identity.project.created identity.project.deleted
        identity.project.updated image.update image.create image.upload orchestration.stack.create.end
        orchestration.stack.create.error servergroup.create baremetal.node.create.end
    """,
    "configuration": """
        compute.instance.rebuild.end compute.instance.resize.end orchestration.stack.update.end
        orchestration.stack.update.error orchestration.stack.suspend.end
        orchestration.stack.suspend.error orchestration.stack.resume.end
        orchestration.stack.resume.error orchestration.autoscaling.end orchestration.autoscaling.error
        servergroup.update servergroup.addmemeber servergroup.addmember
        baremetal.node.maintenance_set.end baremetal.node.provision_set.end baremetal.node.provision_set.error
    """,
    "deletion": """
        aggregate.delete.end baremetal.node.delete.end image.delete orchestration.stack.delete.end
        orchestration.stack.delete.error servergroup.delete
    """,
    "general": "hardware.ipmi.metrics.update",
    "network": """
        floatingip.create.end floatingip.delete.end floatingip.update.end network.create.end
        network.delete.end network.floating_ip.allocate network.floating_ip.deallocate
        network.floating_ip.associate network.floating_ip.disassociate network.update.end
        router.create.end router.delete.end router.interface.create router.interface.delete
        router.update.end security_group.create.end security_group.delete.end security_group.update.end
        security_group_rule.create.end security_group_rule.delete.end security_group_rule.update.end
        subnet.create.end subnet.delete.end subnet.update.end
    """,
    "power": """
        compute.instance.create.end compute.instance.create.error compute.instance.shutdown.end
        compute.instance.shutdown.error compute.instance.delete.end compute.instance.power_off.end
        compute.instance.power_on.end compute.instance.soft_delete.end compute.instance.reboot.end
        compute.instance.suspend compute.instance.suspend.end compute.instance.resume
        compute.instance.resume.end compute.instance.pause.end compute.instance.unpause.end
        compute.instance.shelve.end compute.instance.unshelve.end compute.instance.shelve_offload.end
        baremetal.node.power_set.end baremetal.node.power_set.error baremetal.node.power_state_corrected.success
    """,
    "snapshot": "compute.instance.snapshot.end",
    "storage": """
        backup.create.start backup.create.end backup.restore.start backup.restore.end
        snapshot.create.start snapshot.create.end snapshot.delete.end snapshot.update.end
        volume.create.end volume.delete.end
    """,
}

# The original list has three names that nova never sends (suspend, resume, addmemeber): each stands here
# beside the name that is sent.
_PLACES = {name: (group, "critical") for group, names in _CRITICAL.items() for name in names.split()}


def place(event_type: str) -> tuple[str, str]:
    """Group and level of a canonical type; an unlisted one is ``other`` and ``detail``."""
    return _PLACES.get(event_type, DEFAULT)
