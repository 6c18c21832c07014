"""Bare-metal nodes, and what ironic publishes about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from examples.cloud.notices import offset
from examples.cloud.records import Actor
from examples.cloud.refusals import Conflict, Missing

if TYPE_CHECKING:
    from examples.cloud.world import World

#: Where ironic's two processes run.
HOST = "control1"
#: The one topic on which ironic publishes, whatever the rest of the cloud is told.
TOPIC = "ironic_versioned_notifications"
#: What provision actions lead to: the state on the way, the state at the end, and the states that allow it.
ACTIONS = {
    "deploy": ("deploying", "active", ("available",)),
    "undeploy": ("deleting", "available", ("active",)),
    "manage": ("verifying", "manageable", ("enroll", "available")),
    "provide": ("cleaning", "available", ("manageable",)),
}


@dataclass(slots=True)
class Node:
    """A machine that ironic manages."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    provision_state: str = "available"
    target_provision_state: str | None = None
    power_state: str | None = "power off"
    target_power_state: str | None = None
    maintenance: bool = False
    maintenance_reason: str | None = None
    last_error: str | None = None
    instance_id: str | None = None
    resource_class: str = "baremetal"
    owner: str | None = None
    lessee: str | None = None
    traits: list[str] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)


class Nodes:
    """All nodes that ironic knows."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.nodes: dict[str, Node] = {}

    def sow(self) -> None:
        """The two machines of the first day: nobody hears of them, and no dice are thrown for them."""
        for name in ("metal-1", "metal-2"):
            digits = self.world.digest(f"node {name}")
            key = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"
            self._add(key, name)

    def get(self, key: str) -> Node:
        """A node by id or by name. Raises ``Missing`` where there is none."""
        found = self.nodes.get(key) or next((node for node in self.nodes.values() if node.name == key), None)
        if found is None:
            raise Missing(f"Node {key} could not be found.", "node", key)
        return found

    def create(self, name: str, actor: Actor | None = None) -> Node:
        """Enrol a machine."""
        with self.world.lock:
            node = self._add(self.world.uuid(), name)
            self._api(actor, "create.start", node)
            self._api(actor, "create.end", node)
            return node

    def delete(self, key: str, actor: Actor | None = None) -> None:
        """Forget a machine. Raises ``Missing``, and ``Conflict`` for one that is in use."""
        with self.world.lock:
            node = self.get(key)
            if node.instance_id is not None:
                raise Conflict(f"Node {node.id} is associated with instance {node.instance_id}.", "node", node.id)
            self._api(actor, "delete.start", node)
            del self.nodes[node.id]
            self._api(actor, "delete.end", node)

    def power(self, key: str, state: str, actor: Actor | None = None) -> None:
        """Switch a node: ``power on``, ``power off`` or ``rebooting``. Raises ``Missing``."""
        with self.world.lock:
            node = self.get(key)
            self._conductor(actor, "power_set.start", node, "NodeSetPowerStatePayload", to_power=state)
            self._touch(node, power_state="power on" if state == "rebooting" else state)
            self._conductor(actor, "power_set.end", node, "NodeSetPowerStatePayload", to_power=state)

    def fail_power(self, key: str, state: str, why: str, actor: Actor | None = None) -> None:
        """Try to switch a node, in vain. Raises ``Missing``."""
        with self.world.lock:
            node = self.get(key)
            self._conductor(actor, "power_set.start", node, "NodeSetPowerStatePayload", to_power=state)
            self._touch(node, last_error=why)
            payload = "NodeSetPowerStatePayload"
            self._conductor(actor, "power_set.error", node, payload, priority="ERROR", to_power=state)

    def press_button(self, key: str) -> None:
        """Somebody switches a node at the machine itself, and ironic finds it out. Raises ``Missing``."""
        with self.world.lock:
            node = self.get(key)
            before = node.power_state
            self._touch(node, power_state="power off" if before == "power on" else "power on")
            payload = "NodeCorrectedPowerStatePayload"
            self._conductor(None, "power_state_corrected.success", node, payload, from_power=before)

    def provision(self, key: str, action: str, instance_id: str | None = None, actor: Actor | None = None) -> None:
        """Take a node to another state. Raises ``Missing``, and ``Conflict`` for a state that does not allow it."""
        with self.world.lock:
            node = self.get(key)
            passing, final, allowed = ACTIONS[action]
            before = node.provision_state
            if before not in allowed:
                raise Conflict(f"The requested action {action} can not be performed on node {node.id}.", "node")
            told: dict[str, Any] = {"previous_target_provision_state": None, "event": action}
            self._touch(node, provision_state=passing, target_provision_state=final)
            if action == "deploy":
                node.instance_id = instance_id
            payload = "NodeSetProvisionStatePayload"
            told["previous_provision_state"] = before
            self._conductor(actor, "provision_set.start", node, payload, **told)
            self._touch(node, provision_state=final, target_provision_state=None)
            if action == "undeploy":
                node.instance_id = None
            told |= {"previous_provision_state": passing, "event": "done"}
            self._conductor(actor, "provision_set.end", node, payload, **told)

    def maintain(self, key: str, reason: str | None, actor: Actor | None = None) -> None:
        """Take a node into maintenance for a reason, or out of it with None. Raises ``Missing``."""
        with self.world.lock:
            node = self.get(key)
            self._api(actor, "maintenance_set.start", node)
            self._touch(node, maintenance=reason is not None, maintenance_reason=reason)
            self._api(actor, "maintenance_set.end", node)

    def _add(self, key: str, name: str) -> Node:
        now = self.world.now()
        node = Node(key, name, now, now, traits=["CUSTOM_GOLD"])
        node.properties = {
            "cpus": 32,
            "memory_mb": "131072",
            "local_gb": 480,
            "cpu_arch": "x86_64",
            "capabilities": "boot_mode:uefi,secure_boot:true",
        }
        self.nodes[key] = node
        return node

    def _touch(self, node: Node, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(node, name, value)
        node.updated_at = self.world.now()

    def _api(self, actor: Actor | None, happened: str, node: Node) -> None:
        name = "NodePayload" if happened.startswith("maintenance") else "NodeCRUDPayload"
        # What a driver needs is published with the secrets blotted out.
        more = {} if name == "NodePayload" else {"driver_info": {"ipmi_address": "192.0.2.90", "ipmi_password": "***"}}
        self._tell(actor, f"ironic-api.{HOST}", happened, node, name, more)

    def _conductor(
        self, actor: Actor | None, happened: str, node: Node, name: str, *, priority: str = "INFO", **more: Any
    ) -> None:
        self._tell(actor, f"ironic-conductor.{HOST}", happened, node, name, more, priority)

    def _tell(
        self,
        actor: Actor | None,
        publisher: str,
        happened: str,
        node: Node,
        name: str,
        more: dict[str, Any],
        priority: str = "INFO",
    ) -> None:
        payload = {
            "ironic_object.name": name,
            "ironic_object.namespace": "ironic",
            "ironic_object.version": "1.17",
            "ironic_object.data": _facts(node) | more,
        }
        world, event_type = self.world, f"baremetal.node.{happened}"
        who = actor or world.actor()
        world.publish(who, "ironic", event_type, publisher, payload, topic=TOPIC, priority=priority)


def _facts(node: Node) -> dict[str, Any]:
    return {
        "uuid": node.id,
        "name": node.name,
        "allocation_id": None,
        "clean_step": None,
        "conductor_group": "",
        "console_enabled": False,
        "created_at": offset(node.created_at),
        "deploy_step": None,
        "description": None,
        "driver": "ipmi",
        "extra": {},
        "fault": None,
        "instance_uuid": node.instance_id,
        "last_error": node.last_error,
        "lessee": node.lessee,
        "maintenance": node.maintenance,
        "maintenance_reason": node.maintenance_reason,
        "network_interface": "flat",
        "owner": node.owner,
        "power_state": node.power_state,
        "properties": dict(node.properties),
        "protected": False,
        "protected_reason": None,
        "provision_state": node.provision_state,
        "provision_updated_at": offset(node.updated_at),
        "resource_class": node.resource_class,
        "retired": False,
        "retired_reason": None,
        "target_power_state": node.target_power_state,
        "target_provision_state": node.target_provision_state,
        "traits": list(node.traits),
        "updated_at": offset(node.updated_at),
    }
