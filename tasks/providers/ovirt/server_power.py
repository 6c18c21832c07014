"""VMs on and off, and to other hosts: what the engine is asked for and when it is done already."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tasks.model.errors import Permanent
from tasks.providers.openstack.attributes import text
from tasks.providers.ovirt.acting import Work
from tasks.providers.ovirt.attributes import Found, key_of
from tasks.providers.ovirt.kinds import is_id

#: What the name of a host may be made of.
_HOST = re.compile(r"[\w.-]{1,255}", re.ASCII)
_RUNS = ("up", "powering_up")


class Power(NamedTuple):
    """One way to change the state of a VM: the engine's action, the statuses that it leads to and may begin in.

    The engine's ``start`` also resumes, and its ``stop`` throws the memory of a suspended VM away: the words here
    mean what they mean for every cloud.
    """

    doing: str
    action: str
    reached: tuple[str, ...]
    said: str
    only: tuple[str, ...] | None = None


POWER: Mapping[str, Power] = {
    "start_server": Power("start", "start", _RUNS, "was running", ("down", "suspended")),
    "stop_server": Power(
        "stop", "stop", ("down",), "was stopped", (*_RUNS, "paused", "powering_down", "not_responding", "unknown")
    ),
    "suspend_server": Power("suspend", "suspend", ("suspended",), "was suspended"),
    "resume_server": Power("resume", "start", _RUNS, "was running", ("suspended",)),
    "unpause_server": Power("unpause", "start", _RUNS, "was running", ("paused",)),
}


def power(word: str) -> Callable[[Work, Mapping[str, Any]], str]:
    """The operation of that word."""
    how = POWER[word]

    def operate(work: Work, _params: Mapping[str, Any]) -> str:
        return work.change(
            how.doing,
            lambda _: work.send("POST", f"{work.path}/{how.action}", {}),
            lambda vm: how.said if vm["status"] in how.reached else None,
            only=how.only,
        )

    return operate


def reboot(work: Work, params: Mapping[str, Any]) -> str:
    """Reboot; ``type`` is ``soft`` (the guest is asked) or ``hard`` (a reset)."""
    kind = str(params.get("type") or "soft")
    action = "reset" if kind == "hard" else "reboot"
    return work.change(
        f"reboot ({kind})", lambda _: work.send("POST", f"{work.path}/{action}", {}), lambda _: None, traced=True
    )


def migrate(work: Work, params: Mapping[str, Any]) -> str:
    """Move a running VM to another host; the engine chooses the host where none is named, by its name or id.

    Raises ``Permanent`` where it shall not go on running meanwhile: oVirt does not move stopped VMs.
    """
    if not params.get("live", True):
        raise Permanent(
            f"{work.cloud}: oVirt moves running VMs only; a stopped one starts on any host. Leave `live` at true"
        )
    host = _host(work, text(params.get("host")))

    def already(vm: Found) -> str | None:
        return f"was on {params['host']}" if host is not None and key_of(vm, "host") == host else None

    body: dict[str, Any] = {"host": {"id": host}} if host is not None else {}
    return work.change(
        "migrate (live)", lambda _: work.send("POST", f"{work.path}/migrate", body), already, traced=True
    )


def _host(work: Work, wanted: str | None) -> str | None:
    """The id of the host that is named. Raises ``Permanent`` where the engine has none such."""
    if wanted is None or is_id(wanted):
        return wanted
    if _HOST.fullmatch(wanted):
        found = work.get("/hosts", {"search": f"name={wanted}"}).get("host")
        for row in found if isinstance(found, list) else ():
            if isinstance(row, Mapping) and row.get("name") == wanted and (key := text(row.get("id"))):
                return key
    raise Permanent(f"{work.cloud}: the engine has no host {wanted[:100]!r}: nothing was done to {work.ref}")
