"""Tags of VMs. A tag is an object of the engine's own: it is made before the first VM has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.providers.openstack.attributes import text
from tasks.providers.ovirt.acting import InTheWay, Work
from tasks.providers.ovirt.attributes import Found
from tasks.providers.ovirt.failures import EngineRefusal
from tasks.providers.ovirt.kinds import is_id


def tag(work: Work, params: Mapping[str, Any]) -> str:
    """Add a tag. Raises ``Permanent`` for a name that the engine does not take for one."""
    name = str(params["tag"])

    def ask(_: Found) -> None:
        if not any(row.get("name") == name for row in work.listed("/tags", "tag")):
            try:
                with work.asking("make a tag for"):
                    work.send("POST", "/tags", {"name": name})
            except InTheWay:
                # Somebody else made it meanwhile, or the name is none: the engine says which.
                if not any(row.get("name") == name for row in work.listed("/tags", "tag")):
                    raise
        work.send("POST", f"{work.path}/tags", {"name": name})

    return work.change(f"add the tag {name!r} to", ask, lambda _: f"had the tag {name!r}" if _ids(work, name) else None)


def untag(work: Work, params: Mapping[str, Any]) -> str:
    """Remove a tag from the VM; the tag itself stays."""
    name = str(params["tag"])

    def ask(_: Found) -> None:
        for key in _ids(work, name):
            try:
                work.send("DELETE", f"{work.path}/tags/{key}")
            except EngineRefusal as refusal:
                # Somebody was quicker, or the VM is gone: only the first of these is what was wanted.
                if refusal.status != 404 or key in _ids(work, name):
                    raise

    return work.change(
        f"remove the tag {name!r} from",
        ask,
        lambda _: None if _ids(work, name) else f"was without the tag {name!r}",
    )


def _ids(work: Work, name: str) -> list[str]:
    """The ids of the VM's tags of that name."""
    found = [text(row.get("id")) for row in work.listed(f"{work.path}/tags", "tag") if row.get("name") == name]
    return [key for key in found if key is not None and is_id(key)]
