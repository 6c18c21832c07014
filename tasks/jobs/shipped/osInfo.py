"""Finds out which operating system the host of an agent has, and sets ``resource.os.*``."""

from __future__ import annotations

import platform

from tasks.jobs.api import Job


class OsInfo(Job):
    """Runs once on a host, when its agent comes online."""

    def job_started_event(self) -> None:
        """Set the facts of this host."""
        try:
            release = platform.freedesktop_os_release()
        except OSError:
            release = {}
        found = {
            "family": platform.system().lower(),
            "name": release.get("PRETTY_NAME") or platform.platform(),
            "vendor": release.get("ID") or platform.system(),
            "version": release.get("VERSION_ID") or platform.release(),
            "arch": platform.machine(),
        }
        for name, value in found.items():
            if value:
                self.setFact(f"resource.os.{name}", value)
        self.log(f"{found['name']} on {found['arch']}")
