"""Servers on and off, onto the shelf and to other hosts: what nova is asked for and when it is done already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from openstack import exceptions as sdk_errors
from openstack.utils import supports_microversion

from tasks.providers.openstack.acting import Work

#: Nova verifies a host that is named (2.29), and from 2.95 on leaves an evacuated server switched off.
_EVACUATE, _EVACUATE_OLD = "2.29", "2.14"


class Power(NamedTuple):
    """One way to change the state of a server: openstacksdk's method, and the statuses that it leads to."""

    doing: str
    method: str
    reached: tuple[str, ...]
    said: str


POWER: Mapping[str, Power] = {
    "start_server": Power("start", "start_server", ("ACTIVE",), "was running"),
    "stop_server": Power("stop", "stop_server", ("SHUTOFF",), "was stopped"),
    "suspend_server": Power("suspend", "suspend_server", ("SUSPENDED",), "was suspended"),
    "resume_server": Power("resume", "resume_server", ("ACTIVE",), "was running"),
    "pause_server": Power("pause", "pause_server", ("PAUSED",), "was paused"),
    "unpause_server": Power("unpause", "unpause_server", ("ACTIVE",), "was running"),
    "shelve_server": Power("shelve", "shelve_server", ("SHELVED", "SHELVED_OFFLOADED"), "was shelved"),
    "unshelve_server": Power("unshelve", "unshelve_server", ("ACTIVE", "SHUTOFF"), "was off the shelf"),
}


def power(word: str) -> Callable[[Work, Mapping[str, Any]], str]:
    """The operation of that word."""
    how = POWER[word]

    def operate(work: Work, _params: Mapping[str, Any]) -> str:
        return work.change(
            how.doing,
            lambda server: getattr(work.compute, how.method)(server),
            lambda server: how.said if server.status in how.reached else None,
        )

    return operate


def reboot(work: Work, params: Mapping[str, Any]) -> str:
    """Reboot; ``type`` is ``soft`` or ``hard``."""
    kind = str(params.get("type") or "soft").upper()
    return work.change(
        f"reboot ({kind.lower()})",
        lambda server: work.compute.reboot_server(server, kind),
        lambda _: None,
        "reboot",
    )


def migrate(work: Work, params: Mapping[str, Any]) -> str:
    """Move a server to another host, ``live`` or not; nova chooses the host where none is named."""
    host, live = params.get("host"), params.get("live", True)
    if live:
        work.need("2.30" if host else "2.25", "live migration")
    elif host:
        work.need("2.56", "naming the host of a migration")

    def ask(server: Any) -> None:
        if live:
            work.compute.live_migrate_server(server, host=host)
        else:
            work.compute.migrate_server(server, host=host)

    doing, deed = ("migrate (live)", "live-migration") if live else ("migrate (stopped)", "migrate")
    return work.change(doing, ask, _on(host), deed)


def evacuate(work: Work, params: Mapping[str, Any]) -> str:
    """Build a server anew elsewhere, its host being down; one that ran runs again."""
    host = params.get("host")
    work.need(_EVACUATE_OLD, "evacuation")

    def ask(server: Any) -> None:
        # openstacksdk asks with the newest microversion it knows, under which the server stays switched off.
        version = _EVACUATE if supports_microversion(work.compute, _EVACUATE) else _EVACUATE_OLD
        response = work.compute.post(
            f"/servers/{quote(server.id, safe='')}/action",
            json={"evacuate": {"host": host} if host else {}},
            microversion=version,
        )
        sdk_errors.raise_from_response(response)

    return work.change("evacuate", ask, _on(host), "evacuate")


def _on(host: Any) -> Callable[[Any], str | None]:
    """Whether the server is on that host; nova tells administrators alone."""

    def already(server: Any) -> str | None:
        return f"was on {host}" if host and server.compute_host == host else None

    return already
