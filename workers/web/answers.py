"""The two bodies that are sent: JSON, lists in one shape, and pages, all safe for text that is no valid Unicode.

A notification may hold half a surrogate pair, written as an escape in its JSON. It is kept as it came, and
must not break the answer that shows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from starlette.responses import HTMLResponse, JSONResponse

from tasks.ledger.lines import Line


class Json(JSONResponse):
    """JSON in ASCII, in which any text can be said."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


class Rows(BaseModel):
    """A list of rows, and the address where it goes on: null at its end, and where there is no paging."""

    items: list[dict[str, Any]]
    next: str | None = None


def rows(lines: Iterable[Line], following: str | None = None) -> Json:
    """A list as the API sends it."""
    return Json({"items": [line.as_dict() for line in lines], "next": following})


class Page(HTMLResponse):
    """A page; what UTF-8 cannot say becomes a question mark."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return str(content).encode("utf-8", "replace")
