"""Tags and metadata of servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from openstack import exceptions as sdk_errors

from tasks.providers.openstack.acting import Work

#: Nova has tags from here on.
_TAGS = "2.26"


def tag(work: Work, params: Mapping[str, Any]) -> str:
    """Add a tag."""
    name = str(params["tag"])
    work.need(_TAGS, "tagging")
    return work.change(
        f"add the tag {name!r} to",
        lambda server: sdk_errors.raise_from_response(_tag(work, server, name, "PUT")),
        lambda server: f"had the tag {name!r}" if name in (server.tags or ()) else None,
    )


def untag(work: Work, params: Mapping[str, Any]) -> str:
    """Remove a tag."""
    name = str(params["tag"])
    work.need(_TAGS, "tagging")

    def ask(server: Any) -> None:
        response = _tag(work, server, name, "DELETE")
        # Somebody was quicker, or the server is gone: only the first of these is what was wanted.
        if response.status_code != 404 or name in (work.server().tags or ()):
            sdk_errors.raise_from_response(response)

    return work.change(
        f"remove the tag {name!r} from",
        ask,
        lambda server: None if name in (server.tags or ()) else f"was without the tag {name!r}",
    )


def _tag(work: Work, server: Any, name: str, method: str) -> Any:
    path = f"/servers/{quote(server.id, safe='')}/tags/{quote(name, safe='')}"
    return work.compute.request(path, method, microversion=_TAGS, raise_exc=False)


def describe(work: Work, params: Mapping[str, Any]) -> str:
    """Set metadata; keys that are not named stay as they are."""
    wanted = dict(params["metadata"])
    named = ", ".join(sorted(wanted))
    return work.change(
        f"set the metadata {named} of",
        # Not by the proxy's method: there a key may not be called `server` or `self`.
        lambda server: server.set_metadata(work.compute, wanted),
        lambda server: f"had the metadata {named}" if wanted.items() <= (server.metadata or {}).items() else None,
    )
