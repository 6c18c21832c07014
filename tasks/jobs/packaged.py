"""The jobs that come with Catchment, as archives."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from tasks.jobs.archive import pack

#: Their names; each has a module, a policy and a schedule in ``shipped/``.
NAMES = ("osInfo", "cpuInfo")
_PARTS = (".py", ".policy", ".sched")


@cache
def archives() -> Mapping[str, bytes]:
    """The shipped jobs by name."""
    folder = resources.files("tasks.jobs") / "shipped"
    return MappingProxyType(
        {name: pack({f"{name}{part}": (folder / f"{name}{part}").read_bytes() for part in _PARTS}) for name in NAMES}
    )
