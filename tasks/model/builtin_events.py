"""The events that Catchment fires by itself (spec orchestrate 8), and the name that stands for a rule's reset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Builtin(NamedTuple):
    """One built-in event: the kind of object that its context names (empty: none), and what it means."""

    name: str
    kind: str
    meaning: str


AGENT_VERSION_MISMATCH = "AGENT_VERSION_MISMATCH"
RESOURCE_ONLINE, RESOURCE_OFFLINE = "RESOURCE_ONLINE", "RESOURCE_OFFLINE"
USER_ONLINE, SERVER_UP = "USER_ONLINE", "SERVER_UP"
VMHOST_ADDED, VMHOST_REMOVED = "VMHOST_ADDED", "VMHOST_REMOVED"
VMHOST_NOT_AVAILABLE = "VMHOST_NOT_AVAILABLE"

BUILTINS: Mapping[str, Builtin] = {
    one.name: one
    for one in (
        Builtin(AGENT_VERSION_MISMATCH, "resource", "An agent of a version that does not work here has signed in"),
        Builtin(RESOURCE_ONLINE, "resource", "The first agent of a resource has signed in"),
        Builtin(RESOURCE_OFFLINE, "resource", "The last agent of a resource has signed out, or is not heard any more"),
        Builtin("RESOURCE_HEALTH", "resource", "The health of a resource has changed"),
        Builtin("REPOSITORY_HEALTH", "repository", "The health of a repository has changed"),
        Builtin(USER_ONLINE, "user", "A user has called for the first time after 15 minutes"),
        Builtin("USER_HEALTH", "user", "The health of a user has changed"),
        Builtin(VMHOST_ADDED, "vmhost", "Inventory has a VM host that it did not have"),
        Builtin(VMHOST_REMOVED, "vmhost", "A VM host is gone from inventory"),
        Builtin("VMHOST_HEALTH", "vmhost", "The health of a VM host has changed"),
        Builtin(VMHOST_NOT_AVAILABLE, "jobinstance", "A placement found no VM host that fits"),
        Builtin(SERVER_UP, "", "Catchment has been started"),
    )
}
#: Built-in events about health, by the fact that they tell of.
HEALTH: Mapping[str, str] = {
    f"{kind}.health": f"{kind.upper()}_HEALTH" for kind in ("resource", "vmhost", "user", "repository")
}
#: Reserved, and fired by nobody.
RESERVED = ("USER_OFFLINE", "EVENT_STORM")
#: What is put behind a rule's name when it is armed again and says so.
RESET_SUFFIX = ".RESET"


def named(written: str) -> str:
    """The name of an event as it is written in a schedule: old editions print a space in some (D2)."""
    spaced = written.strip().replace(" ", "_")
    return spaced if spaced in BUILTINS else written.strip()


def is_taken(name: str) -> bool:
    """Whether a name belongs to a built-in event, in whatever letters."""
    return name.upper() in BUILTINS or name.upper() in RESERVED
