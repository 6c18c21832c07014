"""Nova's groupings: aggregates of hosts, key pairs of users, groups of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.notices import micros
from examples.cloud.records import Aggregate, Keypair, ServerGroup
from examples.cloud.refusals import BadRequest, Missing
from examples.cloud.tokens import Tokens
from examples.cloud.wire import PAGE_LIMIT, Request, Response, Service, page, whole_number

if TYPE_CHECKING:
    from examples.cloud.world import World


class ComputeGroups(Service):
    """The part of nova that tells what belongs together."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("GET", "/v2.1/os-aggregates", self.aggregates)
        self.route("GET", "/v2.1/os-aggregates/{key}", self.aggregate)
        self.route("GET", "/v2.1/os-keypairs", self.keypairs)
        self.route("GET", "/v2.1/os-keypairs/{key}", self.keypair)
        self.route("GET", "/v2.1/os-server-groups", self.groups)
        self.route("GET", "/v2.1/os-server-groups/{key}", self.group)

    def _listed(
        self, request: Request, name: str, items: list[dict[str, Any]], following: str | None = None
    ) -> Response:
        """A list, with the link to its next page where there may be one."""
        body: dict[str, Any] = {name: items}
        if following is not None:
            body[f"{name}_links"] = [{"rel": "next", "href": f"{request.root}{request.path}?{following}"}]
        return Response(200, body)

    def aggregates(self, request: Request) -> Response:
        """Groups of hosts, all on one page."""
        request.need_admin("os_compute_api:os-aggregates:index")
        shown = [_aggregate(request, found) for found in self.world.servers.aggregates.values()]
        return Response(200, {"aggregates": shown})

    def aggregate(self, request: Request, key: str) -> Response:
        """One group of hosts."""
        request.need_admin("os_compute_api:os-aggregates:show")
        if not key.isascii() or not key.isdigit():
            raise BadRequest(f"Invalid id {key}: it is no whole number.")
        return Response(200, {"aggregate": _aggregate(request, self.world.groupings.aggregate(int(key)))})

    def _whose(self, request: Request) -> str:
        """The user whose key pairs are asked for: administrators may ask for anybody's."""
        own, asked = request.token.user.id, request.param("user_id")
        if asked is None or asked == own:
            return own
        if request.version < (2, 10):
            raise BadRequest("Additional properties are not allowed ('user_id' was unexpected)")
        request.need_admin("os_compute_api:os-keypairs:index")
        return asked

    def keypairs(self, request: Request) -> Response:
        """A user's key pairs."""
        user = self._whose(request)
        found = [pair for pair in self.world.servers.keypairs.values() if pair.user_id == user]
        following = None
        if request.version >= (2, 35):
            found, following = page(found, request, lambda pair: pair.name)
        return self._listed(request, "keypairs", [{"keypair": _keypair(request, p)} for p in found], following)

    def keypair(self, request: Request, key: str) -> Response:
        """One key pair of a user."""
        user = self._whose(request)
        for pair in self.world.servers.keypairs.values():
            if (pair.user_id, pair.name) == (user, key):
                more = {"user_id": user, "deleted": False, "deleted_at": None, "updated_at": None, "id": 1}
                more["created_at"] = micros(self.world.now())
                return Response(200, {"keypair": _keypair(request, pair) | more})
        raise Missing(f"Keypair {key} not found for user {user}")

    def groups(self, request: Request) -> Response:
        """Server groups of the project, or of all; paged by offset."""
        everything = request.param("all_projects") is not None and request.token.is_admin
        project = request.token.project
        found = [
            group
            for group in self.world.servers.groups.values()
            if everything or (project is not None and group.project_id == project.id)
        ]
        first = whole_number(request, "offset", 0)
        limit = min(whole_number(request, "limit", PAGE_LIMIT) or PAGE_LIMIT, PAGE_LIMIT)
        return Response(200, {"server_groups": [self._group(request, g) for g in found[first : first + limit]]})

    def group(self, request: Request, key: str) -> Response:
        """One server group."""
        group, project = self.world.groupings.group(key), request.token.project
        if not request.token.is_admin and (project is None or project.id != group.project_id):
            raise Missing(f"Instance group {key} could not be found.")
        return Response(200, {"server_group": self._group(request, group)})

    def _group(self, request: Request, group: ServerGroup) -> dict[str, Any]:
        # Servers that are gone are members no more.
        members = [member for member in group.members if member in self.world.servers.servers]
        view: dict[str, Any] = {"id": group.id, "name": group.name, "members": members}
        if request.version >= (2, 64):
            view |= {"policy": group.policy, "rules": {}}
        else:
            view |= {"policies": [group.policy], "metadata": {}}
        if request.version >= (2, 13):
            view |= {"project_id": group.project_id, "user_id": group.user_id}
        return view


def zone_of(world: World, host: str) -> str:
    """The availability zone of a host: that of an aggregate that it is in, else the default one."""
    for aggregate in world.servers.aggregates.values():
        if host in aggregate.hosts and "availability_zone" in aggregate.metadata:
            return aggregate.metadata["availability_zone"]
    return "nova"


def _aggregate(request: Request, aggregate: Aggregate) -> dict[str, Any]:
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
    return view


def _keypair(request: Request, pair: Keypair) -> dict[str, Any]:
    more = {"type": "ssh"} if request.version >= (2, 2) else {}
    return {"name": pair.name, "public_key": pair.public_key, "fingerprint": pair.fingerprint, **more}
