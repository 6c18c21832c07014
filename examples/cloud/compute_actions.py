"""What nova is asked to do to a server: actions, tags, metadata, and the list of what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from examples.cloud.compute_lists import ComputeLists
from examples.cloud.notices import micros
from examples.cloud.records import Actor
from examples.cloud.refusals import BadRequest, Missing
from examples.cloud.tokens import Tokens
from examples.cloud.wire import Request, Response

if TYPE_CHECKING:
    from examples.cloud.world import World

Details = Mapping[str, Any]

_SIMPLE = {"os-start": "start", "os-stop": "stop"} | {word: word for word in ("suspend", "resume", "pause", "unpause")}


class ComputeActions(ComputeLists):
    """The part of nova that changes servers."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("POST", "/v2.1/servers/{key}/action", self.act)
        self.route("GET", "/v2.1/servers/{key}/os-instance-actions", self.deeds)
        self.route("GET", "/v2.1/servers/{key}/tags", self.tags)
        self.route("PUT", "/v2.1/servers/{key}/tags/{tag}", self.tag)
        self.route("DELETE", "/v2.1/servers/{key}/tags/{tag}", self.untag)
        self.route("GET", "/v2.1/servers/{key}/metadata", self.metadata)
        self.route("POST", "/v2.1/servers/{key}/metadata", self.describe)
        self._actions: dict[str, Callable[[Request, str, Details, Actor], Response]] = {
            "reboot": self._reboot,
            "shelve": self._shelve,
            "unshelve": self._unshelve,
            "createImage": self._image,
            "migrate": self._migrate,
            "os-migrateLive": self._migrate_live,
            "evacuate": self._evacuate,
            "resize": self._resize,
            "confirmResize": self._confirm,
        }

    def act(self, request: Request, key: str) -> Response:
        """Do something to a server: the one key of the body says what."""
        body = request.json()
        if not isinstance(body, dict) or len(body) != 1:
            raise BadRequest("Malformed request body")
        name, details = next(iter(body.items()))
        actor = request.token.actor(request.request_id)
        if name not in _SIMPLE and name not in self._actions:
            raise BadRequest(f"There is no such action: {name}")
        server = self._reach(request, key)
        if name in _SIMPLE:
            self.world.servers.act(server.id, _SIMPLE[name], actor)
            return Response(202)
        if details is not None and not isinstance(details, dict):
            raise BadRequest(f"Invalid input for field/attribute {name}. Value: {details}.")
        return self._actions[name](request, server.id, details or {}, actor)

    def _reboot(self, request: Request, key: str, details: Details, actor: Actor) -> Response:
        kind = str(details.get("type")).upper()
        if kind not in ("SOFT", "HARD"):
            raise BadRequest("Invalid input for field/attribute type. It is not one of ['HARD', 'SOFT']")
        self.world.servers.act(key, "reboot" if kind == "SOFT" else "hard_reboot", actor)
        return Response(202)

    def _shelve(self, request: Request, key: str, details: Details, actor: Actor) -> Response:
        self.world.moves.shelve(key, actor)
        return Response(202)

    def _unshelve(self, request: Request, key: str, details: Details, actor: Actor) -> Response:
        _only(request, details, {"availability_zone": (2, 77), "host": (2, 91)})
        self.world.moves.unshelve(key, actor)
        return Response(202)

    def _image(self, request: Request, key: str, details: Details, actor: Actor) -> Response:
        name, metadata = details.get("name"), details.get("metadata", {})
        if not isinstance(name, str) or not 1 <= len(name) <= 255:
            raise BadRequest("Invalid input for field/attribute name.")
        image = self.world.moves.snapshot(key, name, actor, _texts(metadata))
        if request.version >= (2, 45):
            return Response(202, {"image_id": image.id})
        return Response(202, headers={"Location": f"{request.base}/image/v2/images/{image.id}"})

    def _migrate(self, request: Request, key: str, details: Details, actor: Actor) -> Response:
        request.need_admin("os_compute_api:os-migrate-server:migrate")
        _only(request, details, {"host": (2, 56)})
        self.world.moves.migrate(key, details.get("host"), actor)
        return Response(202)

    def _migrate_live(self, request: Request, key: str, details: Details, actor: Actor) -> Response:
        request.need_admin("os_compute_api:os-migrate-server:migrate_live")
        old = {} if request.version >= (2, 25) else {"disk_over_commit": (2, 1)}
        _only(request, details, {"host": (2, 1), "block_migration": (2, 1), **old})
        if {"host", "block_migration"} - set(details):
            raise BadRequest("'host' and 'block_migration' are required properties")
        self.world.moves.live_migrate(key, details["host"], actor)
        return Response(202)

    def _evacuate(self, request: Request, key: str, details: Details, actor: Actor) -> Response:
        request.need_admin("os_compute_api:os-evacuate")
        old = {} if request.version >= (2, 14) else {"onSharedStorage": (2, 1)}
        _only(request, details, {"host": (2, 1), "adminPass": (2, 1), **old})
        server = self.world.moves.evacuate(key, details.get("host"), actor)
        if request.version >= (2, 95) and server.status == "ACTIVE":
            self.world.servers.act(key, "stop", actor)
        return Response(200, {"adminPass": self.world.hex_id()[:12]})

    def _resize(self, request: Request, key: str, details: Details, actor: Actor) -> Response:
        if "flavorRef" not in details:
            raise BadRequest("'flavorRef' is a required property")
        self.world.servers.resize(key, str(details["flavorRef"]).rsplit("/", 1)[-1], actor)
        return Response(202)

    def _confirm(self, request: Request, key: str, details: Details, actor: Actor) -> Response:
        self.world.servers.confirm_resize(key, actor)
        return Response(204)

    def deeds(self, request: Request, key: str) -> Response:
        """What was done to a server, the newest first."""
        server = self._reach(request, key)
        views = [
            {
                "action": deed.action,
                "instance_uuid": server.id,
                "message": None,
                "project_id": deed.actor.project.id,
                "request_id": deed.actor.request_id,
                "start_time": micros(deed.started_at),
                "user_id": deed.actor.user.id,
            }
            for deed in reversed(server.deeds)
        ]
        return Response(200, {"instanceActions": views})

    def _tagged(self, request: Request) -> None:
        if request.version < (2, 26):
            raise Missing("The resource could not be found.")

    def tags(self, request: Request, key: str) -> Response:
        """A server's tags."""
        self._tagged(request)
        return Response(200, {"tags": list(self._reach(request, key).tags)})

    def tag(self, request: Request, key: str, tag: str) -> Response:
        """Add a tag."""
        self._tagged(request)
        if not 1 <= len(tag) <= 60 or "," in tag:
            raise BadRequest(f"Tag '{tag}' is invalid.")
        actor = request.token.actor(request.request_id)
        new = self.world.moves.tag(self._reach(request, key).id, tag, actor)
        return Response(201, headers={"Location": f"{request.root}{request.path}"}) if new else Response(204)

    def untag(self, request: Request, key: str, tag: str) -> Response:
        """Remove a tag."""
        self._tagged(request)
        self.world.moves.untag(self._reach(request, key).id, tag, request.token.actor(request.request_id))
        return Response(204)

    def metadata(self, request: Request, key: str) -> Response:
        """A server's metadata."""
        return Response(200, {"metadata": dict(self._reach(request, key).metadata)})

    def describe(self, request: Request, key: str) -> Response:
        """Add to a server's metadata."""
        body = request.json()
        asked = body.get("metadata") if isinstance(body, dict) else None
        return Response(200, {"metadata": self.world.moves.describe(self._reach(request, key).id, _texts(asked))})


def _only(request: Request, details: Details, known: Mapping[str, tuple[int, int]]) -> None:
    """Refuse keys that the microversion does not have."""
    for name in details:
        if name not in known or request.version < known[name]:
            raise BadRequest(f"Additional properties are not allowed ('{name}' was unexpected)")


def _texts(metadata: object) -> dict[str, str]:
    """Metadata as nova takes it: keys and values of at most 255 characters."""
    if not isinstance(metadata, dict) or not all(
        isinstance(part, str) and len(part) <= 255 for pair in metadata.items() for part in pair
    ):
        raise BadRequest("Invalid input for field/attribute metadata.")
    return dict(metadata)
