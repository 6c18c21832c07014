"""The contract of monitors as tests (:class:`tasks.providers.contracts.Monitor`), for packages that bring one as well.

It needs pytest, which Catchment itself does not. The tests of a monitor derive from :class:`MonitorContract`, name the
class as ``monitor`` and have a fixture ``source`` that says how to reach its source. One that reads from nothing
derives from :class:`LifeContract`; one that holds a connection open, from :class:`ConnectionContract`.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import pytest

from tasks.model.errors import ProviderDown, SignedOut
from tasks.model.event import Notification
from tasks.providers.contracts import Batch, Monitor, ProviderConfig


class Source(ABC):
    """What a monitor's tests tell the contract about the source, and let happen there."""

    @abstractmethod
    def provider(self) -> ProviderConfig:
        """A provider that the monitor can serve."""

    @abstractmethod
    def unreachable(self) -> ProviderConfig:
        """One whose source does not answer."""

    @abstractmethod
    def publish(self, names: list[str]) -> None:
        """Let a notification of each name happen, one after the other."""

    @abstractmethod
    def name_of(self, notification: Notification) -> str:
        """The name of a notification."""


class HeldSource(Source):
    """A source to which the monitor holds a connection."""

    #: Seconds within which a lost connection must be told.
    patience: float = 10.0

    @abstractmethod
    def connections(self) -> int:
        """How many connections the monitors have open."""

    @abstractmethod
    def sever(self) -> None:
        """Break all connections, and take no new ones."""

    @abstractmethod
    def restore(self) -> None:
        """Take connections again."""


class Catcher:
    """Does with a monitor's batches what catch does: keeps them and the cursor, and acknowledges."""

    def __init__(self, kind: type[Monitor], source: Source) -> None:
        self._kind = kind
        self._source = source
        self._published = 0
        self.cursor: dict[str, Any] | None = None
        self.monitor = kind(source.provider())

    def start(self) -> Monitor:
        """A new monitor, at the cursor that was kept."""
        self.monitor.stop()
        self.monitor = self._kind(self._source.provider())
        self.monitor.start(self.cursor)
        return self.monitor

    def publish(self, number: int) -> list[str]:
        """Let so many notifications happen; returns their names."""
        names = [f"n-{self._published + i:05}" for i in range(number)]
        self._published += number
        self._source.publish(names)
        return names

    def names(self, batch: Batch) -> list[str]:
        """The names of a batch's notifications."""
        return [self._source.name_of(notification) for notification in batch.notifications]

    def keep(self, batch: Batch) -> list[str]:
        """Keep a batch; returns its names."""
        if batch.cursor is not None:
            self.cursor = batch.cursor
        batch.ack()
        return self.names(batch)

    def until(self, number: int, *, limit: int = 100, seconds: float = 20.0) -> list[str]:
        """Keep what comes until there are so many notifications, or the time is over."""
        found: list[str] = []
        deadline = time.monotonic() + seconds
        while len(found) < number and time.monotonic() < deadline:
            for batch in self.monitor.batches(wait=0.5, limit=limit):
                assert len(batch.notifications) <= limit
                found += self.keep(batch)
        return found

    def first(self, *, limit: int = 100) -> Batch:
        """The next batch that has notifications, not kept."""
        for batch in self.monitor.batches(wait=5, limit=limit):
            if batch.notifications:
                return batch
        raise AssertionError("no batch came")


class LifeContract:
    """What holds for every monitor."""

    monitor: ClassVar[type[Monitor]]

    @pytest.fixture
    def source(self) -> Any:
        """The monitor's source, empty."""
        raise NotImplementedError

    def test_class_says_what_the_table_needs(self) -> None:
        assert isinstance(self.monitor.name, str)
        assert self.monitor.name not in ("", "auto")
        assert isinstance(self.monitor.priority, int)
        assert isinstance(self.monitor.push, bool)

    def test_available_says_yes_where_it_can_serve(self, source: Source) -> None:
        assert self.monitor.available(source.provider()).ok

    def test_start_and_stop_may_be_called_again_and_in_any_order(self, source: Source) -> None:
        monitor = self.monitor(source.provider())
        monitor.stop()
        for _ in range(2):
            monitor.start(None)
            monitor.start(None)
            assert _notifications(monitor.batches(wait=0, limit=10)) == []
            monitor.stop()
            monitor.stop()

    def test_batches_end_when_nothing_waits(self, source: Source) -> None:
        monitor = self.monitor(source.provider())
        monitor.start(None)
        began = time.monotonic()
        assert _notifications(monitor.batches(wait=0.5, limit=10)) == []
        assert time.monotonic() - began < 3
        monitor.stop()

    def test_stop_from_another_thread_ends_the_batches_soon(self, source: Source) -> None:
        monitor = self.monitor(source.provider())
        monitor.start(None)
        stopper = threading.Timer(0.5, monitor.stop)
        began = time.monotonic()
        stopper.start()
        while stopper.is_alive() and time.monotonic() - began < 10:
            try:
                assert _notifications(monitor.batches(wait=30, limit=10)) == []
            except ProviderDown:
                assert stopper.finished.is_set()
        stopper.join(timeout=5)
        assert not stopper.is_alive()
        assert time.monotonic() - began < 4


class MonitorContract(LifeContract):
    """What holds for every monitor that reads from a source."""

    @pytest.fixture
    def catcher(self, source: Source) -> Iterator[Catcher]:
        """A catcher on a started monitor, stopped afterwards."""
        catcher = Catcher(self.monitor, source)
        catcher.start()
        yield catcher
        catcher.monitor.stop()

    def test_available_says_no_quickly_and_why(self, source: Source) -> None:
        began = time.monotonic()
        availability = self.monitor.available(source.unreachable())
        assert time.monotonic() - began < 10
        assert not availability.ok
        assert len(availability.reason) > 10

    def test_available_takes_nothing_away(self, source: Source, catcher: Catcher) -> None:
        sent = catcher.publish(3)
        assert self.monitor.available(source.provider()).ok
        assert catcher.until(3) == sent

    def test_source_that_does_not_answer_is_told_with_the_providers_name(self, source: Source) -> None:
        monitor = self.monitor(source.unreachable())

        def begin() -> None:
            monitor.start(None)
            _notifications(monitor.batches(wait=0, limit=10))

        with pytest.raises((ProviderDown, SignedOut), match=source.unreachable().name):
            begin()
        monitor.stop()

    def test_everything_comes_once_and_in_order(self, catcher: Catcher) -> None:
        sent = catcher.publish(150)
        assert catcher.until(150, limit=40) == sent
        sent = catcher.publish(7)
        catcher.start()
        assert catcher.until(7, limit=40) == sent

    def test_what_comes_while_nobody_reads_is_caught(self, catcher: Catcher) -> None:
        sent = catcher.publish(2)
        assert catcher.until(2) == sent
        catcher.monitor.stop()
        sent = catcher.publish(30)
        catcher.start()
        assert catcher.until(30) == sent

    def test_batch_that_is_not_acknowledged_comes_again(self, catcher: Catcher) -> None:
        sent = catcher.publish(25)
        assert catcher.names(catcher.first(limit=10)) == sent[:10]
        catcher.start()
        assert catcher.until(25, limit=10) == sent

    def test_batch_that_is_rejected_comes_again_whole(self, catcher: Catcher) -> None:
        sent = catcher.publish(25)
        catcher.keep(catcher.first(limit=10))
        rejected = catcher.first(limit=10)
        assert len(rejected.notifications) > 1
        assert catcher.names(rejected) == sent[10 : 10 + len(rejected.notifications)]
        rejected.reject()
        catcher.start()
        assert catcher.until(15, limit=10) == sent[10:]

    def test_acknowledged_batch_does_not_come_again(self, catcher: Catcher) -> None:
        sent = catcher.publish(20)
        assert catcher.keep(catcher.first(limit=10)) == sent[:10]
        catcher.start()
        assert catcher.until(10, limit=10) == sent[10:]
        catcher.start()
        assert catcher.until(1, seconds=1) == []

    def test_ack_and_reject_may_be_called_again_and_late(self, catcher: Catcher) -> None:
        sent = catcher.publish(10)
        batch = catcher.first()
        assert catcher.keep(batch) == sent
        batch.ack()
        batch.reject()
        catcher.start()
        batch.ack()
        batch.reject()
        sent = catcher.publish(1)
        assert catcher.until(1) == sent


class ConnectionContract(MonitorContract):
    """What holds for every monitor that holds a connection open."""

    @pytest.fixture
    def source(self) -> Any:
        """The monitor's source, empty."""
        raise NotImplementedError

    def test_available_leaves_no_connection(self, source: HeldSource) -> None:
        assert self.monitor.available(source.provider()).ok
        assert _settles(source.connections)

    def test_stop_leaves_no_connection(self, source: HeldSource, catcher: Catcher) -> None:
        catcher.publish(1)
        catcher.until(1)
        assert source.connections() == 1
        catcher.monitor.stop()
        assert _settles(source.connections)

    def test_lost_connection_is_told_in_time_and_nothing_is_lost(self, source: HeldSource, catcher: Catcher) -> None:
        sent = catcher.publish(5)
        assert catcher.until(5) == sent
        source.sever()
        began = time.monotonic()
        with pytest.raises(ProviderDown):
            _notifications(catcher.monitor.batches(wait=source.patience, limit=10))
        assert time.monotonic() - began < source.patience
        source.restore()
        sent = catcher.publish(5)
        catcher.monitor.start(catcher.cursor)
        assert catcher.until(5) == sent


def _notifications(batches: Iterable[Batch]) -> list[Notification]:
    return [notification for batch in batches for notification in batch.notifications]


def _settles(count: Callable[[], int], seconds: float = 10.0) -> bool:
    """Whether a count comes down to nothing in time."""
    deadline = time.monotonic() + seconds
    while count() > 0:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
