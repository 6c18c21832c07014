"""Aggregates of hosts, groups of servers and key pairs, and what nova publishes about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.nova_payloads import nova_object
from examples.cloud.records import Actor, Aggregate, Keypair, ServerGroup
from examples.cloud.refusals import BadRequest, Conflict, Missing

if TYPE_CHECKING:
    from examples.cloud.world import World

#: The host on which nova's API runs.
API_HOST = "control1"


class Groupings:
    """Operations on nova's smaller things; the things themselves are kept beside the servers."""

    def __init__(self, world: World) -> None:
        self.world = world

    def aggregate(self, number: int) -> Aggregate:
        """An aggregate by number. Raises ``Missing`` where there is none."""
        found = self.world.servers.aggregates.get(number)
        if found is None:
            raise Missing(f"Aggregate {number} could not be found.", "aggregate", str(number))
        return found

    def create_aggregate(self, name: str, *, metadata: dict[str, str] | None = None) -> Aggregate:
        """Make an aggregate without hosts."""
        world = self.world
        with world.lock:
            known = world.servers.aggregates
            aggregate = Aggregate(max(known, default=0) + 1, world.uuid(), name, world.now())
            aggregate.metadata = dict(metadata or {})
            known[aggregate.id] = aggregate
            self._tell_aggregate("create", "create", aggregate, {"name": name})
            return aggregate

    def add_host(self, number: int, host: str) -> Aggregate:
        """Put a host into an aggregate. Raises ``Missing`` and ``Conflict``."""
        with self.world.lock:
            aggregate = self.aggregate(number)
            if host not in self.world.hypervisors:
                raise Missing(f"Compute host {host} could not be found.", "host", host)
            self._keep_zones(aggregate, [host])
            if host in aggregate.hosts:
                raise Conflict(f"Aggregate {number} already has host {host}.", "aggregate")
            aggregate.hosts.append(host)
            self._tell_aggregate("addhost", "add_host", aggregate, {"host_name": host})
            return aggregate

    def remove_host(self, number: int, host: str) -> Aggregate:
        """Take a host out of an aggregate. Raises ``Missing``."""
        with self.world.lock:
            aggregate = self.aggregate(number)
            if host not in aggregate.hosts:
                raise Missing(f"Aggregate {number} has no host {host}.", "host", host)
            self._keep_zones(aggregate, [host])
            aggregate.hosts.remove(host)
            self._tell_aggregate("removehost", "remove_host", aggregate, {"host_name": host})
            return aggregate

    def describe_aggregate(self, number: int, metadata: dict[str, str]) -> Aggregate:
        """Add metadata to an aggregate; the key ``availability_zone`` makes it a zone."""
        with self.world.lock:
            aggregate = self.aggregate(number)
            if "availability_zone" in metadata:
                self._keep_zones(aggregate, aggregate.hosts, metadata["availability_zone"])
            aggregate.metadata |= metadata
            self._tell_aggregate("updatemetadata", "update_metadata", aggregate, {"meta_data": dict(metadata)})
            return aggregate

    def delete_aggregate(self, number: int) -> None:
        """Remove an aggregate. Raises ``Missing``, and ``BadRequest`` while it has hosts."""
        with self.world.lock:
            aggregate = self.aggregate(number)
            if aggregate.hosts:
                raise BadRequest(f"Cannot remove host from aggregate {number}: it is not empty.")
            del self.world.servers.aggregates[number]
            self._tell_aggregate("delete", "delete", aggregate, {})

    def _keep_zones(self, aggregate: Aggregate, hosts: list[str], zone: str | None = None) -> None:
        """Raise ``Conflict`` where servers would come into another zone by what happens to their host."""
        zone = zone or aggregate.metadata.get("availability_zone")
        if zone is not None and any(self.world.servers.on(host) for host in hosts):
            raise Conflict("Hosts with servers cannot be moved between availability zones.", "aggregate")

    def _tell_aggregate(self, free: str, versioned: str, aggregate: Aggregate, more: dict[str, Any]) -> None:
        data = {
            "id": aggregate.id,
            "uuid": aggregate.uuid,
            "name": aggregate.name,
            "hosts": list(aggregate.hosts),
            "metadata": dict(aggregate.metadata),
        }
        self._tell(
            self.world.actor(),
            (f"aggregate.{free}.end", f"aggregate.{aggregate.id}", {"aggregate_id": aggregate.id, **more}),
            (f"aggregate.{versioned}.end", nova_object("AggregatePayload", "1.1", data)),
        )

    def create_keypair(self, name: str, actor: Actor | None = None) -> Keypair:
        """Make a key pair for somebody. Raises ``Conflict`` for a name that this user has."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            key = f"{actor.user.id}:{name}"
            if key in world.servers.keypairs:
                raise Conflict(f"Key pair '{name}' already exists.", "keypair")
            digest = world.digest(key)
            print_of = ":".join(digest[n : n + 2] for n in range(0, 32, 2))
            pair = Keypair(name, actor.user.id, print_of, f"ssh-rsa {digest[:60]} {name}")
            world.servers.keypairs[key] = pair
            self._tell_keypair("create", pair, actor)
            return pair

    def delete_keypair(self, name: str, actor: Actor | None = None) -> None:
        """Remove a key pair of somebody. Raises ``Missing``."""
        with self.world.lock:
            actor = actor or self.world.actor()
            pair = self.world.servers.keypairs.pop(f"{actor.user.id}:{name}", None)
            if pair is None:
                raise Missing(f"Keypair {name} not found for user {actor.user.id}", "keypair", name)
            self._tell_keypair("delete", pair, actor)

    def _tell_keypair(self, verb: str, pair: Keypair, actor: Actor) -> None:
        data = {"user_id": pair.user_id, "name": pair.name, "fingerprint": pair.fingerprint}
        data |= {"public_key": pair.public_key, "type": "ssh"}
        free = {"tenant_id": actor.project.id, "user_id": pair.user_id, "key_name": pair.name}
        self._tell(
            actor,
            (f"keypair.{verb}.end", f"api.{API_HOST}", free),
            (f"keypair.{verb}.end", nova_object("KeypairPayload", "1.0", data)),
        )

    def group(self, group_id: str) -> ServerGroup:
        """A server group by id. Raises ``Missing`` where there is none."""
        found = self.world.servers.groups.get(group_id)
        if found is None:
            raise Missing(f"Instance group {group_id} could not be found.", "server_group", group_id)
        return found

    def create_group(self, name: str, policy: str = "anti-affinity", actor: Actor | None = None) -> ServerGroup:
        """Make a server group."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            group = ServerGroup(world.uuid(), name, policy, actor.project.id, actor.user.id)
            world.servers.groups[group.id] = group
            self._tell_group("create", "create", group, actor, {"name": name, "policies": [policy]})
            return group

    def add_member(self, group_id: str, server_id: str, actor: Actor | None = None) -> ServerGroup:
        """Put a server into a group, as nova does when it is made with that hint. Raises ``Missing``."""
        with self.world.lock:
            actor = actor or self.world.actor()
            group, server = self.group(group_id), self.world.servers.get(server_id)
            group.members.append(server.id)
            self._tell_group("addmember", "add_member", group, actor, {"instance_uuids": [server.id]})
            return group

    def delete_group(self, group_id: str, actor: Actor | None = None) -> None:
        """Remove a group. Raises ``Missing``."""
        with self.world.lock:
            group = self.group(group_id)
            del self.world.servers.groups[group_id]
            self._tell_group("delete", "delete", group, actor or self.world.actor(), {})

    def _tell_group(self, free: str, versioned: str, group: ServerGroup, actor: Actor, more: dict[str, Any]) -> None:
        data = {
            "uuid": group.id,
            "name": group.name,
            "project_id": group.project_id,
            "user_id": group.user_id,
            "policies": [group.policy],
            "policy": group.policy,
            "rules": {},
            "members": list(group.members),
            "hosts": None,
        }
        self._tell(
            actor,
            (f"servergroup.{free}", f"servergroup.{API_HOST}", {"server_group_id": group.id, **more}),
            (f"server_group.{versioned}", nova_object("ServerGroupPayload", "1.1", data)),
        )

    def _tell(self, actor: Actor, free: tuple[str, str, dict[str, Any]], versioned: tuple[str, dict[str, Any]]) -> None:
        """Publish one fact in the payload kinds that nova is set to."""
        world = self.world
        if world.nova_format != "versioned":
            event_type, publisher, payload = free
            world.publish(actor, "nova", event_type, publisher, payload)
        if world.nova_format != "unversioned":
            event_type, payload = versioned
            publisher = f"nova-api:{API_HOST}"
            world.publish(actor, "nova", event_type, publisher, payload, topic="versioned_notifications")
