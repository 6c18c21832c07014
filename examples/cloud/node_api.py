"""Ironic v1: bare-metal nodes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from examples.cloud.nodes import HOST, Node
from examples.cloud.notices import offset
from examples.cloud.refusals import BadRequest, Missing, NotAcceptable, Refusal
from examples.cloud.tokens import Tokens
from examples.cloud.wire import Request, Response, Service, page

if TYPE_CHECKING:
    from examples.cloud.world import World

LOWEST, HIGHEST = (1, 1), (1, 95)
_VERSION = re.compile(r"(?:baremetal )?(\d{1,3})\.(\d{1,4})")
#: The microversion with which a field came.
_SINCE = {
    "name": 5,
    "resource_class": 21,
    "traits": 37,
    "fault": 42,
    "conductor_group": 46,
    "protected": 48,
    "conductor": 49,
    "owner": 50,
    "description": 51,
    "allocation_uuid": 52,
    "retired": 61,
    "lessee": 65,
}


class Baremetal(Service):
    """The bare-metal API under ``/baremetal``."""

    prefix = "/baremetal"

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("GET", "", self.versions, open=True)
        self.route("GET", "/v1", self.version, open=True)
        self.route("GET", "/v1/nodes", self.nodes)
        self.route("GET", "/v1/nodes/detail", self.nodes_detail)
        self.route("GET", "/v1/nodes/{key}", self.node)

    def answer(self, request: Request) -> Response:
        """Settle the microversion, answer, and say which ones there are."""
        request.version = LOWEST
        try:
            request.version = _microversion(request)
            response = super().answer(request)
        except NotAcceptable as refusal:
            response = self.refuse(request, refusal)
        response.headers |= {
            "X-Openstack-Ironic-Api-Version": _dotted(request.version),
            "X-Openstack-Ironic-Api-Minimum-Version": _dotted(LOWEST),
            "X-Openstack-Ironic-Api-Maximum-Version": _dotted(HIGHEST),
            "Openstack-Api-Version": f"baremetal {_dotted(request.version)}",
        }
        return response

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """Ironic's form of an error: JSON as a text inside JSON."""
        words = {"faultcode": "Client", "faultstring": refusal.message, "debuginfo": None}
        return Response(refusal.status, {"error_message": json.dumps(words)})

    def _version(self, request: Request) -> dict[str, Any]:
        return {
            "id": "v1",
            "status": "CURRENT",
            "min_version": _dotted(LOWEST),
            "version": _dotted(HIGHEST),
            "links": [{"rel": "self", "href": f"{request.root}/v1/"}],
        }

    def versions(self, request: Request) -> Response:
        """All versions."""
        mine = self._version(request)
        body = {"name": "OpenStack Ironic API", "description": "Simulated.", "default_version": mine}
        return Response(200, body | {"versions": [mine]})

    def version(self, request: Request) -> Response:
        """The one version."""
        return Response(200, {"id": "v1", "version": self._version(request), "links": self._version(request)["links"]})

    def _visible(self, request: Request) -> list[Node]:
        """All nodes for administrators; others get those that they own or have leased."""
        project = request.token.project
        mine = project.id if project else None
        found = self.world.nodes.nodes.values()
        return [node for node in found if request.token.is_admin or (mine and mine in (node.owner, node.lessee))]

    def _listed(self, request: Request, views: list[dict[str, Any]], following: str | None) -> Response:
        body: dict[str, Any] = {"nodes": views}
        if following is not None:
            body["next"] = f"{request.root}{request.path}?{following}"
        return Response(200, body)

    def nodes(self, request: Request) -> Response:
        """Nodes, in short."""
        shown, following = page(self._visible(request), request, lambda node: node.id)
        keys = ("uuid", "name", "instance_uuid", "maintenance", "power_state", "provision_state", "links")
        return self._listed(
            request, [{k: v for k, v in _view(request, n).items() if k in keys} for n in shown], following
        )

    def nodes_detail(self, request: Request) -> Response:
        """Nodes, with all details."""
        shown, following = page(self._visible(request), request, lambda node: node.id)
        return self._listed(request, [_view(request, node) for node in shown], following)

    def node(self, request: Request, key: str) -> Response:
        """One node, by id or by name; one of others is as good as not there."""
        node = self.world.nodes.get(key)
        if node not in self._visible(request):
            raise Missing(f"Node {key} could not be found.")
        return Response(200, _view(request, node))


def _view(request: Request, node: Node) -> dict[str, Any]:
    view: dict[str, Any] = {
        "uuid": node.id,
        "name": node.name,
        "allocation_uuid": None,
        "chassis_uuid": None,
        "conductor": HOST,
        "conductor_group": "",
        "console_enabled": False,
        "created_at": offset(node.created_at),
        "description": None,
        "driver": "ipmi",
        "driver_info": {"ipmi_address": "192.0.2.90", "ipmi_username": "admin", "ipmi_password": "******"},
        "driver_internal_info": {},
        "extra": {},
        "fault": None,
        "instance_info": {},
        "instance_uuid": node.instance_id,
        "last_error": node.last_error,
        "lessee": node.lessee,
        "links": [{"rel": "self", "href": f"{request.root}/v1/nodes/{node.id}"}],
        "maintenance": node.maintenance,
        "maintenance_reason": node.maintenance_reason,
        "owner": node.owner,
        "power_state": node.power_state,
        "properties": dict(node.properties),
        "protected": False,
        "provision_state": node.provision_state,
        "resource_class": node.resource_class,
        "retired": False,
        "target_power_state": node.target_power_state,
        "target_provision_state": node.target_provision_state,
        "traits": list(node.traits),
        "updated_at": offset(node.updated_at),
    }
    return {name: value for name, value in view.items() if request.version >= (1, _SINCE.get(name, 1))}


def _microversion(request: Request) -> tuple[int, int]:
    """The version that is asked for. Raises ``BadRequest`` and ``NotAcceptable``."""
    asked = request.headers.get("X-OpenStack-Ironic-API-Version") or request.headers.get("OpenStack-API-Version")
    if asked is None:
        return LOWEST
    if asked.removeprefix("baremetal ") == "latest":
        return HIGHEST
    match = _VERSION.fullmatch(asked)
    if match is None:
        raise BadRequest(f"Invalid value for X-OpenStack-Ironic-API-Version: {asked}")
    wanted = int(match[1]), int(match[2])
    if not LOWEST <= wanted <= HIGHEST:
        raise NotAcceptable(f"Version {asked} was requested, supported are {_dotted(LOWEST)} to {_dotted(HIGHEST)}.")
    return wanted


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
