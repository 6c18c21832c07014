"""Cinder v3: volumes, snapshots and volume types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from examples.cloud.backup_api import VolumeBackups, links, listed
from examples.cloud.notices import micros
from examples.cloud.records import Snapshot, Volume
from examples.cloud.refusals import BadRequest, Missing, NotAcceptable, Refusal
from examples.cloud.tokens import Tokens
from examples.cloud.volumes import HOST
from examples.cloud.wire import Request, Response, page

if TYPE_CHECKING:
    from examples.cloud.world import World

LOWEST, HIGHEST = (3, 0), (3, 71)
_FAULTS = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    409: "conflictingRequest",
    413: "overLimit",
}
_VERSION = re.compile(r"volume (\d{1,3})\.(\d{1,4})")


class BlockStorage(VolumeBackups):
    """The block storage API under ``/volume``."""

    prefix = "/volume"

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("GET", "", self.choices, open=True)
        self.route("GET", "/v3", self.versions, open=True)
        for root in ("/v3/{project}", "/v3"):
            self.route("GET", f"{root}/volumes", self.volumes)
            self.route("POST", f"{root}/volumes", self.create)
            self.route("GET", f"{root}/volumes/detail", self.volumes_detail)
            self.route("GET", f"{root}/volumes/{{key}}", self.volume)
            self.route("DELETE", f"{root}/volumes/{{key}}", self.delete)
            self.route("GET", f"{root}/snapshots", self.snapshots)
            self.route("GET", f"{root}/snapshots/detail", self.snapshots)
            self.route("GET", f"{root}/snapshots/{{key}}", self.snapshot)
            self.route("GET", f"{root}/types", self.types)

    def answer(self, request: Request) -> Response:
        """Settle the microversion, answer, and say which microversion it was."""
        request.version = LOWEST
        try:
            request.version = _microversion(request)
            response = super().answer(request)
        except NotAcceptable as refusal:
            response = self.refuse(request, refusal)
        version = f"volume {request.version[0]}.{request.version[1]}"
        response.headers |= {
            "Openstack-Api-Version": version,
            "Vary": "OpenStack-API-Version",
            "X-Compute-Request-Id": response.headers.get("X-Openstack-Request-Id", ""),
        }
        return response

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """Cinder's form of an error."""
        name = _FAULTS.get(refusal.status, "computeFault")
        return Response(refusal.status, {name: {"code": refusal.status, "message": refusal.message}})

    def _versions(self, request: Request) -> dict[str, Any]:
        media = {"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}
        links = [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": f"{request.root}/v3/"},
        ]
        version = {
            "id": "v3.0",
            "status": "CURRENT",
            "version": f"{HIGHEST[0]}.{HIGHEST[1]}",
            "min_version": "3.0",
            "updated": "2023-08-31T00:00:00Z",
            "links": links,
            "media-types": [media],
        }
        return {"versions": [version]}

    def choices(self, request: Request) -> Response:
        """All versions, with the status that asks the client to choose."""
        return Response(300, self._versions(request))

    def versions(self, request: Request) -> Response:
        """All versions."""
        return Response(200, self._versions(request))

    def _page(self, request: Request) -> tuple[list[Volume], str | None]:
        everything = self._everything(request)
        shown = [v for v in self.world.volumes.volumes.values() if everything or self._own(request, v.project_id)]
        for field in ("name", "status"):
            if (wanted := request.param(field)) is not None:
                shown = [volume for volume in shown if getattr(volume, field) == wanted]
        shown.sort(key=lambda volume: (volume.created_at, volume.id), reverse=True)
        return page(shown, request, lambda volume: volume.id)

    def volumes(self, request: Request, project: str = "") -> Response:
        """Volumes, in short."""
        shown, following = self._page(request)
        brief = [{"id": v.id, "name": v.name, "links": links(request, "volumes", v.id)} for v in shown]
        return listed(request, "volumes", brief, following)

    def volumes_detail(self, request: Request, project: str = "") -> Response:
        """Volumes, with all details."""
        shown, following = self._page(request)
        return listed(request, "volumes", [self._view(request, volume) for volume in shown], following)

    def _reach(self, request: Request, key: str) -> Volume:
        volume = self.world.volumes.get(key)
        if not request.token.is_admin and not self._own(request, volume.project_id):
            raise Missing(f"Volume {key} could not be found.")
        return volume

    def volume(self, request: Request, key: str, project: str = "") -> Response:
        """One volume."""
        return Response(200, {"volume": self._view(request, self._reach(request, key))})

    def _view(self, request: Request, volume: Volume) -> dict[str, Any]:
        view = {
            "id": volume.id,
            "status": volume.status,
            "size": volume.size,
            "availability_zone": "nova",
            "created_at": micros(volume.created_at),
            "updated_at": micros(volume.updated_at),
            "name": volume.name,
            "description": None,
            "volume_type": volume.type.name,
            "snapshot_id": None,
            "source_volid": None,
            "metadata": dict(volume.metadata),
            "links": links(request, "volumes", volume.id),
            "user_id": volume.user_id,
            "bootable": "false",
            "encrypted": False,
            "replication_status": None,
            "consistencygroup_id": None,
            "multiattach": False,
            "attachments": [
                {
                    "id": volume.id,
                    "attachment_id": place.id,
                    "volume_id": volume.id,
                    "server_id": place.server_id,
                    "host_name": place.host if request.token.is_admin else None,
                    "device": place.device,
                    "attached_at": micros(place.attached_at),
                }
                for place in volume.attachments
            ],
            "migration_status": None,
        }
        return view | _newer(request, volume)

    def create(self, request: Request, project: str = "") -> Response:
        """Make a volume."""
        body = request.json()
        asked = body.get("volume") if isinstance(body, dict) else None
        size = asked.get("size") if isinstance(asked, dict) else None
        if not isinstance(asked, dict) or not isinstance(size, int) or size < 1:
            raise BadRequest("Invalid input for field/attribute size. Value must be a positive whole number.")
        actor = request.token.actor(request.request_id)
        volume = self.world.volumes.create(str(asked.get("name") or ""), size=size, actor=actor)
        return Response(202, {"volume": self._view(request, volume)})

    def delete(self, request: Request, key: str, project: str = "") -> Response:
        """Remove a volume."""
        self.world.volumes.delete(self._reach(request, key).id, actor=request.token.actor(request.request_id))
        return Response(202)

    def snapshots(self, request: Request, project: str = "") -> Response:
        """Snapshots."""
        everything = self._everything(request)
        found = [s for s in self.world.volumes.snapshots.values() if everything or self._own(request, s.project_id)]
        shown, following = page(found, request, lambda snapshot: snapshot.id)
        return listed(request, "snapshots", [_snapshot(snapshot) for snapshot in shown], following)

    def snapshot(self, request: Request, key: str, project: str = "") -> Response:
        """One snapshot."""
        snapshot = self.world.volumes.snapshots.get(key)
        if snapshot is None or not (request.token.is_admin or self._own(request, snapshot.project_id)):
            raise Missing(f"Snapshot {key} could not be found.")
        return Response(200, {"snapshot": _snapshot(snapshot)})

    def types(self, request: Request, project: str = "") -> Response:
        """Kinds of storage."""
        shown: list[dict[str, Any]] = [
            {
                "id": kind.id,
                "name": kind.name,
                "is_public": True,
                "description": None,
                "extra_specs": {},
                "qos_specs_id": None,
                "os-volume-type-access:is_public": True,
            }
            for kind in self.world.volumes.types.values()
        ]
        return Response(200, {"volume_types": shown})


def _newer(request: Request, volume: Volume) -> dict[str, Any]:
    """What later microversions, and administrators, see of a volume."""
    more: dict[str, Any] = {"os-vol-tenant-attr:tenant_id": volume.project_id}
    if request.version >= (3, 13):
        more["group_id"] = None
    if request.version >= (3, 21):
        more["provider_id"] = None
    if request.version >= (3, 48):
        more |= {"shared_targets": False, "service_uuid": None}
    if request.version >= (3, 61):
        more["cluster_name"] = None
    if request.version >= (3, 63):
        more["volume_type_id"] = volume.type.id
    if request.version >= (3, 65):
        more["consumes_quota"] = True
    if request.token.is_admin:
        more |= {
            "os-vol-mig-status-attr:migstat": None,
            "os-vol-mig-status-attr:name_id": None,
            "os-vol-host-attr:host": HOST,
        }
    return more


def _snapshot(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "created_at": micros(snapshot.created_at),
        "updated_at": micros(snapshot.created_at),
        "name": snapshot.name,
        "description": None,
        "volume_id": snapshot.volume_id,
        "status": snapshot.status,
        "size": snapshot.size,
        "metadata": {},
        "os-extended-snapshot-attributes:project_id": snapshot.project_id,
        "os-extended-snapshot-attributes:progress": "100%",
    }


def _microversion(request: Request) -> tuple[int, int]:
    text = request.headers.get("OpenStack-API-Version") or ""
    if not text.startswith("volume "):
        return LOWEST
    if text == "volume latest":
        return HIGHEST
    match = _VERSION.fullmatch(text)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if not LOWEST <= version <= HIGHEST:
        raise NotAcceptable(f"Version {text} is not supported by the API.")
    return version
