"""Leases that run scripts: messages a second, and milliseconds to a script's start, beside a plain listener."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import amqp

from benchmarks.report import percentile
from benchmarks.stand import RABBITMQ, Setup, Stand
from examples.esi.leases import LESSEE, OWNER, body
from tests.plain_listener import PlainListener

TOPIC = "esi_leap_versioned_notifications"
END = "esi_leap.lease.fulfill.end"
CONF_FILE = "esi-event-action-listener.conf"
#: One section, of which every message runs its script once.
CONF = f"""\
[DEFAULT]
queues = {TOPIC}.info
[note]
events = {END}
script = bash note.sh
script_params = uuid,node_name
filter_params = {{"purpose": "te"}}
"""
#: Notes for which lease it runs and when it began, in seconds since the epoch.
NOTE = 'echo "$1 $EPOCHREALTIME" >> runs\n'
#: Takes two seconds for one node in 25.
SLOW = "(( ${2#node-} % 25 )) || sleep 2\n"


@dataclass(frozen=True, slots=True)
class Runs:
    """One run: scripts a second where the queue was full, else milliseconds from sent to the script's first line."""

    scripts: int
    exact: bool
    rate: float = 0.0
    median: float = 0.0
    p99: float = 0.0
    worst: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return asdict(self)


class Ours:
    """Catchment with an ESI Leap provider, in its own processes. Use it in a ``with`` statement."""

    def __init__(self, note: str, _number: int) -> None:
        files = {f"actions/{CONF_FILE}": CONF, "note.sh": note}
        self._stand = Stand(Setup(policies=0, files=files, kind="esi_leap", topic=TOPIC))

    def __enter__(self) -> Self:
        stand = self._stand.__enter__()
        self.exchange, self.folder = stand.queue, stand.site
        stand.start("stages", "control", "effects", "beat", "listener")
        return self

    def __exit__(self, *about: object) -> None:
        self._stand.__exit__(*about)

    def pause(self) -> None:
        """Have it stand still, with its connection open."""
        self._stand.pause("listener")

    def resume(self) -> None:
        """Have it go on."""
        self._stand.resume("listener")

    def wait(self, holds: Callable[[], bool], complaint: str) -> None:
        """Wait until something holds; ends the run where it does not."""
        self._stand.wait(holds, 300, complaint)

    def exact(self, number: int) -> bool:
        """Whether all messages got through and every line of the balance adds up."""
        self._stand.through(number)
        return self._stand.exact()


class Plain:
    """The plain listener in a process of its own, on a queue as the service declares it."""

    def __init__(self, note: str, number: int) -> None:
        self._note, self._number = note, number
        self.exchange = f"catchment_bench_{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="catchment-bench-"))
        (self.folder / CONF_FILE).write_text(CONF)
        (self.folder / "note.sh").write_text(self._note)
        with amqp.Connection(RABBITMQ) as connection:
            channel = connection.channel()
            channel.exchange_declare(self.exchange, "topic", durable=False, auto_delete=False)
            channel.queue_declare(self.exchange, durable=False, exclusive=False, auto_delete=False)
            channel.queue_bind(self.exchange, self.exchange, f"{TOPIC}.info")
        command = [sys.executable, "-m", "benchmarks.leases", str(self.folder), self.exchange, str(self._number)]
        self._process = subprocess.Popen(command)
        self.wait(lambda: self._consumers() > 0, "the plain listener does not consume")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        with amqp.Connection(RABBITMQ) as connection:
            channel = connection.channel()
            channel.queue_delete(self.exchange)
            channel.exchange_delete(self.exchange)
        shutil.rmtree(self.folder, ignore_errors=True)

    def pause(self) -> None:
        """Have it stand still, with its connection open."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        self._process.send_signal(signal.SIGCONT)

    def wait(self, holds: Callable[[], bool], complaint: str) -> None:
        """Wait until something holds; ends the run where it does not."""
        deadline = time.monotonic() + 300
        while not holds():
            if time.monotonic() > deadline:
                raise SystemExit(complaint)
            time.sleep(0.1)

    def exact(self, number: int) -> bool:
        """Whether it handled all messages and ended by itself."""
        return number == self._number and self._process.wait(30) == 0

    def _consumers(self) -> int:
        with amqp.Connection(RABBITMQ) as connection:
            return int(connection.channel().queue_declare(self.exchange, passive=True).consumer_count)


def drained(listener: Ours | Plain, number: int) -> Runs:
    """Scripts a second: the messages wait in the queue, and the clock runs until the last script began."""
    with listener:
        listener.pause()
        sent = _publish(listener, number, 0.0)
        began = time.time()
        listener.resume()
        started = _started(listener, number)
        exact = _exact(listener, sent, started)
    return Runs(len(started), exact, rate=round(len(started) / (max(at for _, at in started) - began), 1))


def paced(listener: Ours | Plain, number: int, rate: float) -> Runs:
    """Milliseconds from sent to the script's first line, at so many messages a second."""
    with listener:
        sent = _publish(listener, number, rate)
        started = _started(listener, number)
        exact = _exact(listener, sent, started)
    waits = sorted((at - sent[lease]) * 1000 for lease, at in started)
    middle, p99 = (round(percentile(waits, share), 1) for share in (50, 99))
    return Runs(len(started), exact, median=middle, p99=p99, worst=round(waits[-1], 1))


def _publish(listener: Ours | Plain, number: int, rate: float) -> dict[str, float]:
    """Publish at a steady rate, or as fast as the broker takes them; when each lease's message was sent."""
    sent = {}
    with amqp.Connection(RABBITMQ, confirm_publish=not rate) as connection:
        channel = connection.channel()
        start = time.monotonic()
        for place in range(number):
            if rate:
                time.sleep(max(0.0, start + place / rate - time.monotonic()))
            lease = str(uuid.uuid4())
            content = body(END, _lease(lease, place), datetime.now(UTC))
            message = amqp.Message(content, content_type="application/json", delivery_mode=2)
            sent[lease] = time.time()
            channel.basic_publish(message, exchange=listener.exchange, routing_key=f"{TOPIC}.info")
    return sent


def _started(listener: Ours | Plain, number: int) -> list[tuple[str, float]]:
    """Wait for so many scripts: for which lease each began, and when."""
    file = listener.folder / "runs"
    listener.wait(lambda: file.exists() and file.read_text().count("\n") >= number, "not all scripts ran")
    pairs = (line.split() for line in file.read_text().splitlines())
    return [(lease, float(at)) for lease, at in pairs]


def _exact(listener: Ours | Plain, sent: dict[str, float], started: list[tuple[str, float]]) -> bool:
    return listener.exact(len(sent)) and sorted(sent) == sorted(lease for lease, _ in started)


def _lease(key: str, number: int) -> dict[str, Any]:
    return {
        "id": number, "uuid": key, "name": f"L{number}", "project_id": LESSEE, "owner_id": OWNER, "purpose": "test",
        "resource_type": "ironic_node", "resource_uuid": key, "start_time": "2031-05-04T12:00:00Z",
        "end_time": "2031-05-04T14:00:00Z", "fulfill_time": None, "expire_time": None, "status": "created",
        "properties": {"vendor": "foo"}, "offer_uuid": None, "parent_lease_uuid": None, "node_name": f"node-{number}",
        "node_uuid": key, "node_provision_state": "available", "node_power_state": "power off",
        "node_properties": {"cores": 16},
    }  # fmt: skip


def _listen(folder: str, queue: str, number: str) -> int:
    conf = (Path(folder) / CONF_FILE).read_text()
    return int(PlainListener(conf, Path(folder), RABBITMQ, [queue]).listen(int(number)) is not None)


if __name__ == "__main__":
    raise SystemExit(_listen(*sys.argv[1:4]))
