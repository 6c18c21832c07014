"""Nova's smaller lists: hosts, services, zones, aggregates, key pairs, groups, and parts of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.compute_views import host_figures, hypervisor_view
from examples.cloud.notices import micros
from examples.cloud.records import Hypervisor, Server
from examples.cloud.refusals import Missing
from examples.cloud.tokens import Tokens
from examples.cloud.wire import Request, Response, Service, page

if TYPE_CHECKING:
    from examples.cloud.world import World


class ComputeLists(Service):
    """What nova lists besides servers and flavors."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("GET", "/v2.1/os-hypervisors", self.hypervisors)
        self.route("GET", "/v2.1/os-hypervisors/detail", self.hypervisors_detail)
        self.route("GET", "/v2.1/os-hypervisors/statistics", self.statistics)
        self.route("GET", "/v2.1/os-hypervisors/{key}", self.hypervisor)
        self.route("GET", "/v2.1/os-services", self.services)
        self.route("GET", "/v2.1/os-availability-zone", self.zones)
        self.route("GET", "/v2.1/os-availability-zone/detail", self.zones)
        self.route("GET", "/v2.1/os-aggregates", self.aggregates)
        self.route("GET", "/v2.1/os-keypairs", self.keypairs)
        self.route("GET", "/v2.1/os-server-groups", self.groups)
        self.route("GET", "/v2.1/servers/{key}/os-volume_attachments", self.attachments)
        self.route("GET", "/v2.1/servers/{key}/os-interface", self.interfaces)

    def _listed(
        self, request: Request, name: str, items: list[dict[str, Any]], following: str | None = None
    ) -> Response:
        """A list, with the link to its next page where there may be one."""
        body: dict[str, Any] = {name: items}
        if following is not None:
            body[f"{name}_links"] = [{"rel": "next", "href": f"{request.root}{request.path}?{following}"}]
        return Response(200, body)

    def _reach(self, request: Request, key: str) -> Server:
        """A server that the token may touch."""
        raise NotImplementedError

    def _hosts(self, request: Request) -> list[Hypervisor]:
        request.need_admin("os_compute_api:os-hypervisors:list-detail")
        hosts = sorted(self.world.hypervisors.values(), key=lambda host: host.number)
        pattern = request.param("hypervisor_hostname_pattern")
        if pattern is not None:
            hosts = [host for host in hosts if pattern in host.name]
            if not hosts:
                raise Missing(f"No hypervisor matching '{pattern}' could be found.")
        return hosts

    def hypervisors(self, request: Request) -> Response:
        """Hosts, in short."""
        shown, following = page(self._hosts(request), request, lambda host: host.id)
        views = [hypervisor_view(self.world, request, host) for host in shown]
        keys = ("id", "hypervisor_hostname", "state", "status")
        return self._listed(request, "hypervisors", [{k: view[k] for k in keys} for view in views], following)

    def hypervisors_detail(self, request: Request) -> Response:
        """Hosts, with all details."""
        shown, following = page(self._hosts(request), request, lambda host: host.id)
        return self._listed(request, "hypervisors", [hypervisor_view(self.world, request, h) for h in shown], following)

    def statistics(self, request: Request) -> Response:
        """The sum over all hosts."""
        hosts = self._hosts(request)
        return Response(200, {"hypervisor_statistics": {"count": len(hosts), **host_figures(self.world, hosts)}})

    def hypervisor(self, request: Request, key: str) -> Response:
        """One host."""
        for host in self._hosts(request):
            if key in (host.id, str(host.number)):
                return Response(200, {"hypervisor": hypervisor_view(self.world, request, host)})
        raise Missing(f"Compute host {key} could not be found.")

    def services(self, request: Request) -> Response:
        """Nova's own processes."""
        request.need_admin("os_compute_api:os-services:list")
        now = micros(self.world.now())
        rows = [
            ("nova-scheduler", "control1", "internal", True, True),
            ("nova-conductor", "control1", "internal", True, True),
        ]
        rows += [("nova-compute", h.name, "nova", h.enabled, h.up) for h in self.world.hypervisors.values()]
        host, binary = request.param("host"), request.param("binary")
        shown = []
        for number, (program, place, zone, enabled, up) in enumerate(rows, 1):
            if host not in (None, place) or binary not in (None, program):
                continue
            view: dict[str, Any] = {
                "id": number,
                "binary": program,
                "host": place,
                "zone": zone,
                "status": "enabled" if enabled else "disabled",
                "state": "up" if up else "down",
                "updated_at": now,
                "disabled_reason": None,
            }
            if request.version >= (2, 11):
                view["forced_down"] = False
            if request.version >= (2, 53):
                hypervisor = self.world.hypervisors.get(place)
                view["id"] = hypervisor.service_id if hypervisor else self.world.digest(program)[:32]
            shown.append(view)
        return self._listed(request, "services", shown)

    def zones(self, request: Request) -> Response:
        """Availability zones; administrators see their hosts."""
        detail = request.path.rstrip("/").endswith("/detail")
        if detail:
            request.need_admin("os_compute_api:os-availability-zone:detail")
        moment = {"available": True, "active": True, "updated_at": micros(self.world.now())}
        places = {
            "internal": {"control1": {"nova-scheduler": moment, "nova-conductor": moment}},
            "nova": {name: {"nova-compute": moment} for name in self.world.hypervisors},
        }
        zones = [
            {"zoneName": name, "zoneState": {"available": True}, "hosts": hosts if detail else None}
            for name, hosts in places.items()
            if detail or name != "internal"
        ]
        return Response(200, {"availabilityZoneInfo": zones})

    def aggregates(self, request: Request) -> Response:
        """Groups of hosts."""
        request.need_admin("os_compute_api:os-aggregates:index")
        shown = []
        for aggregate in self.world.servers.aggregates.values():
            view: dict[str, Any] = {
                "id": aggregate.id,
                "name": aggregate.name,
                "hosts": list(aggregate.hosts),
                "metadata": dict(aggregate.metadata),
                "created_at": micros(aggregate.created_at),
                "updated_at": None,
                "deleted_at": None,
                "deleted": False,
                "availability_zone": aggregate.metadata.get("availability_zone"),
            }
            if request.version >= (2, 41):
                view["uuid"] = aggregate.uuid
            shown.append(view)
        return Response(200, {"aggregates": shown})

    def keypairs(self, request: Request) -> Response:
        """The user's key pairs."""
        more = {"type": "ssh"} if request.version >= (2, 2) else {}
        shown = [
            {"keypair": {"name": k.name, "public_key": k.public_key, "fingerprint": k.fingerprint, **more}}
            for k in self.world.servers.keypairs.values()
            if k.user_id == request.token.user.id
        ]
        return Response(200, {"keypairs": shown})

    def groups(self, request: Request) -> Response:
        """Server groups of the project."""
        project = request.token.project
        shown = []
        for group in self.world.servers.groups.values():
            if project is None or group.project_id != project.id:
                continue
            view: dict[str, Any] = {"id": group.id, "name": group.name, "members": list(group.members)}
            if request.version >= (2, 64):
                view |= {"policy": group.policy, "rules": {}}
            else:
                view |= {"policies": [group.policy], "metadata": {}}
            if request.version >= (2, 13):
                view |= {"project_id": group.project_id, "user_id": group.user_id}
            shown.append(view)
        return Response(200, {"server_groups": shown})

    def attachments(self, request: Request, key: str) -> Response:
        """The volumes of a server."""
        server = self._reach(request, key)
        found = [a for v in server.volumes for a in self.world.volumes.get(v).attachments]
        shown = []
        for place in found:
            view = {
                "id": place.volume_id,
                "volumeId": place.volume_id,
                "serverId": server.id,
                "device": place.device,
            }
            if request.version >= (2, 89):
                view = {key: value for key, value in view.items() if key != "id"} | {"attachment_id": place.id}
            shown.append(view)
        return Response(200, {"volumeAttachments": shown})

    def interfaces(self, request: Request, key: str) -> Response:
        """The ports of a server."""
        server = self._reach(request, key)
        shown = []
        for port in (self.world.networks.ports[port_id] for port_id in server.ports):
            addresses = [{"subnet_id": port.subnet_id, "ip_address": port.address}]
            shown.append(
                {
                    "net_id": port.network_id,
                    "port_id": port.id,
                    "mac_addr": port.mac,
                    "port_state": port.status,
                    "fixed_ips": addresses,
                }
            )
        return Response(200, {"interfaceAttachments": shown})
