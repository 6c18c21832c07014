"""What an agent measures on its host, as facts (spec orchestrate 4.3)."""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from tasks.model.agent import PROTOCOL, parts

_MB, _GB = 1024**2, 1024**3
#: What a process of Catchment's workers has on its command line.
_WORKER = "workers.app"


def release() -> str:
    """The version of the installed package."""
    try:
        return version("catchment")
    except PackageNotFoundError:
        return "unknown"


@dataclass(slots=True)
class Host:
    """The host as it is now, measured from call to call: rates need two looks."""

    disk: str = "/"
    _network: tuple[float, int, int] | None = field(default=None)

    def facts(self) -> dict[str, Any]:
        """All facts of the resource, without the kind before their names. What cannot be measured is None."""
        one, five, fifteen = _load()
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        disk = psutil.disk_usage(self.disk)
        received, sent = self._rates()
        count = psutil.cpu_count() or 1
        figures: Mapping[str, Any] = {
            "load_one": one,
            "load_five": five,
            "load_fifteen": fifteen,
            "cpu_idle": round(100.0 - psutil.cpu_percent(interval=None), 1),
            "cpu_num": count,
            "mem_total": memory.total // _MB,
            "mem_free": memory.available // _MB,
            "swap_total": swap.total // _MB,
            "swap_free": swap.free // _MB,
            "disk_total": round(disk.total / _GB, 2),
            "disk_free": round(disk.free / _GB, 2),
            "bytes_in": received,
            "bytes_out": sent,
            "boottime": datetime.fromtimestamp(int(psutil.boot_time()), UTC),
        }
        return {
            "loadaverage": one,
            "cpu.count": count,
            "memory.total": memory.total // _MB,
            "memory.free": memory.available // _MB,
            "workers": _workers(),
            **{f"metrics.{name}": value for name, value in figures.items()},
        }

    def _rates(self) -> tuple[float | None, float | None]:
        """Bytes a second in and out since the last look; None at the first one."""
        counted = psutil.net_io_counters()
        if counted is None:
            return None, None
        now, before = time.monotonic(), self._network
        self._network = (now, counted.bytes_recv, counted.bytes_sent)
        if before is None or now <= before[0]:
            return None, None
        passed = now - before[0]
        received, sent = counted.bytes_recv - before[1], counted.bytes_sent - before[2]
        return (round(received / passed, 1), round(sent / passed, 1)) if min(received, sent) >= 0 else (None, None)


def _load() -> tuple[float | None, float | None, float | None]:
    try:
        return psutil.getloadavg()
    except OSError:
        return None, None, None


def _workers() -> int:
    """Worker processes of Catchment on this host, as far as this user may see them; their children do not count."""
    found: dict[int, int] = {}
    for process in psutil.process_iter(["cmdline", "ppid"]):
        line = process.info["cmdline"] or []
        if _WORKER in line and "worker" in line:
            found[process.pid] = process.info["ppid"]
    return sum(parent not in found for parent in found.values())


def describe() -> dict[str, Any]:
    """Facts that do not change while the agent runs."""
    system = platform.freedesktop_os_release() if sys.platform == "linux" else {}
    return {
        "type": "Fixed Physical",
        "hostname": socket.gethostname(),
        "python.version": platform.python_version(),
        "celery.version": _celery(),
        "os.family": sys.platform,
        "os.name": system.get("NAME") or platform.system(),
        "os.vendor": system.get("ID") or platform.system(),
        "os.version": system.get("VERSION_ID") or platform.release(),
        "os.arch": platform.machine(),
    }


def credentials(resource: str, said: str) -> dict[str, Any]:
    """What an agent says of itself when it signs in (spec orchestrate 8)."""
    major, minor, point = parts(said) or (0, 0, 0)
    own, system = parts(platform.release()) or (0, 0, 0), describe()
    return {
        "AgentId": resource,
        "AgentIP": _address(),
        "AgentMajor": major,
        "AgentMinor": minor,
        "AgentPoint": point,
        "AgentBuild": PROTOCOL,
        "OsName": system["os.name"],
        "OsVendor": system["os.vendor"],
        "OsVersion": system["os.version"],
        "OsMajor": own[0],
        "OsMinor": own[1],
        "OsPoint": own[2],
        "SystemArch": system["os.arch"],
        "PythonVersion": system["python.version"],
        "CeleryVersion": system["celery.version"],
    }


def _address() -> str:
    """The first address of this host that others can reach it by; loopback where it has none."""
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET and not one.address.startswith("127."):
                return str(one.address)
    return "127.0.0.1"


def _celery() -> str:
    try:
        return version("celery")
    except PackageNotFoundError:
        return "unknown"


def process_name() -> str:
    """This process, told apart from a later one that gets the same number."""
    return f"{os.getpid()}@{int(psutil.Process().create_time())}"
