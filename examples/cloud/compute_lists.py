"""Nova's smaller lists: hosts, services, zones, and parts of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.compute_groups import ComputeGroups, zone_of
from examples.cloud.compute_views import host_figures, hypervisor_view
from examples.cloud.notices import micros
from examples.cloud.records import Hypervisor, Server
from examples.cloud.refusals import Missing
from examples.cloud.tokens import Tokens
from examples.cloud.wire import Request, Response, page

if TYPE_CHECKING:
    from examples.cloud.world import World


class ComputeLists(ComputeGroups):
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
        self.route("GET", "/v2.1/servers/{key}/os-volume_attachments", self.attachments)
        self.route("GET", "/v2.1/servers/{key}/os-interface", self.interfaces)

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
        }
        for name in self.world.hypervisors:
            places.setdefault(zone_of(self.world, name), {})[name] = {"nova-compute": moment}
        places.setdefault("nova", {})
        zones = [
            {"zoneName": name, "zoneState": {"available": True}, "hosts": hosts if detail else None}
            for name, hosts in places.items()
            if detail or name != "internal"
        ]
        return Response(200, {"availabilityZoneInfo": zones})

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
