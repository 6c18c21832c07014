"""The simulated cloud's event API with a long history, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Self

from benchmarks.notifications import MIX


class EventSource:
    """A cloud that answers with so many events. Use it in a ``with`` statement."""

    def __init__(self, events: int) -> None:
        self._events = events

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.event_source", str(self._events)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.auth_url = self._process.stdout.readline().strip()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Fill the event store, say where to sign in, and answer until killed."""
    from examples.cloud.event_store import KEPT_EVENTS
    from examples.cloud.running import Cloud
    from examples.cloud.telemetry import TelemetryEvent

    count = int(sys.argv[1])
    assert count < KEPT_EVENTS
    cloud = Cloud().start()
    began = datetime.now(UTC) - timedelta(seconds=count / 1000)
    for number in range(count):
        server = str(uuid.uuid5(uuid.NAMESPACE_OID, f"server-{number % 1000}"))
        moment = (began + timedelta(milliseconds=number)).replace(tzinfo=None).isoformat(timespec="microseconds")
        traits = {
            name: ("string", value)
            for name, value in {
                "instance_id": server,
                "tenant_id": "p1",
                "project_id": "p1",
                "host": "node1",
                "state": "active",
                "request_id": f"req-{uuid.uuid4()}",
                "service": "compute.node1",
            }.items()
        }
        cloud.world.events.add(TelemetryEvent(str(uuid.uuid4()), MIX[number % len(MIX)], moment, traits))
    print(cloud.auth_url, flush=True)
    while os.getppid() > 1:
        time.sleep(1)


if __name__ == "__main__":
    main()
