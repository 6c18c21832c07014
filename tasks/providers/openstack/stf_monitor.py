"""Service Telemetry Framework's AMQP 1.0 topic, acknowledged after the commit (spec capture 1.6; 9 B2, B5, B6, B12).

Bodies are handed over whole: all events of a message are taken, and one that cannot be read hinders no other.
The library behind it is an extra, see :func:`tasks.providers.openstack.stf_wire.proton`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import structlog

from tasks.model.errors import CatchmentError, ProviderDown, SignedOut
from tasks.model.event import Notification
from tasks.providers.contracts import Availability, Batch, ProviderConfig
from tasks.providers.openstack.stf_options import Stf
from tasks.providers.openstack.stf_wire import GOODBYE_SECONDS, Lost, NotLetIn, StfWire, Taken

log = structlog.get_logger(__name__)

#: A pause this long in the stream ends a batch.
LULL_SECONDS = 0.03
#: After this time a batch waits for nothing more; it is filled only with what is there already.
FILL_SECONDS = 0.1
BACKLOG_SECONDS = 0.001
#: So many bytes fill a batch as well.
FILL_BYTES = 8 * 1024 * 1024
#: How often a waiting monitor looks whether it is to stop.
GLANCE_SECONDS = 0.2


class StfMonitor:
    """Consumes the topic that Ceilometer publishes its events on.

    One thread starts it and reads; ``stop`` may come from any thread.
    """

    name: ClassVar[str] = "stf"
    priority: ClassVar[int] = 3
    push: ClassVar[bool] = True

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider
        self._options: Stf | None = provider.options.stf
        self._wire: StfWire | None = None
        self._attached = False
        #: Batches that are neither acknowledged nor given back, by a number of their own.
        self._open: dict[int, list[Taken]] = {}
        self._number = 0
        self._stopping = False
        self._lock = threading.Lock()
        self._talker: int | None = None

    @classmethod
    def available(cls, provider: ProviderConfig) -> Availability:
        """Open and close a connection with a receiver that takes nothing."""
        try:
            monitor = cls(provider)
            if monitor._options is None:
                return Availability(False, "the provider has no stf: section in providers.yaml")
            monitor._connect(monitor._options, credit=0).close()
        except CatchmentError as error:
            return Availability(False, str(error))
        except Exception as error:  # noqa: BLE001 - the contract: it never raises
            return Availability(False, f"asking the router failed: {type(error).__name__}: {error}")
        return Availability(True)

    def start(self, cursor: dict[str, Any] | None) -> None:
        """Connect and subscribe. The topic has no position: ``cursor`` is not used.

        Raises ``ProviderDown``, also where the library is not installed, or ``SignedOut``.
        """
        if self._options is None:
            raise ProviderDown(f"{self._provider.name}: the provider has no stf: section in providers.yaml")
        self._stopping = False
        with self._talking():
            if self._wire is None:
                self._wire = self._connect(self._options, credit=self._options.prefetch)
                self._attached = True
            if self._stopping:
                self._close()

    def stop(self) -> None:
        """Close the connection. What was not acknowledged stays with the source."""
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
                except Lost as error:
                    self._close()
                    if self._stopping:
                        return
                    raise ProviderDown(
                        f"{self._provider.name}: the connection to the router was lost: {error}"
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
        if wire is None or self._options is None:
            raise Lost("there is no connection; start the monitor")
        if not self._attached:
            wire.attach(self._options.prefetch)
            self._attached = True
        if not self._first(wire, wait):
            return None
        _fill(wire, limit)
        return self._batch(wire, limit, self._options.address)

    def _first(self, wire: StfWire, wait: float) -> bool:
        """Wait for a message. False where none came in time, or the monitor is to stop."""
        deadline = time.monotonic() + wait
        while not wire.arrived:
            left = deadline - time.monotonic()
            if not wire.read(min(GLANCE_SECONDS, max(left, LULL_SECONDS))) and left <= LULL_SECONDS:
                return False
            if self._stopping:
                return False
        return True

    def _batch(self, wire: StfWire, limit: int, address: str) -> Batch:
        taken = wire.arrived[:limit]
        del wire.arrived[:limit]
        number = self._number = self._number + 1
        self._open[number] = taken
        return Batch(
            [Notification(one.body, f"stf {address[:200]}") for one in taken],
            more=len(taken) >= limit,
            ack=lambda: self._ack(number),
            reject=lambda: self._reject(number),
        )

    def _ack(self, number: int) -> None:
        """On a connection that is gone the batch comes again, and the ledger knows it."""
        with self._talking():
            taken = self._open.pop(number, None)
            if taken is not None and self._wire is not None:
                try:
                    self._wire.accept(taken)
                except Lost as error:
                    self._told_late(error)

    def _reject(self, number: int) -> None:
        """Give back all that is open, so that it comes again in its order."""
        with self._talking():
            if number in self._open and self._wire is not None:
                self._open.clear()
                self._attached = False
                try:
                    self._wire.detach()
                except Lost as error:
                    self._told_late(error)

    def _told_late(self, error: Lost) -> None:
        log.warning("a batch is delivered again", provider=self._provider.name, error=str(error))
        self._close()

    def _connect(self, options: Stf, *, credit: int) -> StfWire:
        name = self._provider.name
        try:
            wire = StfWire(options)
        except NotLetIn as error:
            raise SignedOut(f"{name}: {options.peer} {error}") from error
        except Lost as error:
            raise ProviderDown(f"{name}: {options.peer} takes no connection: {error}") from error
        try:
            wire.attach(credit)
        except Lost as error:
            wire.close()
            raise ProviderDown(f"{name}: {options.peer} does not let us read {options.address!r}: {error}") from error
        return wire

    def _close(self) -> None:
        wire, self._wire, self._attached = self._wire, None, False
        self._open.clear()
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


def _fill(wire: StfWire, limit: int) -> None:
    """Read on until a lull, or until the batch is full."""
    counted = size = 0
    patient_until, lull = time.monotonic() + FILL_SECONDS, LULL_SECONDS
    while True:
        size += sum(len(taken.body) for taken in wire.arrived[counted:])
        counted = len(wire.arrived)
        if counted >= limit or size >= FILL_BYTES or not wire.read(lull):
            return
        if time.monotonic() > patient_until:
            lull = BACKLOG_SECONDS
