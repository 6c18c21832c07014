"""Keystone's lists: projects, users, domains, roles, services and endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.catalogue import ENTRIES, INTERFACES, REGION, endpoint_id, service_id
from examples.cloud.records import Project, User
from examples.cloud.refusals import Forbidden, Missing
from examples.cloud.tokens import Tokens
from examples.cloud.wire import Request, Response, Service

if TYPE_CHECKING:
    from examples.cloud.world import World

DOMAIN = {"id": "default", "name": "Default"}
ROLES = ("reader", "member", "admin", "service")


class Directory(Service):
    """What administrators, and in part everybody, may look up."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("GET", "/v3/auth/projects", self.own_projects)
        self.route("GET", "/v3/projects", self.projects)
        self.route("GET", "/v3/projects/{key}", self.project)
        self.route("GET", "/v3/users", self.users)
        self.route("GET", "/v3/users/{key}", self.user)
        self.route("GET", "/v3/domains", self.domains)
        self.route("GET", "/v3/domains/{key}", self.domain)
        self.route("GET", "/v3/roles", self.roles)
        self.route("GET", "/v3/regions", self.regions)
        self.route("GET", "/v3/services", self.services)
        self.route("GET", "/v3/endpoints", self.endpoints)
        self.route("GET", "/v3/groups", self.groups)

    def own_projects(self, request: Request) -> Response:
        """The projects in which the user has a role."""
        roles = request.token.user.roles
        return self._list(request, "projects", [self._project(request, p) for p in self._all() if p.id in roles])

    def role_id(self, name: str) -> str:
        return self.world.digest(f"role {name}")[:32]

    def _all(self) -> list[Project]:
        return list(self.world.projects.values())

    def _admin(self, request: Request, rule: str) -> None:
        if not request.token.is_admin:
            raise Forbidden(f"You are not authorized to perform the requested action: {rule}.")

    def projects(self, request: Request) -> Response:
        """All projects."""
        self._admin(request, "identity:list_projects")
        name = request.param("name")
        shown = [self._project(request, p) for p in self._all() if name in (None, p.name)]
        return self._list(request, "projects", shown)

    def project(self, request: Request, key: str) -> Response:
        """One project, for its members and for administrators."""
        if key not in request.token.user.roles:
            self._admin(request, "identity:get_project")
        project = self.world.projects.get(key)
        if project is None:
            raise Missing(f"Could not find project: {key}.")
        return Response(200, {"project": self._project(request, project)})

    def _project(self, request: Request, project: Project) -> dict[str, Any]:
        return {
            "id": project.id,
            "name": project.name,
            "domain_id": "default",
            "description": project.description,
            "enabled": project.enabled,
            "parent_id": "default",
            "is_domain": False,
            "tags": [],
            "options": {},
            "links": {"self": f"{request.root}/v3/projects/{project.id}"},
        }

    def users(self, request: Request) -> Response:
        """All users."""
        self._admin(request, "identity:list_users")
        return self._list(request, "users", [self._user(request, u) for u in self.world.users.values()])

    def user(self, request: Request, key: str) -> Response:
        """One user, for herself and for administrators."""
        if key != request.token.user.id:
            self._admin(request, "identity:get_user")
        user = self.world.users.get(key)
        if user is None:
            raise Missing(f"Could not find user: {key}.")
        return Response(200, {"user": self._user(request, user)})

    def _user(self, request: Request, user: User) -> dict[str, Any]:
        return {
            "id": user.id,
            "name": user.name,
            "domain_id": "default",
            "enabled": True,
            "password_expires_at": None,
            "options": {},
            "links": {"self": f"{request.root}/v3/users/{user.id}"},
        }

    def _domain(self, request: Request) -> dict[str, Any]:
        links = {"self": f"{request.root}/v3/domains/default"}
        more = {
            "description": "The domain of everybody",
            "enabled": True,
            "tags": [],
            "options": {},
            "links": links,
        }
        return {**DOMAIN, **more}

    def domains(self, request: Request) -> Response:
        """The one domain."""
        return self._list(request, "domains", [self._domain(request)])

    def domain(self, request: Request, key: str) -> Response:
        """A domain by id."""
        if key != "default":
            raise Missing(f"Could not find domain: {key}.")
        return Response(200, {"domain": self._domain(request)})

    def roles(self, request: Request) -> Response:
        """All roles."""
        shown = [
            {
                "id": self.role_id(name),
                "name": name,
                "domain_id": None,
                "description": None,
                "options": {"immutable": True},
                "links": {"self": f"{request.root}/v3/roles/{self.role_id(name)}"},
            }
            for name in ROLES
        ]
        return self._list(request, "roles", shown)

    def regions(self, request: Request) -> Response:
        """The one region."""
        links = {"self": f"{request.root}/v3/regions/{REGION}"}
        region = {"id": REGION, "description": "", "parent_region_id": None, "links": links}
        return self._list(request, "regions", [region])

    def services(self, request: Request) -> Response:
        """The services of the catalogue."""
        shown = []
        for entry in ENTRIES:
            key = service_id(self.world, entry)
            links = {"self": f"{request.root}/v3/services/{key}"}
            shown.append({"id": key, "name": entry.name, "type": entry.type, "enabled": True, "links": links})
        return self._list(request, "services", shown)

    def endpoints(self, request: Request) -> Response:
        """Their addresses."""
        shown = []
        for entry in ENTRIES:
            for interface in INTERFACES:
                key = endpoint_id(self.world, entry, interface)
                shown.append(
                    {
                        "id": key,
                        "interface": interface,
                        "region_id": REGION,
                        "region": REGION,
                        "service_id": service_id(self.world, entry),
                        "url": request.base + entry.path.format(project="$(project_id)s"),
                        "enabled": True,
                        "links": {"self": f"{request.root}/v3/endpoints/{key}"},
                    }
                )
        return self._list(request, "endpoints", shown)

    def groups(self, request: Request) -> Response:
        """There are no groups."""
        return self._list(request, "groups", [])

    def _list(self, request: Request, name: str, items: list[dict[str, Any]]) -> Response:
        links = {"next": None, "self": f"{request.root}{request.path}", "previous": None}
        return Response(200, {name: items, "links": links})
