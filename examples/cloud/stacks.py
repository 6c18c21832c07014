"""Stacks and their resources, and what heat publishes about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.notices import whole
from examples.cloud.records import Actor, Stack
from examples.cloud.refusals import Missing

if TYPE_CHECKING:
    from examples.cloud.world import World

PUBLISHER = "orchestration.control1"
SERVER, VOLUME = "OS::Nova::Server", "OS::Cinder::Volume"


class Stacks:
    """All that heat keeps. What a stack is made of is made by the services themselves."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stacks: dict[str, Stack] = {}

    def get(self, key: str) -> Stack:
        """A stack by id or name. Raises ``Missing`` where there is none."""
        found = self.stacks.get(key) or next((s for s in self.stacks.values() if s.name == key), None)
        if found is None:
            raise Missing(f"The Stack ({key}) could not be found.", "stack", key)
        return found

    def create(
        self, name: str, *, servers: int = 1, volumes: int = 0, parent: str | None = None, actor: Actor | None = None
    ) -> Stack:
        """Make a stack with so many servers and volumes; ``parent`` is the id of the stack around it."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            stack = Stack(world.uuid(), name, actor.project.id, actor.user.name, world.now(), parent_id=parent)
            self.stacks[stack.id] = stack
            self._tell(actor, "create.start", stack)
            for number in range(servers):
                made = world.servers.create(f"{name}-{number}", actor=actor, flavor="tiny")
                stack.resources[f"server_{number}"] = (SERVER, made.id)
            for number in range(volumes):
                volume = world.volumes.create(f"{name}-{number}", actor=actor)
                stack.resources[f"volume_{number}"] = (VOLUME, volume.id)
            self._settle(actor, "CREATE", stack)
            return stack

    def update(self, stack_id: str, actor: Actor | None = None) -> Stack:
        """Give a stack one server more."""
        world = self.world
        with world.lock:
            actor, stack = actor or world.actor(), self.get(stack_id)
            stack.action, stack.status = "UPDATE", "IN_PROGRESS"
            self._tell(actor, "update.start", stack)
            number = len(stack.resources)
            made = world.servers.create(f"{stack.name}-{number}", actor=actor, flavor="tiny")
            stack.resources[f"server_{number}"] = (SERVER, made.id)
            stack.updated_at = world.now()
            self._settle(actor, "UPDATE", stack)
            return stack

    def delete(self, stack_id: str, actor: Actor | None = None) -> None:
        """Remove a stack and what it is made of and is still there."""
        world = self.world
        with world.lock:
            actor, stack = actor or world.actor(), self.get(stack_id)
            stack.action, stack.status = "DELETE", "IN_PROGRESS"
            self._tell(actor, "delete.start", stack)
            for kind, key in stack.resources.values():
                if kind == SERVER and key in world.servers.servers:
                    world.servers.delete(key, actor)
                if kind == VOLUME and key in world.volumes.volumes:
                    if world.volumes.get(key).attachments:
                        world.volumes.detach(key, actor=actor)
                    world.volumes.delete(key, actor=actor)
            del self.stacks[stack.id]
            self._settle(actor, "DELETE", stack)

    def _settle(self, actor: Actor, action: str, stack: Stack) -> None:
        stack.action, stack.status = action, "COMPLETE"
        stack.reason = f"Stack {action} completed successfully"
        self._tell(actor, f"{action.lower()}.end", stack)

    def _tell(self, actor: Actor, phase: str, stack: Stack) -> None:
        payload: dict[str, Any] = {
            "tenant_id": stack.project_id,
            "user_id": actor.user.name,
            "username": actor.user.name,
            "user_identity": actor.user.id,
            "stack_identity": stack.id,
            "stack_name": stack.name,
            "state": f"{stack.action}_{stack.status}",
            "state_reason": stack.reason,
            "create_at": whole(stack.created_at),
            "updated_at": whole(stack.updated_at) if stack.updated_at else None,
            "tags": [],
            "description": stack.description,
        }
        self.world.publish(actor, "heat", f"orchestration.stack.{phase}", PUBLISHER, payload)
