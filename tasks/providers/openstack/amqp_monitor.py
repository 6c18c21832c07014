"""OpenStack's notification bus through kombu: a durable queue of our own, acknowledged after the commit.

Our queue outlives our absence, nothing leaves it before the ledger has it, and a connection that dies is
told to the caller, who begins again (spec capture 1.4; 9 A9 to A12, B1, B2, B4, B12). Bodies are handed
over as they came: what cannot be read is the ledger's business, not a reason to stop (B5).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import structlog
from amqp.exceptions import AccessRefused
from kombu import Connection

from tasks.model.errors import CatchmentError, ProviderDown, SignedOut
from tasks.model.event import Notification
from tasks.providers.contracts import Availability, Batch, ProviderConfig
from tasks.providers.openstack.bus_intake import Intake
from tasks.providers.openstack.bus_layout import BusLayout
from tasks.providers.openstack.bus_options import Amqp, Broker
from tasks.providers.openstack.bus_refusals import reason, refusal
from tasks.providers.openstack.bus_wire import BROKEN, GOODBYE_SECONDS, Wire

log = structlog.get_logger(__name__)

#: A pause this long in the stream ends a batch: the first event of a quiet hour must not wait for company.
LULL_SECONDS = 0.01
#: Batches that follow each other faster than this are a stream, in which a batch waits longer for company.
STREAM_SECONDS = 0.15
STREAM_LULL_SECONDS = 0.03
#: After this time a batch waits for nothing more; it is filled only with what is there already.
FILL_SECONDS = 0.025
BACKLOG_SECONDS = 0.001
#: So many bytes fill a batch as well: a thousand large messages must not be in memory at once.
FILL_BYTES = 8 * 1024 * 1024
#: How often a waiting monitor looks whether it is to stop.
GLANCE_SECONDS = 0.2


class AmqpMonitor:
    """Consumes notifications from RabbitMQ.

    One thread starts it and reads; ``stop`` may come from any thread. Several monitors, on one host or
    on many, may share a queue: each message goes to one of them.
    """

    name: ClassVar[str] = "amqp"
    priority: ClassVar[int] = 4
    push: ClassVar[bool] = True

    def __init__(self, provider: ProviderConfig) -> None:
        self.kept = True
        self._provider = provider
        self._options: Amqp | None = provider.options.amqp
        self._wire: Wire | None = None
        self._intake: Intake | None = None
        self._roads: dict[tuple[str, str], str] = {}
        self._stopping = False
        self._filled_at = float("-inf")
        self._lock = threading.Lock()
        self._talker: int | None = None

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        """Open and close a connection to the first broker that takes one."""
        try:
            monitor = cls(provider)
            if monitor._options is None:
                return Availability(False, "the provider has no amqp: section in providers.yaml")
            wire, _ = monitor._connect(monitor._options)
            wire.close()
        except CatchmentError as error:
            return Availability(False, str(error))
        except Exception as error:  # noqa: BLE001 - the contract: it never raises
            return Availability(False, f"asking the broker failed: {type(error).__name__}: {error}")
        return Availability(True)

    def start(self, cursor: dict[str, Any] | None) -> None:
        """Connect, make our queue, bind it and consume. The queue is the cursor: ``cursor`` is not used.

        Raises ``ProviderDown`` or ``SignedOut``, with the reason of each broker that was tried.
        """
        if self._options is None:
            raise ProviderDown(f"{self._provider.name}: the provider has no amqp: section in providers.yaml")
        self._stopping = False
        with self._talking():
            if self._wire is not None:
                return
            self._wire, broker = self._connect(self._options)
            try:
                layout = BusLayout(self._provider.name, self._options, self._wire.channel)
                layout.declare()
                self.kept = layout.kept
                self._intake = self._consume(self._wire)
            except BROKEN as error:
                self._close()
                raise ProviderDown(
                    f"{self._provider.name}: {broker} ended the conversation: {reason(error)}"
                ) from error
            except BaseException:
                self._close()
                raise
            if self._stopping:
                self._close()

    def stop(self) -> None:
        """Close the connection. What was not acknowledged stays in the queue."""
        self._stopping = True
        # A signal handler interrupts the very thread that reads: that one sees the flag when it goes on.
        if self._talker != threading.get_ident() and self._lock.acquire(timeout=2 * GOODBYE_SECONDS):
            try:
                self._close()
            finally:
                self._lock.release()

    def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
        """Batches of what comes until a lull. Raises ``ProviderDown`` when the connection is lost."""
        while not self._stopping:
            with self._talking():
                try:
                    batch = self._next(wait, limit)
                except BROKEN as error:
                    self._close()
                    if self._stopping:
                        return
                    raise ProviderDown(
                        f"{self._provider.name}: the connection to the broker was lost: {reason(error)}"
                    ) from error
            if batch is None:
                break
            yield batch
            wait = 0.0
        if self._stopping:
            self.stop()

    def _next(self, wait: float, limit: int) -> Batch | None:
        if self._stopping:
            return None
        wire = self._wire
        if wire is None:
            raise ConnectionError("there is no connection; start the monitor")
        if self._intake is None:
            self._intake = self._consume(wire)
        try:
            if not self._first(wire, self._intake.arrived, wait):
                return None
            # In a stream a little company is worth the wait: a batch of one costs nearly as much as one of ten.
            in_stream = time.monotonic() - self._filled_at < STREAM_SECONDS
            _fill(wire, self._intake.arrived, limit, STREAM_LULL_SECONDS if in_stream else LULL_SECONDS)
            self._filled_at = time.monotonic()
        finally:
            wire.be_patient()
        taken = self._intake.take(limit)
        return self._batch(self._intake, taken, more=len(taken) >= limit)

    def _first(self, wire: Wire, arrived: list[Any], wait: float) -> bool:
        """Wait for a message. False where none came in time, or the monitor is to stop."""
        deadline = time.monotonic() + wait
        wire.heartbeat()
        while not arrived:
            left = deadline - time.monotonic()
            if not wire.read_one(min(GLANCE_SECONDS, max(left, LULL_SECONDS))) and left <= LULL_SECONDS:
                return False
            if self._stopping:
                return False
            wire.heartbeat()
        return True

    def _batch(self, intake: Intake, taken: list[Any], *, more: bool) -> Batch:
        first = taken[0].delivery_tag
        return Batch(
            [Notification(message.body, self._road(message.delivery_info)) for message in taken],
            more=more,
            ack=lambda: self._ack(intake, first),
            reject=lambda: self._reject(intake, first),
        )

    def _road(self, delivery: dict[str, Any]) -> str:
        key = (delivery["exchange"], delivery["routing_key"])
        road = self._roads.get(key)
        if road is None:
            if len(self._roads) > 1000:  # Names come from the bus.
                self._roads.clear()
            road = self._roads[key] = _printable(f"amqp {key[0]} {key[1]}")
        return road

    def _ack(self, intake: Intake, first: int) -> None:
        """On a channel that is gone the broker has taken the batch back: it comes again, and the ledger knows it."""
        with self._talking():
            if intake is self._intake and intake.is_open(first):
                self._tell(lambda: intake.ack(first))

    def _reject(self, intake: Intake, first: int) -> None:
        with self._talking():
            if intake is self._intake and intake.is_open(first):
                self._intake = None
                self._tell(intake.give_back)

    def _tell(self, what: Callable[[], None]) -> None:
        try:
            what()
        except BROKEN as error:
            log.warning("a batch is delivered again", provider=self._provider.name, error=reason(error))
            self._close()

    def _connect(self, options: Amqp) -> tuple[Wire, Broker]:
        """A connection to the first broker that takes one."""
        refusals: list[str] = []
        signed_out = False
        for broker in options.brokers():
            try:
                return _open(broker, options), broker
            except BROKEN as error:
                signed_out |= isinstance(error, AccessRefused)
                refusals.append(f"{broker} {refusal(broker, error)}")
        message = f"{self._provider.name}: no broker takes a connection: {'; '.join(refusals)}"
        raise SignedOut(message) if signed_out else ProviderDown(message)

    def _consume(self, wire: Wire) -> Intake:
        assert self._options is not None
        queue = self._options.queue_name(self._provider.name)
        return Intake(wire.channel(), queue, self._options.prefetch)

    def _close(self) -> None:
        wire, self._wire, self._intake = self._wire, None, None
        if wire is not None:
            wire.close()

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """One thread at a time talks on the connection."""
        with self._lock:
            self._talker = threading.get_ident()
            try:
                yield
            finally:
                self._talker = None


def _fill(wire: Wire, arrived: list[Any], limit: int, lull: float) -> None:
    """Read on until a lull, or until the batch is full."""
    size = sum(len(message.body) for message in arrived)
    patient_until = time.monotonic() + max(FILL_SECONDS, lull)
    while len(arrived) < limit and size < FILL_BYTES and wire.read_one(lull):
        size += len(arrived[-1].body)
        if time.monotonic() > patient_until:
            lull = BACKLOG_SECONDS


def _printable(road: str) -> str:
    """A sender chooses the routing key; the ledger must be able to keep it."""
    return "".join(character if character.isprintable() else "?" for character in road[:200])


def _open(broker: Broker, options: Amqp) -> Wire:
    connection = Connection(
        broker.host,
        userid=broker.user,
        password=broker.password,
        virtual_host=broker.virtual_host,
        port=broker.port,
        ssl=options.tls.settings(broker) if broker.tls else False,
        connect_timeout=options.connect_seconds,
        heartbeat=options.heartbeat_seconds,
        transport="pyamqp",
    )
    # Not connection.connect(): it tries twice with two seconds between, and the next broker waits meanwhile.
    return Wire(connection.transport.establish_connection())
