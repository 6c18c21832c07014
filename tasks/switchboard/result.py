"""How the call of a built-in method went."""

from __future__ import annotations

from typing import Any, NamedTuple


class Result(NamedTuple):
    """How a call went: a short word, and the values that decided."""

    verdict: str
    detail: dict[str, Any]
