"""Glance v2: images."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from examples.cloud import image_store
from examples.cloud.notices import whole
from examples.cloud.records import Image
from examples.cloud.refusals import BadRequest, Forbidden, Missing, Refusal
from examples.cloud.tokens import Tokens
from examples.cloud.wire import Request, Response, Service, page

if TYPE_CHECKING:
    from examples.cloud.world import World

#: Images in a list whose request names no limit.
DEFAULT_LIMIT = 25
_OLDER = ("v2.9", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")
#: Parameters of a list with a meaning of their own; all others are properties that images must have.
_PARAMETERS = frozenset(
    {"name", "status", "visibility", "owner", "created_at", "limit", "marker", "sort", "sort_key", "sort_dir"}
    | {"os_hidden", "protected"}
)
_COMPARISONS: Mapping[str, Callable[[datetime, datetime], bool]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
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
        self.route("DELETE", "/v2/images/{key}", self.delete)

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
        for name, value in request.query:
            if name not in _PARAMETERS:
                shown = [image for image in shown if image.properties.get(name) == value]
        if moment := request.param("created_at"):
            shown = [image for image in shown if _created(image, moment)]
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

    def _reach(self, request: Request, key: str) -> Image:
        for image in self._visible(request):
            if image.id == key:
                return image
        raise Missing(f"No image found with ID {key}", "image", key)

    def image(self, request: Request, key: str) -> Response:
        """One image."""
        return Response(200, _view(self._reach(request, key)))

    def delete(self, request: Request, key: str) -> Response:
        """Delete an image of one's own that is not protected."""
        image, token = self._reach(request, key), request.token
        if not token.is_admin and (token.project is None or image.owner != token.project.id):
            raise Forbidden("You are not authorized to complete delete_image action.")
        if image.protected:
            raise Forbidden(f"Image {key} is protected and cannot be deleted.")
        image_store.remove(self.world, image, token.actor(request.request_id))
        return Response(204)


def _created(image: Image, wanted: str) -> bool:
    """Whether an image was made then: a moment, with ``lt:``, ``lte:``, ``gt:`` or ``gte:`` before it."""
    compare, _, text = wanted.partition(":") if wanted[:1] in "lg" else ("eq", "", wanted)
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return bool(_COMPARISONS[compare](image.created_at.replace(microsecond=0), moment))
    except (ValueError, KeyError) as mistake:
        raise BadRequest(f"Invalid filter value: {wanted}") from mistake


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
        "protected": image.protected,
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
