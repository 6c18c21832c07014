"""Glance v2: images."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from examples.cloud.notices import whole
from examples.cloud.records import Image
from examples.cloud.refusals import Missing, Refusal
from examples.cloud.tokens import Tokens
from examples.cloud.wire import Request, Response, Service, page

if TYPE_CHECKING:
    from examples.cloud.world import World

#: Images in a list whose request names no limit.
DEFAULT_LIMIT = 25
_OLDER = ("v2.9", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")
_TITLES = {400: "Bad Request", 403: "Forbidden", 404: "Not Found"}


class Images(Service):
    """The image API under ``/image``."""

    prefix = "/image"

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("GET", "", self.choices, open=True)
        self.route("GET", "/versions", self.versions, open=True)
        self.route("GET", "/v2/images", self.images)
        self.route("GET", "/v2/images/{key}", self.image)

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """Glance's form of an error: a page of HTML."""
        title = f"{refusal.status} {_TITLES.get(refusal.status, 'Error')}"
        text = (
            f"<html>\n<head><title>{title}</title></head>\n"
            f"<body>\n<h1>{title}</h1>\n{escape(refusal.message)}<br />\n</body>\n</html>"
        )
        return Response(refusal.status, text, content_type="text/html; charset=UTF-8")

    def _versions(self, request: Request) -> dict[str, Any]:
        links = [{"rel": "self", "href": f"{request.root}/v2/"}]
        newest = [{"id": "v2.15", "status": "CURRENT", "links": links}]
        return {"versions": newest + [{"id": name, "status": "SUPPORTED", "links": links} for name in _OLDER]}

    def choices(self, request: Request) -> Response:
        """All versions, with the status that asks the client to choose."""
        return Response(300, self._versions(request))

    def versions(self, request: Request) -> Response:
        """All versions."""
        return Response(200, self._versions(request))

    def _visible(self, request: Request) -> list[Image]:
        project = request.token.project
        own = project.id if project else None
        admin = request.token.is_admin
        shown = [i for i in self.world.images.values() if admin or i.visibility == "public" or i.owner == own]
        for field in ("name", "status", "visibility", "owner"):
            wanted = request.param(field)
            if wanted not in (None, "all"):
                shown = [image for image in shown if getattr(image, field) == wanted]
        return sorted(shown, key=lambda image: (image.created_at, image.id), reverse=True)

    def images(self, request: Request) -> Response:
        """A page of images, newest first."""
        shown, following = page(self._visible(request), request, lambda image: image.id, DEFAULT_LIMIT)
        query = "&".join(f"{key}={value}" for key, value in request.query if key != "marker")
        body: dict[str, Any] = {"images": [_view(image) for image in shown]}
        body |= {"first": "/v2/images" + (f"?{query}" if query else ""), "schema": "/v2/schemas/images"}
        if following is not None:
            body["next"] = f"/v2/images?{following}"
        return Response(200, body)

    def image(self, request: Request, key: str) -> Response:
        """One image."""
        for image in self._visible(request):
            if image.id == key:
                return Response(200, _view(image))
        raise Missing(f"No image found with ID {key}", "image", key)


def _view(image: Image) -> dict[str, Any]:
    return {
        **image.properties,
        "id": image.id,
        "name": image.name,
        "disk_format": "qcow2",
        "container_format": "bare",
        "visibility": image.visibility,
        "size": image.size,
        "virtual_size": image.size,
        "status": image.status,
        "checksum": image.checksum,
        "protected": False,
        "min_ram": image.min_ram,
        "min_disk": image.min_disk,
        "owner": image.owner,
        "os_hidden": False,
        "os_hash_algo": "sha512",
        "os_hash_value": image.hash_value,
        "created_at": whole(image.created_at),
        "updated_at": whole(image.updated_at),
        "tags": list(image.tags),
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }
