"""Gives each fact one name: nova sends many under two, and the unversioned one is ours (spec capture 2.3).

The list of unversioned names is closed (nova adds no more), so that what it lacks exists in one form only.
"""

from __future__ import annotations

#: Versioned action of an instance, where the unversioned one is not the same word.
_INSTANCE_ACTIONS = {
    "volume_attach": "volume.attach",
    "volume_detach": "volume.detach",
    "resize_confirm": "resize.confirm",
    "resize_revert": "resize.revert",
    "resize_prep": "resize.prep",
    "resize_finish": "finish_resize",
    "rebuild_scheduled": "rebuild.scheduled",
    "live_migration_pre": "live_migration.pre",
    "live_migration_post": "live_migration._post",
    "live_migration_post_dest": "live_migration.post.dest",
    "live_migration_rollback": "live_migration._rollback",
    "live_migration_rollback_dest": "live_migration.rollback.dest",
    "live_migration_abort": "live.migration.abort",
    "live_migration_force_complete": "live.migration.force.complete",
}
#: Unversioned instance actions that carry no phase: the ``.end`` of the versioned one says the same.
_WITHOUT_PHASE = frozenset({"volume_attach", "volume_detach"})
#: Actions of an instance that have a versioned name only; those keep it.
_INSTANCE_VERSIONED_ONLY = frozenset(
    {"lock", "unlock", "interface_attach", "interface_detach", "volume_swap", "share_attach", "share_detach"}
)
#: Unversioned actions of an instance that were never sent in the other form.
_INSTANCE_UNVERSIONED_ONLY = frozenset({"create_ip", "delete_ip"})
_AGGREGATE_ACTIONS = {
    "add_host": "addhost",
    "remove_host": "removehost",
    "update_metadata": "updatemetadata",
    "update_prop": "updateprop",
}
_WHOLE = {
    "server_group.add_member": "servergroup.addmember",
    "metrics.update": "compute.metrics.update",
    "libvirt.connect.error": "compute.libvirt.error",
    "compute_task.build_instances.error": "compute_task.build_instances",
    "compute_task.migrate_server.error": "compute_task.migrate_server",
    "compute_task.rebuild_server.error": "compute_task.rebuild_server",
}
#: Families, beside those of instances, whose facts nova sends in both forms.
_TWINS = ("aggregate.", "keypair.", "servergroup.", "compute_task.", "scheduler.select_destinations.")
_TWIN_TYPES = frozenset({"compute.metrics.update", "compute.libvirt.error", "volume.usage"})
_INSTANCE = "compute.instance."


def canonical(raw: str) -> str:
    """The name under which a type is known here: the unversioned one where the sender has two."""
    if raw.startswith("instance."):
        return _instance(raw)
    if raw.startswith("aggregate."):
        _, action, *rest = raw.split(".")
        return ".".join(["aggregate", _AGGREGATE_ACTIONS.get(action, action), *rest])
    if raw in _WHOLE:
        return _WHOLE[raw]
    if raw.startswith("server_group."):
        return "servergroup." + raw.removeprefix("server_group.")
    return raw


def _instance(raw: str) -> str:
    _, action, *rest = raw.split(".")
    if action in _INSTANCE_VERSIONED_ONLY:
        return raw
    if action in _WITHOUT_PHASE:
        return _INSTANCE + _INSTANCE_ACTIONS[action] if rest == ["end"] else raw
    return ".".join([_INSTANCE + _INSTANCE_ACTIONS.get(action, action), *rest])


def has_twin(event_type: str) -> bool:
    """Whether nova sends the facts of this canonical type in both forms."""
    if event_type.startswith(_INSTANCE):
        return event_type.split(".")[2] not in _INSTANCE_UNVERSIONED_ONLY
    if event_type.startswith("aggregate.cache_images"):
        return False
    return event_type.startswith(_TWINS) or event_type in _TWIN_TYPES
