"""Networks, ports and what stands around them, and what neutron publishes about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from examples.cloud.network_records import FloatingIp, Network, Port, Router, Rule, SecurityGroup, Subnet
from examples.cloud.network_views import network_view, port_view, subnet_view
from examples.cloud.records import Actor, Server
from examples.cloud.refusals import Conflict, Missing

if TYPE_CHECKING:
    from examples.cloud.world import World

T = TypeVar("T")

PUBLISHER = "network.control1"


class Networks:
    """All that neutron keeps."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.networks: dict[str, Network] = {}
        self.subnets: dict[str, Subnet] = {}
        self.ports: dict[str, Port] = {}
        self.routers: dict[str, Router] = {}
        self.floating_ips: dict[str, FloatingIp] = {}
        self.groups: dict[str, SecurityGroup] = {}
        self.rules: dict[str, Rule] = {}
        self._octet = 0

    def sow(self, actor: Actor) -> None:
        """What is there on the first day: a public and a private network, a router, default groups."""
        world = self.world
        public = self.create("public", actor=actor, external=True, prefix="203.0.113")
        self.create("private", actor=actor, shared=True)
        subnet = self.subnets[public.subnets[0]]
        now = world.now()
        gateway = self._address(subnet)
        router = Router(world.uuid(), "edge", actor.project.id, now, public.id, subnet.id, gateway)
        self.routers[router.id] = router
        floating = FloatingIp(world.uuid(), actor.project.id, self._address(subnet), public.id, now)
        self.floating_ips[floating.id] = floating
        for project in world.projects.values():
            group = SecurityGroup(world.uuid(), "default", project.id, now, "Default security group")
            self.groups[group.id] = group
            for direction in ("ingress", "egress"):
                rule = Rule(world.uuid(), group.id, project.id, now, direction)
                self.rules[rule.id] = rule

    def find(self, key: str) -> Network:
        """A network by id or name. Raises ``Missing`` where there is none."""
        for network in self.networks.values():
            if key in (network.id, network.name):
                return network
        raise Missing(f"Network {key} could not be found.", "network", key)

    def create(
        self,
        name: str,
        *,
        actor: Actor | None = None,
        external: bool = False,
        shared: bool = False,
        prefix: str | None = None,
    ) -> Network:
        """Make a network with one subnet."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            self._tell(actor, "network.create.start", {"network": {"name": name, "admin_state_up": True}})
            now = world.now()
            segment = None if external else 1000 + world.random.randrange(3000)
            network = Network(world.uuid(), name, actor.project.id, now, now, segment, external, shared)
            self.networks[network.id] = network
            self._tell(actor, "network.create.end", {"network": network_view(network)})
            self._octet = (self._octet + 1) % 250
            self._add_subnet(network, prefix or f"10.70.{self._octet}", actor)
            return network

    def _add_subnet(self, network: Network, prefix: str, actor: Actor) -> None:
        world = self.world
        name, now = f"{network.name}-subnet", world.now()
        asked = {"cidr": f"{prefix}.0/24", "ip_version": 4, "name": name, "network_id": network.id}
        self._tell(actor, "subnet.create.start", {"subnet": asked})
        subnet = Subnet(world.uuid(), name, network.id, network.project_id, prefix, now, now)
        self.subnets[subnet.id] = subnet
        network.subnets.append(subnet.id)
        network.revision += 1
        self._tell(actor, "subnet.create.end", {"subnet": subnet_view(subnet)})

    def delete(self, network_id: str, actor: Actor | None = None) -> None:
        """Remove a network and its subnets.

        Raises ``Missing``, and ``Conflict`` where ports are still in use.
        """
        with self.world.lock:
            actor = actor or self.world.actor()
            network = self._get(self.networks, "Network", network_id)
            if any(port.network_id == network_id and port.device_id for port in self.ports.values()):
                raise Conflict(f"Network {network_id} cannot be removed: ports are still in use.", "NetworkInUse")
            for port in [p for p in self.ports.values() if p.network_id == network_id]:
                self.delete_port(port.id, actor)
            self._tell(actor, "network.delete.start", {"network_id": network_id})
            for subnet_id in network.subnets:
                body = {"subnet_id": subnet_id}
                self._tell(actor, "subnet.delete.start", body)
                self._tell(actor, "subnet.delete.end", {"subnet": subnet_view(self.subnets.pop(subnet_id)), **body})
            del self.networks[network_id]
            self._tell(actor, "network.delete.end", {"network": network_view(network), "network_id": network_id})

    def create_port(self, network: Network, *, name: str = "", actor: Actor | None = None) -> Port:
        """Make a port that belongs to nobody yet."""
        world = self.world
        with world.lock:
            actor = actor or world.actor()
            asked = {"network_id": network.id, "name": name, "admin_state_up": True}
            self._tell(actor, "port.create.start", {"port": asked})
            subnet = self.subnets[network.subnets[0]]
            now, octets = world.now(), world.random.getrandbits(24).to_bytes(3, "big")
            mac = "fa:16:3e:" + octets.hex(":")
            address = self._address(subnet)
            port = Port(world.uuid(), name, network.id, actor.project.id, subnet.id, address, mac, now, now)
            port.security_groups = [g.id for g in self.groups.values() if g.project_id == actor.project.id][:1]
            self.ports[port.id] = port
            self._tell(actor, "port.create.end", {"port": port_view(port)})
            return port

    def delete_port(self, port_id: str, actor: Actor | None = None) -> None:
        """Remove a port. Raises ``Missing`` where there is none."""
        with self.world.lock:
            actor = actor or self.world.actor()
            port = self._get(self.ports, "Port", port_id)
            self._tell(actor, "port.delete.start", {"port_id": port_id})
            del self.ports[port_id]
            server = self.world.servers.servers.get(port.device_id)
            if server and port_id in server.ports:
                server.ports.remove(port_id)
            self._tell(actor, "port.delete.end", {"port": port_view(port), "port_id": port_id})

    def plug(self, server: Server, network: Network, actor: Actor) -> Port:
        """Give a server a port on a network and bind it to the server's host."""
        port = self.create_port(network, actor=actor)
        changes = {"device_id": server.id, "device_owner": "compute:nova", "binding:host_id": server.host}
        self._tell(actor, "port.update.start", {"port": changes, "id": port.id})
        port.device_id, port.device_owner, port.host = server.id, "compute:nova", server.host or ""
        port.status, port.updated_at, port.revision = "ACTIVE", self.world.now(), port.revision + 1
        server.ports.append(port.id)
        self._tell(actor, "port.update.end", {"port": port_view(port)})
        return port

    def _get(self, table: dict[str, T], word: str, key: str) -> T:
        found = table.get(key)
        if found is None:
            raise Missing(f"{word} {key} could not be found.", word.lower(), key)
        return found

    def _address(self, subnet: Subnet) -> str:
        """The next free address; after the last one it starts again at the first that nobody has."""
        taken = {port.address for port in self.ports.values() if port.subnet_id == subnet.id}
        for _ in range(244):
            subnet.used = 10 if subnet.used >= 253 else subnet.used + 1
            address = f"{subnet.prefix}.{subnet.used}"
            if address not in taken:
                return address
        raise Conflict(f"No more IP addresses available on network {subnet.network_id}.", "IpAddressGenerationFailure")

    def _tell(self, actor: Actor, event_type: str, payload: dict[str, Any]) -> None:
        self.world.publish(actor, "neutron", event_type, PUBLISHER, payload)
