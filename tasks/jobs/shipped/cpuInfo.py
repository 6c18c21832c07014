"""Finds out which processors the host of an agent has, and sets ``resource.cpu.*``."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from tasks.jobs.api import Job

#: Facts by the words under which Linux lists them.
_WORDS = {"vendor_id": "vendor", "model name": "model", "cpu family": "family", "cpu MHz": "mhz"}


class CpuInfo(Job):
    """Runs once on a host, when its agent comes online."""

    def job_started_event(self) -> None:
        """Set the facts of this host."""
        found: dict[str, str | int] = {"count": os.cpu_count() or 1, "model": platform.processor()}
        try:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        for line in lines:
            word, colon, value = line.partition(":")
            name = _WORDS.get(word.strip())
            if colon and name:
                found[name] = round(float(value)) if name == "mhz" else value.strip()
            elif not line.strip():
                # The first processor stands for all of them.
                break
        for fact, known in found.items():
            if known:
                self.setFact(f"resource.cpu.{fact}", known)
        self.log(f"{found['count']} processors: {found['model']}")
