"""The built-in methods (spec automate 4.3): one table, by the name that a method's ``data`` or name gives.

Most act on the world outside of the datastore. The engine records their call, and
:mod:`tasks.switchboard.consequences` decides what becomes of it; only the few that change the workspace
do something here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tasks.model.event import ROLES
from tasks.switchboard.errors import AbortInstantiation, MethodNotFound
from tasks.switchboard.text import bounded, fold, text_of
from tasks.switchboard.workspace import Call, Object

OK, WARN, STOP, ABORT = 0, 4, 8, 16

_PLAIN = re.compile(r"[A-Za-z0-9_.\-]+")

_Builtin = Callable[[Object, Mapping[str, Any]], None]


def run_builtin(call: Call, current: Object, _run: object = None) -> int:
    """Carry out one call as far as it concerns the workspace; the exit code is that of spec automate 4.8.

    Methods with a body of their own (``inline``, ``playbook``, ...) are not run: their call is recorded,
    and the delivery goes on as after a success.

    Raises :class:`MethodNotFound` for a built-in that does not exist, :class:`AbortInstantiation`.
    """
    if call.location == "builtin":
        known = BUILTINS.get(call.implementation)
        if known is None:
            raise MethodNotFound(f"Method [{call.method}]: there is no built-in [{call.implementation}]")
        known(current, call.inputs)
    return OK


def _outside(_current: Object, _inputs: Mapping[str, Any]) -> None:
    """Nothing changes in the workspace."""


#: Words for objects that an event may play a role for (spec automate 4.4, capture 5.6).
EVERYTHING_WORDS = frozenset({"ems", "ems_cluster", "src_ems_cluster", "ext_management_system"})
TARGET_WORDS = (
    frozenset({"src_vm", "dest_vm", "src_host", "dest_host", "src_vm_or_dest_host", "host", "vm", "target"})
    | frozenset({"container_node", "container_group", "container_replicator"})
    | EVERYTHING_WORDS
    | frozenset(ROLES)
)


def plain_word(text: str) -> str:
    """A target word without ``first_chained_``: one event's chain is about one object here."""
    return fold(text).strip().removeprefix("first_chained_")


def _known_target(_: Object, inputs: Mapping[str, Any]) -> None:
    word = plain_word(text_of(inputs.get("target")))
    if word and word not in TARGET_WORDS:
        raise AbortInstantiation(f"there is no target [{bounded(word)}]: use one of {', '.join(sorted(TARGET_WORDS))}")


def _check_policy_prevent(current: Object, _: Mapping[str, Any]) -> None:
    stream = _event(current)
    if stream.get("prevented"):
        raise AbortInstantiation("a policy prevented what this event is about")


def _parse_event_stream(current: Object, _: Mapping[str, Any]) -> None:
    stream = _event(current)
    names = [text_of(stream.get(name)) for name in ("event_namespace", "source")]
    if not all(map(_PLAIN.fullmatch, names)):
        raise AbortInstantiation("the event's namespace and source make no path")
    current.root.set("event_path", f"/System/Event/{'/'.join(names)}")


def _event(current: Object) -> Mapping[str, Any]:
    stream = current.root.get("event_stream")
    if not isinstance(stream, Mapping):
        raise AbortInstantiation("there is no event in this delivery")
    return stream


#: Root attributes that decide the provider's category, in the order in which they are asked.
_CLOUDY = (
    "vm",
    "orchestration_stack",
    "miq_request",
    "miq_provision",
    "vm_migrate_task",
    "vm_retire_task",
    "service_retire_task",
    "orchestration_stack_retire_task",
    "physical_server_provision_task",
    "platform_category",
)


def _parse_provider_category(current: Object, _: Mapping[str, Any]) -> None:
    root = current.root
    for name in _CLOUDY:
        category = _category(name, root.get(name))
        if category is not None:
            root.set("ae_provider_category", category)
            return
    root.set("ae_provider_category", "unknown")


def _category(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if name == "platform_category":
        return "infrastructure" if value == "infra" else text_of(value)
    if name in ("orchestration_stack", "orchestration_stack_retire_task"):
        return "cloud"
    if name == "physical_server_provision_task":
        return "physicalinfrastructure"
    if name == "service_retire_task":
        return ""
    cloud = value.get("cloud") if isinstance(value, Mapping) else None
    if cloud is None and name != "vm":
        return None
    return "cloud" if cloud else "infrastructure"


#: What an automation request is about: component, class, instance, and the category it sets.
_REQUESTS: Mapping[str, tuple[str, str, str, str | None]] = {
    "vm_provision": ("VM", "Lifecycle", "Provisioning", None),
    "vm_retired": ("VM", "Lifecycle", "Retirement", None),
    "vm_retire": ("VM", "Lifecycle", "Retirement", None),
    "vm_migrate": ("VM", "Lifecycle", "Migrate", None),
    "service_retire": ("Service", "Lifecycle", "Retirement", None),
    "orchestration_stack_retire": ("Orchestration", "Lifecycle", "Retirement", None),
    "configured_system_provision": ("Configured_System", "Lifecycle", "Provisioning", "infrastructure"),
    "physical_server_provision": ("PhysicalServer", "Lifecycle", "Provisioning", None),
    "provision_via_automation_manager": (
        "AutomationManager",
        "Lifecycle",
        "Provisioning",
        "AutomationManagement",
    ),
}


def _parse_automation_request(current: Object, _: Mapping[str, Any]) -> None:
    request = _REQUESTS.get(fold(text_of(current.get("request"))))
    if request is None:
        return
    for name, value in zip(("target_component", "target_class", "target_instance"), request[:3], strict=True):
        current.set(name, value)
    if request[3] is not None:
        current.root.set("ae_provider_category", request[3])


BUILTINS: Mapping[str, _Builtin] = {
    "change_event_target_state": _outside,
    "check_policy_prevent": _check_policy_prevent,
    "event_action_policy": _outside,
    "event_action_refresh": _known_target,
    "event_action_refresh_sync": _known_target,
    "event_action_scan": _outside,
    "event_enforce_policy": _outside,
    "host_and_storage_least_utilized": _outside,
    "log_object": _outside,
    "log_workspace": _outside,
    "node_power_policy": _outside,
    "parse_automation_request": _parse_automation_request,
    "parse_event_stream": _parse_event_stream,
    "parse_provider_category": _parse_provider_category,
    "refresh": _outside,
    "refresh_sync": _outside,
    "send_email": _outside,
    "snmp_trap_v1": _outside,
    "snmp_trap_v2": _outside,
    "src_vm_as_template": _outside,
    "src_vm_destroy_all_snapshots": _outside,
    "src_vm_disconnect_storage": _outside,
    "update_vm_import_status": _outside,
}
