"""Heat v1: stacks and what they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.notices import whole
from examples.cloud.records import Stack
from examples.cloud.refusals import Missing, Refusal
from examples.cloud.tokens import Tokens
from examples.cloud.wire import Request, Response, Service, page

if TYPE_CHECKING:
    from examples.cloud.world import World

_TITLES = {400: "Bad Request", 403: "Forbidden", 404: "Not Found"}
_KINDS = {400: "HTTPBadRequest", 403: "Forbidden", 404: "EntityNotFound"}


class Orchestration(Service):
    """The orchestration API under ``/orchestration``."""

    prefix = "/orchestration"

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("GET", "", self.versions, open=True)
        self.route("GET", "/v1/{project}/stacks", self.stacks)
        self.route("GET", "/v1/{project}/stacks/{name}", self.lookup)
        self.route("GET", "/v1/{project}/stacks/{name}/{key}", self.stack)
        self.route("GET", "/v1/{project}/stacks/{name}/{key}/resources", self.resources)

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """Heat's form of an error."""
        title, kind = _TITLES.get(refusal.status, "Error"), _KINDS.get(refusal.status, "HTTPError")
        error = {"message": refusal.message, "traceback": None, "type": kind}
        return Response(
            refusal.status,
            {"explanation": refusal.message, "code": refusal.status, "error": error, "title": title},
        )

    def versions(self, request: Request) -> Response:
        """The one version, with the status that asks the client to choose."""
        links = [{"rel": "self", "href": f"{request.root}/v1/"}]
        return Response(300, {"versions": [{"id": "v1.0", "status": "CURRENT", "links": links}]})

    def _visible(self, request: Request, stack: Stack) -> bool:
        project = request.token.project
        return request.token.is_admin or (project is not None and project.id == stack.project_id)

    def _reach(self, request: Request, key: str) -> Stack:
        stack = self.world.stacks.get(key)
        if not self._visible(request, stack):
            raise Missing(f"The Stack ({key}) could not be found.")
        return stack

    def stacks(self, request: Request, project: str) -> Response:
        """Stacks of the project, or of all of them; nested ones where they are asked for."""
        everything = (request.param("global_tenant") or "").lower() == "true"
        if everything:
            request.need_admin("stacks:global_index")
        nested = (request.param("show_nested") or "").lower() == "true"
        found = [
            stack
            for stack in self.world.stacks.stacks.values()
            if (everything or stack.project_id == project) and (nested or stack.parent_id is None)
        ]
        shown, following = page(found, request, lambda stack: stack.id)
        views = [_view(request, stack) | ({"project": stack.project_id} if everything else {}) for stack in shown]
        body: dict[str, Any] = {"stacks": views}
        if following is not None:
            body["links"] = [{"rel": "next", "href": f"{request.root}{request.path}?{following}"}]
        return Response(200, body)

    def lookup(self, request: Request, project: str, name: str) -> Response:
        """Where a stack of this name or id is."""
        where = _address(request, self._reach(request, name))
        return Response(302, "302 Found", {"Location": where})

    def stack(self, request: Request, project: str, name: str, key: str) -> Response:
        """One stack, with more details than a list has."""
        stack = self._reach(request, key)
        more = {
            "parameters": {"OS::stack_id": stack.id, "OS::stack_name": stack.name, "OS::project_id": stack.project_id},
            "outputs": [],
            "template_description": stack.description or "No description",
            "capabilities": [],
            "notification_topics": [],
            "disable_rollback": True,
            "timeout_mins": None,
        }
        return Response(200, {"stack": _view(request, stack) | more})

    def resources(self, request: Request, project: str, name: str, key: str) -> Response:
        """What a stack is made of."""
        stack = self._reach(request, key)
        shown = [
            {
                "resource_name": word,
                "logical_resource_id": word,
                "physical_resource_id": physical,
                "resource_type": kind,
                "resource_status": "CREATE_COMPLETE",
                "resource_status_reason": "state changed",
                "creation_time": whole(stack.created_at),
                "updated_time": whole(stack.updated_at or stack.created_at),
                "required_by": [],
                "links": [
                    {"rel": "self", "href": f"{_address(request, stack)}/resources/{word}"},
                    {"rel": "stack", "href": _address(request, stack)},
                ],
            }
            for word, (kind, physical) in stack.resources.items()
        ]
        return Response(200, {"resources": shown})


def _address(request: Request, stack: Stack) -> str:
    return f"{request.root}/v1/{stack.project_id}/stacks/{stack.name}/{stack.id}"


def _view(request: Request, stack: Stack) -> dict[str, Any]:
    return {
        "id": stack.id,
        "stack_name": stack.name,
        "description": stack.description,
        "stack_status": f"{stack.action}_{stack.status}",
        "stack_status_reason": stack.reason,
        "creation_time": whole(stack.created_at),
        "updated_time": whole(stack.updated_at) if stack.updated_at else None,
        "deletion_time": None,
        "stack_owner": stack.owner,
        "parent": stack.parent_id,
        "stack_user_project_id": stack.project_id,
        "tags": None,
        "links": [{"rel": "self", "href": _address(request, stack)}],
    }
