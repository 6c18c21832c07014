"""Test hosts: network namespaces with an address each, behind one bridge, with a share of the processor if wanted."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Self

import pytest

_NET = "10.213.77"
_CPU = Path("/sys/fs/cgroup/cpu")
_PERIOD = 100_000


def run(*command: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


class Hosts:
    """So many hosts and a bridge, whose address ``bridge`` is that of the servers. Use it in a ``with`` statement."""

    def __init__(self, count: int) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            pytest.skip("network namespaces need root and iproute2")
        self._tag = uuid.uuid4().hex[:5]
        self.bridge = f"{_NET}.1"
        self.names = [f"h{self._tag}{number}" for number in range(1, count + 1)]
        self._groups: list[Path] = []

    def __enter__(self) -> Self:
        probe = subprocess.run(["ip", "netns", "add", f"p{self._tag}"], capture_output=True, text=True, check=False)
        if probe.returncode:
            pytest.skip(f"network namespaces are not allowed here: {probe.stderr.strip()}")
        run("ip", "netns", "del", f"p{self._tag}")
        run("ip", "link", "add", self._bridge, "type", "bridge")
        run("ip", "addr", "add", f"{self.bridge}/24", "dev", self._bridge)
        run("ip", "link", "set", self._bridge, "up")
        for number, name in enumerate(self.names, 2):
            run("ip", "netns", "add", name)
            run("ip", "link", "add", f"v{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", f"v{name}", "master", self._bridge, "up")
            for command in (
                f"addr add {_NET}.{number}/24 dev eth0",
                "link set eth0 up",
                "link set lo up",
            ):
                run("ip", "-n", name, *command.split())
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", self._bridge], capture_output=True, check=False)
        for group in self._groups:
            if group.is_dir():
                group.rmdir()

    def on(self, name: str, command: list[str], share: float | None = None) -> list[str]:
        """The command as it runs on a host, held to a share of one core where that is given."""
        inside = ["ip", "netns", "exec", name, *command]
        if share is None:
            return inside
        group = _CPU / f"catchment-{name}"
        if not group.is_dir():
            try:
                group.mkdir()
                (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
                (group / "cpu.cfs_quota_us").write_text(str(int(_PERIOD * share)))
            except OSError as error:
                pytest.skip(f"the processor cannot be shared out here: {error}")
            self._groups.append(group)
        return ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *inside]

    def cut(self, name: str) -> None:
        """Take the cable out."""
        run("ip", "link", "set", f"v{name}", "down")

    def join(self, name: str) -> None:
        """Put it back."""
        run("ip", "link", "set", f"v{name}", "up")

    @property
    def _bridge(self) -> str:
        return f"b{self._tag}"
