"""Moves one machine off each VM host that a rule event names: the smallest one that runs there."""

from __future__ import annotations

from typing import Any

from tasks.jobs.api import Job


class Relieve(Job):
    """Started by the rule event ``vmhost``, whose context names the hosts that have too much load."""

    def job_started_event(self) -> None:
        """Ask for one migration for each host; policies of the site decide on them."""
        named = self.context.get("vmhost", [])
        hosts = [named] if isinstance(named, str) else named
        for number, host in enumerate(hosts, 1):
            self.relieve(host)
            self.progress(number / len(hosts), host)
        self.finish({"hosts": len(hosts)})

    def relieve(self, host: str) -> None:
        """A VM host is known as PROVIDER/ID of the host in inventory."""
        provider, _, name = host.partition("/")
        machines = [machine for machine in self.objects("server", provider) if runs_on(machine, name)]
        if not machines:
            self.log(f"nothing runs on {host} that could be moved", "warning")
            return
        smallest = min(machines, key=lambda machine: (machine["attributes"].get("memory_mb") or 0, machine["id"]))
        self.log(f"{smallest['name'] or smallest['id']} is to leave {host}")
        self.operate(provider, f"server/{smallest['id']}", "migrate_server")


def runs_on(machine: dict[str, Any], host: str) -> bool:
    """Whether a machine is up on a host."""
    return machine["attributes"].get("host") == host and machine["attributes"].get("status") == "ACTIVE"
