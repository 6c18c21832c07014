"""Counts what comes and goes, for as long as it is let: a long-running job that holds no worker while it waits."""

from __future__ import annotations

from typing import Any

from tasks.jobs.api import Job


class Watchman(Job):
    """Called back when hosts come and go; every ten of them it writes a report."""

    def job_started_event(self) -> None:
        """Subscribe, and be called from then on."""
        self.kept["seen"] = {}
        for event in ("RESOURCE_ONLINE", "RESOURCE_OFFLINE"):
            self.subscribeToEvent(event, self.resource_event)
        self.subscribeToEvent("watchman_off", self.off_event)

    def resource_event(self, context: dict[str, Any]) -> None:
        """A host came, or went."""
        host = context.get("resource", "?")
        self.kept["seen"][host] = self.kept["seen"].get(host, 0) + 1
        if sum(self.kept["seen"].values()) % 10 == 0:
            self.report()

    def off_event(self, context: dict[str, Any]) -> None:
        """Somebody has fired the external event that ends this job."""
        self.report()
        self.finish(self.kept["seen"])

    def report(self) -> None:
        """Say who comes and goes most."""
        for host, times in sorted(self.kept["seen"].items(), key=lambda pair: -pair[1]):
            self.log(f"{host}: {times}")
