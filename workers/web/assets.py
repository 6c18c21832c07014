"""The files of the pages that are the same for everybody: served without a token, named one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

_FOLDER = Path(__file__).parent / "static"

#: Waves that run into a basin.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="7" fill="#0b6e75"/>'
    '<path d="M5 9c4 0 4 3 7.3 3S16 9 20 9s4 3 7 3M8 17c3 0 3 2.5 5.5 2.5S16.5 17 19 17s3 2.5 5 2.5M13 25.5h6" '
    'fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/></svg>'
)

_FILES = {
    "/static/catchment.css": "text/css",
    "/static/live.js": "text/javascript",
    "/static/run.js": "text/javascript",
    "/static/timeline.js": "text/javascript",
}
_ICON = "/static/icon.svg"

#: The addresses. A file that is not named here is not served.
ASSETS = (*_FILES, _ICON)

#: Asked for again each time and answered by ETag, so that a new release is seen at once.
_FRESH = {"Cache-Control": "no-cache"}


def _file(path: str, media_type: str) -> Callable[[], Response]:
    def serve() -> Response:
        return FileResponse(_FOLDER / path.rpartition("/")[2], media_type=media_type, headers=_FRESH)

    return serve


def _icon() -> Response:
    return Response(ICON, media_type="image/svg+xml", headers=_FRESH)


def routes() -> APIRouter:
    """The routes of the files."""
    router = APIRouter(include_in_schema=False)
    for path, media_type in _FILES.items():
        router.add_api_route(path, _file(path, media_type), methods=["GET"], response_model=None)
    router.add_api_route(_ICON, _icon, methods=["GET"], response_model=None)
    return router
