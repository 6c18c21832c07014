"""The two bodies that are sent: JSON and pages, both safe for text that is no valid Unicode.

A notification may hold half a surrogate pair, written as an escape in its JSON. It is kept as it came, and
must not break the answer that shows it.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse


class Json(JSONResponse):
    """JSON in ASCII, in which any text can be said."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


class Page(HTMLResponse):
    """A page; what UTF-8 cannot say becomes a question mark."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return str(content).encode("utf-8", "replace")
