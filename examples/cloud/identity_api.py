"""Keystone v3: signing in, and the lists of projects, users, domains, services and endpoints."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from examples.cloud.catalogue import catalogue
from examples.cloud.identity_lists import DOMAIN, Directory
from examples.cloud.notices import micros
from examples.cloud.records import Project, User
from examples.cloud.refusals import BadRequest, NotSignedIn, Refusal
from examples.cloud.tokens import Token, Tokens
from examples.cloud.wire import Request, Response

if TYPE_CHECKING:
    from examples.cloud.world import World

_TITLES = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}


class Identity(Directory):
    """The identity API under ``/identity``."""

    prefix = "/identity"

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("GET", "", self.versions, open=True)
        self.route("GET", "/v3", self.version, open=True)
        self.route("POST", "/v3/auth/tokens", self.sign_in, open=True)
        self.route("GET", "/v3/auth/tokens", self.show_token)
        self.route("DELETE", "/v3/auth/tokens", self.revoke_token)
        self.route("GET", "/v3/auth/catalog", self.show_catalogue)

    def answer(self, request: Request) -> Response:
        """Answer, and say that the answer depends on the token."""
        response = super().answer(request)
        response.headers["Vary"] = "X-Auth-Token"
        return response

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """Keystone's form of an error."""
        title = _TITLES.get(refusal.status, "Error")
        return Response(refusal.status, {"error": {"code": refusal.status, "title": title, "message": refusal.message}})

    def versions(self, request: Request) -> Response:
        """All versions, with the status that asks the client to choose."""
        return Response(300, {"versions": {"values": [self._version(request)]}})

    def version(self, request: Request) -> Response:
        """The one version."""
        return Response(200, {"version": self._version(request)})

    def _version(self, request: Request) -> dict[str, Any]:
        media = {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{request.root}/v3/"}],
            "media-types": [media],
        }

    def sign_in(self, request: Request) -> Response:
        """Issue a token for a password, an application credential or another token."""
        body = request.json()
        auth = body.get("auth") if isinstance(body, dict) else None
        identity = auth.get("identity") if isinstance(auth, dict) else None
        methods = identity.get("methods") if isinstance(identity, dict) else None
        if not isinstance(auth, dict) or not isinstance(identity, dict) or not isinstance(methods, list) or not methods:
            raise BadRequest("Expecting to find identity in auth. The server could not comply with the request.")
        user, bound = self._who(identity, str(methods[0]))
        project, system = self._scope(auth.get("scope"), bound)
        if project is not None and project.id not in user.roles:
            raise NotSignedIn
        token = self.tokens.issue(user, project, tuple(str(m) for m in methods), system=system)
        return self._token_response(request, token, 201)

    def _who(self, identity: dict[str, Any], method: str) -> tuple[User, Project | None]:
        proof = identity.get(method)
        if not isinstance(proof, dict):
            raise BadRequest(f"Expecting to find {method} in identity.")
        if method == "token":
            token = self.tokens.check(str(proof.get("id")))
            return token.user, None
        if method == "application_credential":
            owner = self.world.user("demo")
            if proof.get("id") != credential_id(self.world) or not _same(proof.get("secret"), owner.password):
                raise NotSignedIn
            return owner, self.world.project("demo")
        named = proof.get("user")
        if method != "password" or not isinstance(named, dict):
            raise NotSignedIn
        for user in self.world.users.values():
            if (named.get("id") == user.id or named.get("name") == user.name) and _same(
                named.get("password"), user.password
            ):
                return user, None
        raise NotSignedIn

    def _scope(self, scope: Any, bound: Project | None) -> tuple[Project | None, bool]:
        if bound is not None or not isinstance(scope, dict):
            return bound, False
        wanted = scope.get("project")
        if not isinstance(wanted, dict):
            return None, "system" in scope
        for project in self.world.projects.values():
            if wanted.get("id") == project.id or wanted.get("name") == project.name:
                return project, False
        raise NotSignedIn

    def _token_response(self, request: Request, token: Token, status: int) -> Response:
        headers = {"X-Subject-Token": token.id}
        return Response(status, {"token": self._token_body(request, token)}, headers)

    def _token_body(self, request: Request, token: Token) -> dict[str, Any]:
        body: dict[str, Any] = {
            "methods": list(token.methods),
            "user": {
                "domain": DOMAIN,
                "id": token.user.id,
                "name": token.user.name,
                "password_expires_at": None,
            },
            "audit_ids": [token.audit_id],
            "expires_at": micros(token.expires_at) + "Z",
            "issued_at": micros(token.issued_at) + "Z",
        }
        if token.project is not None or token.system:
            project_id = token.project.id if token.project else ""
            body["roles"] = [{"id": self.role_id(name), "name": name} for name in token.roles]
            body["catalog"] = catalogue(self.world, request.base, project_id)
        if token.project is not None:
            body["project"] = {"domain": DOMAIN, "id": token.project.id, "name": token.project.name}
            body["is_domain"] = False
        if token.system:
            body["system"] = {"all": True}
        return body

    def show_token(self, request: Request) -> Response:
        """What a token is good for."""
        return self._token_response(request, self.tokens.subject(request.headers.get("X-Subject-Token")), 200)

    def revoke_token(self, request: Request) -> Response:
        """End a token."""
        self.tokens.revoke(self.tokens.subject(request.headers.get("X-Subject-Token")).id)
        return Response(204)

    def show_catalogue(self, request: Request) -> Response:
        """The catalogue of the token's project."""
        project = request.token.project
        return Response(200, {"catalog": catalogue(self.world, request.base, project.id if project else "")})


def credential_id(world: World) -> str:
    """The id of the one application credential: it belongs to ``demo`` and has the same secret."""
    return world.digest("application credential of demo")[:32]


def _same(given: object, wanted: str) -> bool:
    return isinstance(given, str) and secrets.compare_digest(given.encode(), wanted.encode())
