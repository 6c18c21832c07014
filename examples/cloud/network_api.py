"""Neutron v2.0: networks, subnets, ports, routers, floating addresses and security groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from examples.cloud.network_views import (
    floating_ip_view,
    network_view,
    port_view,
    router_view,
    rule_view,
    security_group_view,
    subnet_view,
)
from examples.cloud.refusals import BadRequest, Missing, Refusal
from examples.cloud.tokens import Tokens
from examples.cloud.wire import PAGE_LIMIT, Request, Response, Service, whole_number

if TYPE_CHECKING:
    from examples.cloud.world import World

View = dict[str, Any]

#: Parameters that are no filters.
_CONTROLS = frozenset({"limit", "marker", "sort_key", "sort_dir", "fields", "page_reverse"})
_ERRORS = {400: "HTTPBadRequest", 403: "PolicyNotAuthorized", 404: "HTTPNotFound"}


class Network(Service):
    """The network API under ``/network``."""

    prefix = "/network"

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("GET", "", self.versions, open=True)
        self.route("GET", "/v2.0", self.resources)
        self.route("GET", "/v2.0/extensions", self.extensions)
        self.route("POST", "/v2.0/networks", self.create_network)
        self.route("DELETE", "/v2.0/networks/{key}", self.delete_network)
        self.route("POST", "/v2.0/ports", self.create_port)
        self.route("DELETE", "/v2.0/ports/{key}", self.delete_port)
        self.route("GET", "/v2.0/{kind}", self.listing)
        self.route("GET", "/v2.0/{kind}/{key}", self.show)
        nets = world.networks
        self._kinds: dict[str, tuple[str, str, Callable[[], list[View]]]] = {
            "networks": ("network", "Network", lambda: [network_view(n) for n in nets.networks.values()]),
            "subnets": ("subnet", "Subnet", lambda: [subnet_view(s) for s in nets.subnets.values()]),
            "ports": ("port", "Port", lambda: [port_view(p) for p in nets.ports.values()]),
            "routers": ("router", "Router", lambda: [router_view(r) for r in nets.routers.values()]),
            "floatingips": (
                "floatingip",
                "Floating IP",
                lambda: [floating_ip_view(f, nets) for f in nets.floating_ips.values()],
            ),
            "security-groups": (
                "security_group",
                "Security group",
                lambda: [security_group_view(g, nets) for g in nets.groups.values()],
            ),
            "security-group-rules": (
                "security_group_rule",
                "Security group rule",
                lambda: [rule_view(r) for r in nets.rules.values()],
            ),
        }

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """Neutron's form of an error."""
        kind = refusal.kind or _ERRORS.get(refusal.status, "HTTPError")
        if refusal.status == 404 and refusal.kind:
            kind = f"{refusal.kind.title().replace(' ', '').replace('_', '')}NotFound"
        error = {"type": kind, "message": refusal.message, "detail": ""}
        return Response(refusal.status, {"NeutronError": error})

    def versions(self, request: Request) -> Response:
        """The one version."""
        links = [{"rel": "self", "href": f"{request.root}/v2.0/"}]
        return Response(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})

    def resources(self, request: Request) -> Response:
        """The collections that there are."""
        shown: list[View] = [
            {
                "name": word,
                "collection": kind.replace("-", "_"),
                "links": [{"rel": "self", "href": f"{request.root}/v2.0/{kind}"}],
            }
            for kind, (word, _, _) in self._kinds.items()
        ]
        return Response(200, {"resources": shown})

    def extensions(self, request: Request) -> Response:
        """The extensions in use."""
        shown: list[View] = [
            {
                "name": alias,
                "alias": alias,
                "description": "",
                "updated": "2016-01-01T00:00:00-00:00",
                "links": [],
            }
            for alias in (
                "router",
                "security-group",
                "binding",
                "provider",
                "external-net",
                "pagination",
                "sorting",
            )
        ]
        return Response(200, {"extensions": shown})

    def _visible(self, request: Request, kind: str) -> list[View]:
        """What the token may see: the own project's things, shared and public ones; administrators all."""
        if kind not in self._kinds:
            raise Missing("The resource could not be found.")
        views = self._kinds[kind][2]()
        project = request.token.project
        if request.token.is_admin:
            return views
        own = project.id if project else None
        return [v for v in views if v["project_id"] == own or v.get("shared") or v.get("router:external")]

    def listing(self, request: Request, kind: str) -> Response:
        """A list: filtered by any field, sorted, and paged where a limit is given."""
        views = self._visible(request, kind)
        for name in {key for key, _ in request.query} - _CONTROLS:
            wanted = {_plain(value) for key, value in request.query if key == name}
            views = [view for view in views if name not in view or _plain(view[name]) in wanted]
        keys = [value for key, value in request.query if key == "sort_key"] or ["id"]
        for sort_key in reversed(keys):
            views.sort(key=lambda view: str(view.get(sort_key, "")), reverse=request.param("sort_dir") == "desc")
        name = kind.replace("-", "_")
        body: dict[str, Any] = {name: views}
        if request.param("limit") is not None:
            shown, links = self._page(request, kind, views)
            body = {name: shown, f"{name}_links": links} if links else {name: shown}
        fields = {value for key, value in request.query if key == "fields"}
        if fields:
            body[name] = [{k: v for k, v in view.items() if k in fields} for view in body[name]]
        return Response(200, body)

    def _page(self, request: Request, kind: str, views: list[View]) -> tuple[list[View], list[dict[str, str]]]:
        limit = whole_number(request, "limit", PAGE_LIMIT)
        if limit == 0:
            return views, []
        marker = request.param("marker")
        if marker:
            position = next((i for i, view in enumerate(views) if view["id"] == marker), None)
            if position is None:
                raise BadRequest(f"Invalid input for operation: marker {marker} not found.")
            views = views[position + 1 :]
        shown = views[:limit]
        if not shown:
            return shown, []
        query = [(key, value) for key, value in request.query if key not in ("marker", "page_reverse")]
        links = []
        if len(shown) >= limit:
            links.append({"rel": "next", "href": self._href(request, kind, [*query, ("marker", shown[-1]["id"])])})
        back = [*query, ("marker", shown[0]["id"]), ("page_reverse", "True")]
        links.append({"rel": "previous", "href": self._href(request, kind, back)})
        return shown, links

    def _href(self, request: Request, kind: str, query: list[tuple[str, str]]) -> str:
        return f"{request.root}/v2.0/{kind}?{urlencode(query)}"

    def show(self, request: Request, kind: str, key: str) -> Response:
        """One object."""
        for view in self._visible(request, kind):
            if view["id"] == key:
                return Response(200, {self._kinds[kind][0]: view})
        word = self._kinds[kind][1]
        raise Missing(f"{word} {key} could not be found.", word)

    def _asked(self, request: Request, word: str) -> dict[str, Any]:
        body = request.json()
        asked = body.get(word) if isinstance(body, dict) else None
        if not isinstance(asked, dict):
            raise BadRequest(f"Invalid input for {word}. Reason: not an object.")
        return asked

    def create_network(self, request: Request) -> Response:
        """Make a network."""
        asked = self._asked(request, "network")
        actor = request.token.actor(request.request_id)
        external = bool(asked.get("router:external", False))
        network = self.world.networks.create(str(asked.get("name", "")), actor=actor, external=external)
        return Response(201, {"network": network_view(network)})

    def delete_network(self, request: Request, key: str) -> Response:
        """Remove a network."""
        self.show(request, "networks", key)
        self.world.networks.delete(key, request.token.actor(request.request_id))
        return Response(204)

    def create_port(self, request: Request) -> Response:
        """Make a port."""
        asked = self._asked(request, "port")
        network = self.world.networks.find(str(asked.get("network_id")))
        actor = request.token.actor(request.request_id)
        port = self.world.networks.create_port(network, name=str(asked.get("name", "")), actor=actor)
        return Response(201, {"port": port_view(port)})

    def delete_port(self, request: Request, key: str) -> Response:
        """Remove a port."""
        self.show(request, "ports", key)
        self.world.networks.delete_port(key, request.token.actor(request.request_id))
        return Response(204)


def _plain(value: object) -> str:
    return (
        str(value).lower() if isinstance(value, bool) else str(value).replace("True", "true").replace("False", "false")
    )
