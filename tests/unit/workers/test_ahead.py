"""The listener stores one batch behind its reader, and acknowledges what is stored."""

from __future__ import annotations

import threading

import pytest

from tasks.catch.ahead import Ahead
from tasks.model.event import Notification
from tasks.providers.contracts import Batch


class Source:
    """Batches that note what became of them."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def batch(self, name: str) -> Batch:
        return Batch(
            [Notification(name, "bus")],
            ack=lambda: self.log.append(f"ack {name}"),
            reject=lambda: self.log.append(f"reject {name}"),
        )


def test_the_next_batch_is_read_while_one_is_stored_and_each_is_acknowledged_after_its_commit() -> None:
    source, go = Source(), threading.Event()

    def store(batch: Batch) -> None:
        assert go.wait(10)
        source.log.append(f"stored {batch.notifications[0].body!s}")

    with Ahead(store) as ahead:
        ahead.take(source.batch("one"))
        assert source.log == [], "the reader goes on at once"
        go.set()
        ahead.take(source.batch("two"))
        assert source.log[:2] == ["stored one", "ack one"]
    assert source.log == ["stored one", "ack one", "stored two", "ack two"]


def test_after_a_failure_nothing_later_is_stored() -> None:
    source = Source()

    def store(batch: Batch) -> None:
        raise OSError("the disk is full")

    ahead = Ahead(store)
    ahead.take(source.batch("one"))
    with pytest.raises(OSError, match="full"):
        ahead.take(source.batch("two"))
    ahead.__exit__()
    assert source.log == ["reject one"]


def test_a_failure_of_the_last_batch_is_raised_when_the_block_ends() -> None:
    source = Source()

    def store(batch: Batch) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"), Ahead(store) as ahead:
        ahead.take(source.batch("one"))
    assert source.log == ["reject one"]
