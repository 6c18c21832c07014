"""Answers in the words of ESI Leap's API, so that its client shows what went wrong."""

from __future__ import annotations

from typing import Any

from workers.web.answers import Json

UNAUTHORIZED = "The request you have made requires authentication."


class Refusal(Exception):
    """A request that is not served: a status, and a sentence for whoever sent it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


def refused(status: int, words: str, keystone: str | None = None) -> Json:
    """The answer to a request that is not served; ``keystone`` is where a token is to be had."""
    if status == 401:
        way = f'Keystone uri="{keystone}"' if keystone else 'Bearer realm="catchment"'
        body: dict[str, Any] = {"error": {"code": 401, "title": "Unauthorized", "message": words}}
        return Json(body, status, headers={"WWW-Authenticate": way})
    side = "Client" if status < 500 else "Server"
    headers = {"Allow": "GET"} if status == 405 else None
    return Json({"faultcode": side, "faultstring": words, "debuginfo": None}, status, headers=headers)


def version(root: str) -> dict[str, Any]:
    """The version document of ``GET /``, by which clients find the API; ``root`` is our own address."""
    one = {
        "id": "v1",
        "status": "CURRENT",
        "links": [{"href": f"{root}/v1/", "rel": "self"}],
        "min_version": "1.0",
        "version": "1.0",
    }
    return {
        "name": "ESI Leap event history",
        "description": "Catchment's ledger of lease events, as ESI Leap's API has it. Read-only.",
        "default_version": one,
        "versions": [one],
    }
