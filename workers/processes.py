"""Run the lines of the Procfile as child processes, and end them cleanly."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Where the source tree is: the Procfile and the examples stand there.
SOURCE = Path(__file__).resolve().parents[1]

_LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+)$")


def procfile(path: Path = SOURCE / "Procfile") -> dict[str, list[str]]:
    """The Procfile's lines as argument vectors, run by this interpreter."""
    lines = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := _LINE.match(line):
            # For honcho, which runs a line in a shell: without exec a stop would reach the shell alone.
            vector = shlex.split(match[2].removeprefix("exec "))
            lines[match[1]] = [sys.executable, *vector[1:]] if vector[0] == "python" else vector
    return lines


@dataclass(slots=True)
class Processes:
    """Child processes, each in a session of its own and with a log file of its own."""

    logs: Path
    environment: Mapping[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, command: list[str], tree: Path = SOURCE) -> subprocess.Popen[bytes]:
        """Start one process of the source tree; what it prints goes to ``<name>.log``."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=tree,
                env=dict(self.environment) if tree == SOURCE else {**self.environment, "PYTHONPATH": str(tree)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running[name] = process
        return process

    def ended(self) -> dict[str, int]:
        """Processes that have ended by themselves, with their exit status."""
        return {name: code for name, process in self.running.items() if (code := process.poll()) is not None}

    def signal(self, name: str, number: int) -> None:
        """Send a signal to one process, if it still runs."""
        if self.running[name].poll() is None:
            self.running[name].send_signal(number)

    def stop(self, *names: str, patience: float = 20.0) -> list[str]:
        """Ask processes (all, if none is named) to end; returns those that had to be killed."""
        wanted = [n for n in names or tuple(self.running) if n in self.running]
        for name in wanted:
            if self.running[name].poll() is None:
                self.running[name].send_signal(signal.SIGTERM)
        deadline = time.monotonic() + patience
        stubborn = []
        for name in wanted:
            process = self.running.pop(name)
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                stubborn.append(name)
            _kill_group(process.pid)
            process.wait()
        return stubborn


def _kill_group(leader: int) -> None:
    """Whatever is left of a process's session, pool children above all."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
