"""Cinder's backups of volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.notices import micros
from examples.cloud.records import Backup
from examples.cloud.refusals import Missing
from examples.cloud.tokens import Tokens
from examples.cloud.wire import Request, Response, Service, page

if TYPE_CHECKING:
    from examples.cloud.world import World


class VolumeBackups(Service):
    """The part of cinder that tells of backups."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        for root in ("/v3/{project}", "/v3"):
            self.route("GET", f"{root}/backups", self.backups)
            self.route("GET", f"{root}/backups/detail", self.backups)
            self.route("GET", f"{root}/backups/{{key}}", self.backup)

    def _own(self, request: Request, project_id: str) -> bool:
        project = request.token.project
        return project is not None and project.id == project_id

    def _everything(self, request: Request) -> bool:
        """Whether all projects are asked for; cinder overlooks the wish of those who may not."""
        wish = (request.param("all_tenants") or "0").lower() in ("1", "true", "yes")
        return wish and request.token.is_admin

    def backups(self, request: Request, project: str = "") -> Response:
        """Backups, with all details."""
        everything = self._everything(request)
        found = [b for b in self.world.backups.backups.values() if everything or self._own(request, b.project_id)]
        shown, following = page(found, request, lambda backup: backup.id)
        return listed(request, "backups", [self._backup(request, backup) for backup in shown], following)

    def backup(self, request: Request, key: str, project: str = "") -> Response:
        """One backup."""
        backup = self.world.backups.get(key)
        if not (request.token.is_admin or self._own(request, backup.project_id)):
            raise Missing(f"Backup {key} could not be found.")
        return Response(200, {"backup": self._backup(request, backup)})

    def _backup(self, request: Request, backup: Backup) -> dict[str, Any]:
        view: dict[str, Any] = {
            "id": backup.id,
            "name": backup.name,
            "status": backup.status,
            "size": backup.size,
            "volume_id": backup.volume_id,
            "snapshot_id": None,
            "container": "backups",
            "object_count": 2,
            "availability_zone": "nova",
            "description": None,
            "fail_reason": None,
            "is_incremental": False,
            "has_dependent_backups": False,
            "created_at": micros(backup.created_at),
            "updated_at": micros(backup.updated_at),
            "data_timestamp": micros(backup.created_at),
            "links": links(request, "backups", backup.id),
        }
        if request.version >= (3, 18) and request.token.is_admin:
            view["os-backup-project-attr:project_id"] = backup.project_id
        if request.version >= (3, 43):
            view["metadata"] = {}
        if request.version >= (3, 45):
            view["volume_name"] = None
        if request.version >= (3, 56):
            view["user_id"] = backup.user_id
        return view


def links(request: Request, kind: str, key: str) -> list[dict[str, str]]:
    """The links that cinder gives to an object."""
    project = request.token.project
    own = f"/{project.id}" if project else ""
    return [
        {"rel": "self", "href": f"{request.root}/v3{own}/{kind}/{key}"},
        {"rel": "bookmark", "href": f"{request.root}{own}/{kind}/{key}"},
    ]


def listed(request: Request, name: str, items: list[dict[str, Any]], following: str | None) -> Response:
    """A list, with the link to its next page where there may be one."""
    body: dict[str, Any] = {name: items}
    if following is not None:
        body[f"{name}_links"] = [{"rel": "next", "href": f"{request.root}{request.path}?{following}"}]
    return Response(200, body)
