"""A real RabbitMQ for tests: names of one test's own, removed after it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Self

import amqp
from amqp.exceptions import AMQPError, NotFound

from tasks.providers.contracts import Batch, ProviderConfig
from tasks.providers.openstack.amqp_monitor import AmqpMonitor
from tasks.providers.openstack.options import OpenStackOptions

HOST, PORT = "127.0.0.1", 5672
USER, PASSWORD = "guest", "guest"


def url(port: int = PORT, *, user: str = USER, password: str = PASSWORD, vhost: str = "") -> str:
    """The broker's address, by way of another port or user if need be."""
    return f"amqp://{user}:{password}@{HOST}:{port}{vhost}"


class Bus:
    """One exchange and one queue of our own on the broker, and a way to publish. Use it as a context manager."""

    def __init__(self) -> None:
        self.name = f"catchment-test-{uuid.uuid4().hex[:12]}"
        self.queue = f"{self.name}-queue"
        self._exchanges = {self.name}
        self._connection = amqp.Connection(f"{HOST}:{PORT}", USER, PASSWORD, confirm_publish=True)

    def __enter__(self) -> Self:
        self._connection.connect()
        self.channel: Any = self._connection.channel()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(AMQPError, OSError):
            self._connection.close()
        with amqp.Connection(f"{HOST}:{PORT}", USER, PASSWORD) as connection:
            channel = connection.channel()
            channel.queue_delete(self.queue)
            for name in self._exchanges:
                channel.exchange_delete(name)

    def exchange(self, suffix: str, **settings: Any) -> str:
        """Another exchange; made here where ``settings`` are given."""
        name = f"{self.name}-{suffix}"
        self._exchanges.add(name)
        if settings:
            self.channel.exchange_declare(name, settings.pop("type", "topic"), **{"auto_delete": False} | settings)
        return name

    def provider(self, *, urls: list[str] | None = None, **options: Any) -> ProviderConfig:
        """A provider that listens to our exchange, or to those that are named."""
        given = {"urls": urls or [url()], "queue": self.queue, "exchanges": {self.name: ["notifications.*"]}}
        return ProviderConfig("north", "openstack", OpenStackOptions(amqp=given | options))

    def publish(
        self, bodies: Iterable[str | bytes], *, exchange: str = "", key: str = "notifications.info", **more: Any
    ) -> None:
        """Publish, and wait until the broker has everything."""
        for body in bodies:
            properties = {"content_type": "application/json", "content_encoding": "utf-8"} | more
            self.channel.basic_publish(amqp.Message(body, **properties), exchange or self.name, key)

    def new_channel(self) -> Any:
        """A channel that a refusal may close."""
        return self._connection.channel()

    def waiting(self) -> int:
        """Messages in our queue that nobody holds."""
        return int(self.channel.queue_declare(self.queue, passive=True).message_count)

    def consumers(self) -> int:
        """Consumers of our queue."""
        return int(self.channel.queue_declare(self.queue, passive=True).consumer_count)

    def has_queue(self) -> bool:
        """Whether our queue is there."""
        try:
            self.new_channel().queue_declare(self.queue, passive=True)
        except NotFound:
            return False
        return True


def bodies(batch: Batch) -> list[Any]:
    """The bodies of a batch's notifications."""
    return [notification.body for notification in batch.notifications]


def drain(monitor: AmqpMonitor, *, until: int, limit: int = 100, seconds: float = 20.0) -> list[Any]:
    """Acknowledge what comes until there are so many bodies, or the time is over."""
    found: list[Any] = []
    deadline = time.monotonic() + seconds
    while len(found) < until and time.monotonic() < deadline:
        for batch in monitor.batches(wait=0.5, limit=limit):
            found += bodies(batch)
            batch.ack()
    return found


def one(monitor: AmqpMonitor, *, limit: int = 100) -> Batch:
    """The next batch. It is for the caller to acknowledge it."""
    return next(iter(monitor.batches(wait=5, limit=limit)))


def broker_closes(peer_ports: Iterable[int]) -> bool:
    """Let the broker end the connections that come from these ports. False where we may not ask it to."""
    tool = shutil.which("rabbitmqctl")
    if tool is None or os.geteuid() != 0:
        return False
    listed = _ask_broker(tool, "list_connections", "pid", "peer_port")
    pids = {int(port): pid for pid, port in (line.split("\t") for line in listed.splitlines() if "\t" in line)}
    for port in peer_ports:
        _ask_broker(tool, "close_connection", pids[port], "the test ends it")
    return True


def _ask_broker(tool: str, *command: str) -> str:
    arguments = [tool, "--quiet", "--no-table-headers"] if command[0].startswith("list") else [tool, "--quiet"]
    return subprocess.run([*arguments, *command], check=True, capture_output=True, text=True, timeout=30).stdout


def eventually(holds: Any, seconds: float = 10.0) -> bool:
    """Whether something comes to hold in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
