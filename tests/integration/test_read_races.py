"""Reads, lists and wishes at once: the last word is the cloud's, and a list of any length needs little memory."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest

from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import FULL, all_of
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Reading
from tasks.providers.table import kinds
from tasks.refresh import refresher, targets
from tasks.refresh.lists import ListRead
from tasks.refresh.refresher import refresh
from tests.ground import installed, only_postgresql, provider
from tests.refresh_ground import FakeCloud, known, target_states, wish

REFS = [ObjectRef("server", f"s{n}") for n in range(4)]


@only_postgresql
def test_last_change_is_known_whatever_reads_and_lists_were_under_way(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = FakeCloud()
    table = {"openstack": replace(kinds()["openstack"], inventory=cloud.reader())}
    monkeypatch.setattr(refresher, "kinds", lambda: table)
    monkeypatch.setattr(refresher, "WAIT", 0.05)
    cloud.objects.update({ref: {"n": 0} for ref in REFS})
    present, lab = installed(ledger, refresh={"settle_seconds": 0, "escalate": 3, "parallel": 2}), provider(ledger)
    over, failures = threading.Event(), list[BaseException]()

    def follow() -> None:
        try:
            while not over.is_set():
                refresh(Installation(ledger, present.sites, host=threading.current_thread().name))
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=follow, name=f"reader{n}") for n in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 61):
        ref = REFS[number % 4]
        # First the object changes, then its event comes, as in life.
        cloud.objects[ref] = {"n": number}
        wish(present, lab, ref)
        if number % 10 == 0:
            wish(present, lab, all_of("server"))
    over.set()
    for reader in readers:
        reader.join()
    assert failures == []
    refresh(present)
    assert set(target_states(ledger).values()) == {"read"}
    for ref in REFS:
        found = known(ledger, ref)
        assert found is not None
        assert found.attributes == cloud.objects[ref]


class Endless:
    """A reader that makes objects as they are asked for and keeps none."""

    kinds: ClassVar[tuple[str, ...]] = ("server",)

    def __init__(self, objects: int) -> None:
        self._objects = objects

    def read(self, ref: ObjectRef) -> Reading:
        raise NotImplementedError

    def read_all(self, kind: str) -> Iterator[Reading]:
        for number in range(self._objects):
            yield Reading(ObjectRef(kind, f"{number:08}"), "name", "red", {"text": f"{number} " * 200})

    def close(self) -> None:
        return


def _peak(present: Installation, lab: int, objects: int) -> int:
    wish(present, lab, FULL)
    with present.ledger.transaction() as session:
        taken = targets.take_this(session, "me", present.site.settings.refresh, clock.now(), lab, FULL)
    assert taken is not None
    tracemalloc.start()
    try:
        ListRead(present, Endless(objects), taken, "me", lambda _lanes: None).run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
def test_five_times_as_many_objects_need_no_more_memory(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    _peak(present, lab, 400)
    few, many = _peak(present, lab, 400), _peak(present, lab, 2000)
    assert many < 1.5 * few, (few, many)
