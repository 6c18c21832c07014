"""Nova v2.1: servers, flavors; what is done to servers is in ``compute_actions``, the rest in ``compute_lists``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from examples.cloud.compute_actions import ComputeActions
from examples.cloud.compute_views import flavor_view, links, server_view
from examples.cloud.records import Flavor, Server
from examples.cloud.refusals import BadRequest, Missing, NotAcceptable, Refusal
from examples.cloud.tokens import Tokens
from examples.cloud.wire import Request, Response, page

if TYPE_CHECKING:
    from examples.cloud.world import World

LOWEST, HIGHEST = (2, 1), (2, 96)
_FAULTS = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    409: "conflictingRequest",
    413: "overLimit",
    429: "overLimit",
}
_VERSION = re.compile(r"(?:compute )?(\d{1,3})\.(\d{1,4})")


class Compute(ComputeActions):
    """The compute API under ``/compute``."""

    prefix = "/compute"

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("GET", "", self.versions, open=True)
        self.route("GET", "/v2.1", self.version, open=True)
        self.route("GET", "/v2.1/servers", self.servers)
        self.route("POST", "/v2.1/servers", self.create)
        self.route("GET", "/v2.1/servers/detail", self.servers_detail)
        self.route("GET", "/v2.1/servers/{key}", self.server)
        self.route("DELETE", "/v2.1/servers/{key}", self.delete)
        self.route("POST", "/v2.1/servers/{key}/os-volume_attachments", self.attach)
        self.route("DELETE", "/v2.1/servers/{key}/os-volume_attachments/{volume}", self.detach)
        self.route("GET", "/v2.1/flavors", self.flavors)
        self.route("GET", "/v2.1/flavors/detail", self.flavors_detail)
        self.route("GET", "/v2.1/flavors/{key}", self.flavor)
        self.route("GET", "/v2.1/flavors/{key}/os-extra_specs", self.extra_specs)

    def answer(self, request: Request) -> Response:
        """Settle the microversion, answer, and say which microversion it was."""
        try:
            request.version = _microversion(request)
            response = super().answer(request)
        except NotAcceptable as refusal:
            response = self.refuse(request, refusal)
        version = f"{request.version[0]}.{request.version[1]}"
        response.headers |= {
            "Openstack-Api-Version": f"compute {version}",
            "X-Openstack-Nova-Api-Version": version,
            "Vary": "OpenStack-API-Version, X-OpenStack-Nova-API-Version",
            "X-Compute-Request-Id": response.headers.get("X-Openstack-Request-Id", ""),
        }
        return response

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """Nova's form of an error."""
        name = _FAULTS.get(refusal.status, "computeFault")
        body = {name: {"code": refusal.status, "message": refusal.message}}
        return Response(refusal.status, body, content_type="application/json; charset=UTF-8")

    def _version(self, request: Request) -> dict[str, Any]:
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": f"{HIGHEST[0]}.{HIGHEST[1]}",
            "min_version": "2.1",
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": f"{request.root}/v2.1/"}],
        }

    def versions(self, request: Request) -> Response:
        """All versions: the old one, and the one with microversions."""
        old = self._version(request) | {"id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": ""}
        old |= {"links": [{"rel": "self", "href": f"{request.root}/v2/"}], "updated": "2011-01-21T11:33:21Z"}
        return Response(200, {"versions": [old, self._version(request)]})

    def version(self, request: Request) -> Response:
        """The one version."""
        media = {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}
        return Response(200, {"version": self._version(request) | {"media-types": [media]}})

    def _visible(self, request: Request) -> list[Server]:
        """The servers that a list shows: newest first, of the own project unless all are asked for."""
        everything = (request.param("all_tenants") or "0").lower() in ("1", "true", "yes", "")
        if everything:
            request.need_admin("os_compute_api:servers:detail:get_all_tenants")
        project = request.token.project
        name, status, host = (request.param(key) for key in ("name", "status", "host"))
        shown = [
            s for s in self.world.servers.servers.values() if everything or (project and s.project_id == project.id)
        ]
        if everything and (wanted := request.param("project_id") or request.param("tenant_id")):
            shown = [server for server in shown if server.project_id == wanted]
        if name:
            shown = [server for server in shown if re.search(re.escape(name.strip("^$")), server.name)]
        if status:
            shown = [server for server in shown if server.status == status.upper()]
        if host and request.token.is_admin:
            shown = [server for server in shown if server.host == host]
        if (request.param("deleted") or "").lower() in ("1", "true"):
            shown = []
        return sorted(shown, key=lambda server: (server.created_at, server.number), reverse=True)

    def servers(self, request: Request) -> Response:
        """Servers, in short."""
        shown, following = page(self._visible(request), request, lambda server: server.id)
        brief = [{"id": s.id, "name": s.name, "links": links(request, "servers", s.id)} for s in shown]
        return self._listed(request, "servers", brief, following)

    def servers_detail(self, request: Request) -> Response:
        """Servers, with all details."""
        shown, following = page(self._visible(request), request, lambda server: server.id)
        return self._listed(request, "servers", [server_view(self.world, request, s) for s in shown], following)

    def _reach(self, request: Request, key: str) -> Server:
        """A server that the token may touch; others are as good as not there."""
        server = self.world.servers.get(key)
        project = request.token.project
        if not request.token.is_admin and (project is None or server.project_id != project.id):
            raise Missing(f"Instance {key} could not be found.")
        return server

    def server(self, request: Request, key: str) -> Response:
        """One server."""
        return Response(200, {"server": server_view(self.world, request, self._reach(request, key), single=True)})

    def create(self, request: Request) -> Response:
        """Make a server."""
        body = request.json()
        asked = body.get("server") if isinstance(body, dict) else None
        if not isinstance(asked, dict) or not isinstance(asked.get("name"), str) or "flavorRef" not in asked:
            raise BadRequest("Invalid input for field/attribute server. 'name' and 'flavorRef' are required properties")
        networks = asked.get("networks")
        first = networks[0].get("uuid") if isinstance(networks, list) and networks else None
        image = asked.get("imageRef") or "debian-12"
        server = self.world.servers.create(
            asked["name"],
            actor=request.token.actor(request.request_id),
            flavor=str(asked["flavorRef"]).rsplit("/", 1)[-1],
            image=str(image).rsplit("/", 1)[-1],
            network=str(first or "private"),
            key_name=asked.get("key_name"),
            metadata=asked.get("metadata"),
        )
        view = {
            "id": server.id,
            "links": links(request, "servers", server.id),
            "OS-DCF:diskConfig": "MANUAL",
            "adminPass": self.world.hex_id()[:12],
            "security_groups": [{"name": "default"}],
        }
        return Response(202, {"server": view}, {"Location": f"{request.root}/v2.1/servers/{server.id}"})

    def delete(self, request: Request, key: str) -> Response:
        """Delete a server."""
        self.world.servers.delete(self._reach(request, key).id, request.token.actor(request.request_id))
        return Response(204)

    def attach(self, request: Request, key: str) -> Response:
        """Attach a volume."""
        body = request.json()
        asked = body.get("volumeAttachment") if isinstance(body, dict) else None
        if not isinstance(asked, dict) or "volumeId" not in asked:
            raise BadRequest("Invalid input for field/attribute volumeAttachment. 'volumeId' is a required property")
        server = self._reach(request, key)
        actor = request.token.actor(request.request_id)
        place = self.world.volumes.attach(str(asked["volumeId"]), server.id, actor=actor)
        view = {
            "id": place.volume_id,
            "volumeId": place.volume_id,
            "serverId": server.id,
            "device": place.device,
        }
        return Response(200, {"volumeAttachment": view})

    def detach(self, request: Request, key: str, volume: str) -> Response:
        """Take a volume out."""
        server = self._reach(request, key)
        if volume not in server.volumes:
            raise Missing(f"volume_id not found: {volume}")
        self.world.volumes.detach(volume, actor=request.token.actor(request.request_id))
        return Response(202)

    def flavors(self, request: Request) -> Response:
        """Flavors, in short."""
        shown, following = page(list(self.world.flavors.values()), request, lambda flavor: flavor.id)
        brief = [{"id": f.id, "name": f.name, "links": links(request, "flavors", f.id)} for f in shown]
        return self._listed(request, "flavors", brief, following)

    def flavors_detail(self, request: Request) -> Response:
        """Flavors, with all details."""
        shown, following = page(list(self.world.flavors.values()), request, lambda flavor: flavor.id)
        return self._listed(request, "flavors", [flavor_view(request, flavor) for flavor in shown], following)

    def _flavor(self, key: str) -> Flavor:
        flavor = self.world.flavors.get(key)
        if flavor is None:
            raise Missing(f"Flavor {key} could not be found.")
        return flavor

    def flavor(self, request: Request, key: str) -> Response:
        """One flavor."""
        return Response(200, {"flavor": flavor_view(request, self._flavor(key))})

    def extra_specs(self, request: Request, key: str) -> Response:
        """A flavor's extra specs."""
        return Response(200, {"extra_specs": dict(self._flavor(key).extra_specs)})


def _microversion(request: Request) -> tuple[int, int]:
    """The microversion that the headers ask for, the lowest where they ask for none."""
    text = request.headers.get("OpenStack-API-Version") or ""
    if not text.startswith("compute "):
        text = request.headers.get("X-OpenStack-Nova-API-Version") or ""
    if not text:
        return LOWEST
    if text.endswith("latest"):
        return HIGHEST
    match = _VERSION.fullmatch(text.strip())
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if not LOWEST <= version <= HIGHEST:
        highest = f"{HIGHEST[0]}.{HIGHEST[1]}"
        raise NotAcceptable(f"Version {text} is not supported by the API. Minimum is 2.1 and maximum is {highest}.")
    return version
