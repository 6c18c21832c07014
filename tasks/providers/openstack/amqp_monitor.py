"""OpenStack's notification bus through kombu: a durable queue of our own, acknowledged after the commit.

What the bus loses, it loses before us: our queue outlives our absence, nothing is acknowledged before the
ledger has it, and a connection that dies is told to the caller, who begins again (spec capture 1.4, 9 B).
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import urldefrag, urlsplit

import structlog
from amqp.exceptions import AccessRefused, AMQPError, NotFound, PreconditionFailed
from kombu import Connection, Exchange, Queue
from kombu.exceptions import KombuError

from tasks.model.errors import CatchmentError, ProviderDown, SignedOut
from tasks.model.event import Notification
from tasks.providers.contracts import Availability, Batch, ProviderConfig
from tasks.providers.openstack.options import Amqp

log = structlog.get_logger(__name__)

#: A pause this long in the stream ends a batch: the first event of a quiet hour must not wait for company.
LULL_SECONDS = 0.01

_BROKEN = (AMQPError, KombuError, OSError)


class AmqpMonitor:
    """Consumes notifications from RabbitMQ."""

    name: ClassVar[str] = "amqp"
    priority: ClassVar[int] = 3
    push: ClassVar[bool] = True

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider
        self._amqp: Amqp | None = provider.options.amqp
        self._connection: Connection | None = None
        self._channel: Any = None
        self._arrived: list[Any] = []
        self._stopped = threading.Event()
        self._beat_at = 0.0

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        """Open and close a connection to the first broker that takes one."""
        if provider.options.amqp is None:
            return Availability(False, "the provider has no amqp: section in providers.yaml")
        monitor = cls(provider)
        try:
            monitor._connect()
        except CatchmentError as error:
            return Availability(False, str(error))
        finally:
            monitor.stop()
        return Availability(True)

    def start(self, cursor: dict[str, Any] | None) -> None:
        """Connect, make our queue, bind it and consume. The bus keeps no cursor: the queue is the cursor.

        Raises ``ProviderDown`` or ``SignedOut``, with the reason of each broker that was tried.
        """
        self._stopped.clear()
        self._connect()
        try:
            self._bind()
            self._consume()
        except _BROKEN as error:
            self.stop()
            raise ProviderDown(f"{self._provider.name}: the broker ended the conversation: {_reason(error)}") from error

    def stop(self) -> None:
        """Close the connection. What was not acknowledged stays in the queue."""
        self._stopped.set()
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            try:
                connection.release()
            except _BROKEN as error:
                log.debug("the connection was gone already", error=str(error))

    def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
        """Collect what comes until a lull or ``limit``. Raises ``ProviderDown`` when the connection dies."""
        patience = wait
        while not self._stopped.is_set():
            try:
                taken = self._collect(patience, limit)
            except _BROKEN as error:
                if self._stopped.is_set():
                    return
                self.stop()
                raise ProviderDown(
                    f"{self._provider.name}: the connection to the broker was lost: {_reason(error)}"
                ) from error
            if not taken:
                return
            yield self._batch(taken, more=len(taken) >= limit)
            patience = 0.0

    def _collect(self, wait: float, limit: int) -> list[Any]:
        connection = self._connection
        if connection is None:
            raise ConnectionError("not connected")
        deadline = time.monotonic() + wait
        while len(self._arrived) < limit and not self._stopped.is_set():
            pause = LULL_SECONDS if self._arrived else min(1.0, deadline - time.monotonic())
            self._heartbeat(connection)
            try:
                connection.drain_events(timeout=max(pause, 0.001))
            except TimeoutError:
                if self._arrived or time.monotonic() >= deadline:
                    break
        taken, self._arrived = self._arrived[:limit], self._arrived[limit:]
        return taken

    def _heartbeat(self, connection: Connection) -> None:
        """Send ours and look for theirs: a half-open connection ends after two silent intervals."""
        assert self._amqp is not None
        if time.monotonic() - self._beat_at > self._amqp.heartbeat_seconds / 4:
            self._beat_at = time.monotonic()
            connection.heartbeat_check()

    def _batch(self, taken: list[Any], *, more: bool) -> Batch:
        channel, last = self._channel, taken[-1].delivery_tag

        def ack() -> None:
            # On another channel the broker has taken the messages back: they come again and are duplicates.
            if channel is self._channel and channel is not None:
                self._tell(lambda: channel.basic_ack(last, multiple=True))

        def reject() -> None:
            if channel is self._channel and channel is not None:
                self._tell(
                    lambda: (
                        channel.basic_recover(requeue=True)
                        if len(taken) > 1
                        else channel.basic_reject(last, requeue=True)
                    )
                )
                self._arrived.clear()

        notifications = [
            Notification(m.body, f"amqp {m.delivery_info.get('exchange')} {m.delivery_info.get('routing_key')}")
            for m in taken
        ]
        return Batch(notifications, None, more, ack, reject)

    def _tell(self, act: Any) -> None:
        try:
            act()
        except _BROKEN as error:
            # The ledger has them: what the broker delivers again is told apart there.
            log.warning(
                "the broker could not be told; it will deliver again",
                provider=self._provider.name,
                error=_reason(error),
            )

    def _connect(self) -> None:
        assert self._amqp is not None
        refusals: list[str] = []
        signed_out = False
        for url in self._amqp.broker_urls():
            try:
                self._connection = self._open(url)
                return
            except _BROKEN as error:
                signed_out |= isinstance(error, AccessRefused)
                refusals.append(f"{_host(url)}: {_refusal(url, error)}")
        message = f"{self._provider.name}: no broker takes a connection ({'; '.join(refusals)})"
        raise SignedOut(message) if signed_out else ProviderDown(message)

    def _open(self, url: str) -> Connection:
        assert self._amqp is not None
        bare, scheme = urldefrag(url)
        connection = Connection(
            bare,
            heartbeat=self._amqp.heartbeat_seconds,
            connect_timeout=self._amqp.connect_seconds,
            ssl=_tls(self._amqp, urlsplit(bare).hostname or "") if scheme == "tls" else False,
            transport_options={
                "read_timeout": self._amqp.heartbeat_seconds * 2,
                "write_timeout": self._amqp.heartbeat_seconds * 2,
            },
        )
        try:
            connection.connect()
        except BaseException:
            connection.release()
            raise
        return connection

    def _bind(self) -> None:
        """Declare our queue and bind it; done at each connection, for a binding to a transient exchange dies with it."""
        assert self._connection is not None
        assert self._amqp is not None
        name = self._amqp.queue or f"catchment.{self._provider.name}"
        arguments = {}
        if self._amqp.queue_ttl_seconds:
            arguments["x-message-ttl"] = self._amqp.queue_ttl_seconds * 1000
        if self._amqp.queue_max_length:
            arguments["x-max-length"] = self._amqp.queue_max_length
        self._queue = Queue(name, durable=True, exclusive=False, auto_delete=False, queue_arguments=arguments)
        channel: Any = self._connection.channel()
        try:
            self._queue(channel).queue_declare()
        except PreconditionFailed as error:
            raise ProviderDown(
                f"{self._provider.name}: the queue {name} is there with other arguments ({_reason(error)}). "
                "Drain and delete it, or set amqp.queue to another name"
            ) from error
        for exchange, topics in self._amqp.exchanges.items():
            self._ensure_exchange(exchange)
            for topic in topics:
                channel.queue_bind(queue=name, exchange=exchange, routing_key=topic)
        channel.close()

    def _ensure_exchange(self, name: str) -> None:
        """Take the exchange as it is; make it only where it is absent, as OpenStack would (not durable)."""
        assert self._connection is not None
        channel: Any = self._connection.channel()
        try:
            channel.exchange_declare(name, "topic", passive=True)
            channel.close()
            return
        except NotFound:
            pass
        Exchange(name, type="topic", durable=False, auto_delete=False)(self._connection.channel()).declare()

    def _consume(self) -> None:
        assert self._connection is not None
        assert self._amqp is not None
        self._arrived = []
        self._beat_at = time.monotonic()
        self._channel = self._connection.channel()
        self._channel.basic_qos(0, self._amqp.prefetch, False)
        self._channel.basic_consume(queue=self._queue.name, no_ack=False, callback=self._arrive)

    def _arrive(self, message: Any) -> None:
        self._arrived.append(message)


def _tls(amqp: Amqp, host: str) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "cert_reqs": ssl.CERT_REQUIRED if amqp.tls.verify else ssl.CERT_NONE,
        "server_hostname": host,
    }
    for key, path in (("ca_certs", amqp.tls.ca), ("certfile", amqp.tls.cert), ("keyfile", amqp.tls.key)):
        if path is not None:
            settings[key] = str(path)
    return settings


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}"


def _refusal(url: str, error: Exception) -> str:
    if isinstance(error, AccessRefused):
        return f"it refuses the user {urlsplit(url).username} or its virtual host; check amqp.urls and the password"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or error}); check amqp.tls"
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    return _reason(error)


def _reason(error: Exception) -> str:
    return str(getattr(error, "reply_text", "") or error or type(error).__name__)[:300]
