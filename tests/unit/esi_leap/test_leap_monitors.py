"""The two roads: the bus monitor with ESI Leap's own layout, and the poll of the event history."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.esi.leases import Leases
from examples.esi.running import LeapApi
from tasks.model.errors import ProviderDown, SignedOut
from tasks.model.event import Notification
from tasks.providers.choose import choose
from tasks.providers.contracts import ProviderConfig
from tasks.providers.esi_leap.events_monitor import EventsMonitor
from tasks.providers.esi_leap.options import LeapOptions
from tasks.providers.table import kinds
from tests.monitor_contract import Catcher, MonitorContract, Source
from tests.unit.esi_leap.leap_ground import provider


class HistorySource(Source):
    """A service whose history is empty."""

    def __init__(self, api: LeapApi, folder: Path) -> None:
        self._api, self._folder = api, folder
        api.shuffle = lambda rows: random.Random(5).sample(rows, len(rows))

    def provider(self) -> ProviderConfig:
        return provider(self._api, self._folder)

    def unreachable(self) -> ProviderConfig:
        config = provider(self._api, self._folder)
        text = self._api.clouds_yaml().replace(self._api.url, "http://127.0.0.1:1")
        config.session.clouds_file.write_text(text)  # type: ignore[union-attr]  # a SignIn
        return config

    def publish(self, names: list[str]) -> None:
        for name in names:
            self._api.state.rows.append(row(len(self._api.state.rows) + 1, object_uuid=name))

    def name_of(self, notification: Notification) -> str:
        assert isinstance(notification.body, dict)
        return str(notification.body.get("object_uuid"))


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "event_type": "esi_leap.lease.fulfill.end", "event_time": "2031-05-04T12:00:00.0", **more}


@pytest.fixture
def api() -> Iterator[LeapApi]:
    with LeapApi() as running:
        yield running


class TestEvents(MonitorContract):
    monitor = EventsMonitor

    @pytest.fixture
    def source(self, api: LeapApi, tmp_path: Path) -> Source:
        return HistorySource(api, tmp_path)


def numbers(catcher: Catcher) -> list[int]:
    catcher.start()
    found = []
    for batch in catcher.monitor.batches(wait=0, limit=10):
        catcher.keep(batch)
        found += [n.body["id"] for n in batch.notifications if isinstance(n.body, dict)]
    return found


def test_check_07_an_unordered_answer_is_handled_once_and_the_cursor_is_the_highest(
    api: LeapApi, tmp_path: Path
) -> None:
    api.state.rows = [row(n) for n in (1, 2, 3, 21, 22, 11, 12)]
    catcher = Catcher(EventsMonitor, HistorySource(api, tmp_path))
    api.shuffle = list
    assert numbers(catcher) == [1, 2, 3, 11, 12, 21, 22]
    assert catcher.cursor is not None
    assert catcher.cursor["id"] == 22
    assert numbers(catcher) == []


def test_an_id_that_became_visible_late_is_not_skipped(api: LeapApi, tmp_path: Path) -> None:
    catcher = Catcher(EventsMonitor, HistorySource(api, tmp_path))
    api.state.rows = [row(n) for n in (1, 2, 4)]
    assert numbers(catcher) == [1, 2, 4]
    api.state.rows += [row(3), row(5)]
    assert numbers(catcher) == [3, 5]
    assert numbers(catcher) == []


def test_the_overlap_bounds_what_is_read_again(api: LeapApi, tmp_path: Path) -> None:
    api.state.rows = [row(n) for n in range(1, 301)]
    monitor = EventsMonitor(provider(api, tmp_path, event_overlap=50))
    monitor.start(None)
    cursors = [batch.cursor for batch in monitor.batches(wait=0, limit=1000)]
    assert cursors == [{"id": 300, "seen": list(range(251, 301))}]
    monitor.start(cursors[-1])
    assert list(monitor.batches(wait=0, limit=10)) == []
    assert api.asked["/v1/events?last_event_id=250"] == 1


def test_history_is_skipped_where_the_operator_says_so(api: LeapApi, tmp_path: Path) -> None:
    api.state.rows = [row(1), row(2)]
    monitor = EventsMonitor(provider(api, tmp_path, event_skip_history=True))
    monitor.start(None)
    [batch] = monitor.batches(wait=0, limit=10)
    assert (batch.notifications, batch.cursor) == ([], {"id": 2, "seen": [1, 2]})
    api.state.rows.append(row(3))
    monitor.start(batch.cursor)
    assert [n.body for b in monitor.batches(wait=0, limit=10) for n in b.notifications] == [row(3)]


def test_rows_that_name_no_id_are_handed_over_and_hold_nothing_up(api: LeapApi, tmp_path: Path) -> None:
    api.state.rows = [row(1)]
    odd: list[Any] = [{"event_type": "x"}, "text", {"id": "7"}]
    api.shuffle = lambda rows: [*odd, *rows]
    monitor = EventsMonitor(provider(api, tmp_path))
    monitor.start(None)
    [batch] = monitor.batches(wait=0, limit=10)
    assert [n.body for n in batch.notifications] == [odd[0], json.dumps("text"), odd[2], row(1)]
    assert batch.cursor == {"id": 1, "seen": [1]}


@pytest.mark.parametrize(("status", "error"), [(500, ProviderDown), (401, SignedOut)])
def test_refusals_are_told_with_the_providers_name(
    api: LeapApi, tmp_path: Path, status: int, error: type[Exception]
) -> None:
    api.refuse = status
    monitor = EventsMonitor(provider(api, tmp_path))
    monitor.start(None)
    with pytest.raises(error, match="esi: lease"):
        list(monitor.batches(wait=0, limit=10))
    assert not EventsMonitor.available(provider(api, tmp_path)).ok


def test_the_history_is_the_choice_where_there_is_no_bus(api: LeapApi, tmp_path: Path) -> None:
    choice = choose(kinds()["esi_leap"], provider(api, tmp_path))
    assert choice.monitor_class is EventsMonitor
    assert "amqp" in dict(choice.passed_over)


def test_the_bus_is_bound_with_all_levels_of_the_services_topic() -> None:
    options = LeapOptions(amqp={"urls": ["amqp://guest@127.0.0.1/%2Fesi"]})
    assert options.amqp is not None
    [exchange] = options.amqp.exchanges
    assert (exchange.exchange, exchange.topics) == ("openstack", ["esi_leap_versioned_notifications.#"])
    assert options.amqp.brokers()[0].virtual_host == "/esi"
    assert options.amqp.queue_name("esi") == "catchment.esi"


def test_the_simulated_service_tells_what_the_real_one_does() -> None:
    told: list[tuple[str, bytes]] = []
    leases = Leases(lambda level, body: told.append((level, body)))
    lease = leases.create("L1", leases.node("n1"))
    leases.fulfil(lease, works=False)
    leases.fulfil(lease)
    leases.delete(lease)
    assert [level for level, _ in told] == ["info", "error", "info", "info", "info", "info"]
    assert [r["event_type"].split(".", 2)[2] for r in leases.rows] == [
        "fulfill.start", "fulfill.error", "fulfill.start", "fulfill.end", "delete.start", "delete.end",
    ]  # fmt: skip
