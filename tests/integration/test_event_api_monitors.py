"""The event monitors against the simulated cloud: the contract, the catalogue, outages, and what a poll costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from examples.cloud.event_store import EventStore
from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from tasks.model.errors import ProviderDown
from tasks.model.event import Notification
from tasks.providers.choose import choose
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.ceilometer_monitor import CeilometerMonitor
from tasks.providers.openstack.event_api import EventApiMonitor
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.panko_monitor import PankoMonitor
from tasks.providers.table import kinds
from tasks.site.signin import SignIn
from tests.monitor_contract import Catcher, MonitorContract, Source

KINDS = pytest.mark.parametrize(("kind", "path"), [(PankoMonitor, "/event"), (CeilometerMonitor, "/metering")])


class CloudSource(Source):
    """A cloud whose telemetry has no event yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        began, ticks = datetime.now(UTC) - timedelta(minutes=10), count()
        # No two events have one moment, so that there is one order alone.
        self.world = World(seed=3, clock=lambda: began + timedelta(milliseconds=next(ticks)))
        self.world.events = EventStore()
        self.cloud = Cloud(self.world).start()

    def provider(self, *, timeout: float | None = None) -> ProviderConfig:
        return self._provider(self.cloud.url, "" if timeout is None else f"    api_timeout: {timeout}\n")

    def unreachable(self) -> ProviderConfig:
        return self._provider("http://127.0.0.1:1")

    def publish(self, names: list[str]) -> None:
        for name in names:
            payload = {"tenant_id": self.world.project("demo").id, "volume_id": name}
            self.world.publish(self.world.actor(), "openstack", "volume.create.end", "volume.storage1", payload)

    def name_of(self, notification: Notification) -> str:
        assert isinstance(notification.body, dict)
        traits = {trait["name"]: trait["value"] for trait in notification.body["traits"]}
        return str(traits["resource_id"])

    def _provider(self, url: str, more: str = "") -> ProviderConfig:
        file = self._folder / f"clouds-{len(list(self._folder.iterdir()))}.yaml"
        file.write_text(clouds_yaml(url) + more)
        options = OpenStackOptions(cloud="demo", page_limit=20)
        return ProviderConfig("north", "openstack", options, SignIn("demo", file))


@pytest.fixture
def source(tmp_path: Path) -> Iterator[CloudSource]:
    source = CloudSource(tmp_path)
    yield source
    source.cloud.stop()


class OnTheCloud(MonitorContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[Source]:
        source = CloudSource(tmp_path)
        yield source
        source.cloud.stop()


class TestPanko(OnTheCloud):
    monitor = PankoMonitor


class TestCeilometer(OnTheCloud):
    monitor = CeilometerMonitor


@KINDS
def test_outage_is_told_and_what_happened_meanwhile_is_read_after_it(
    kind: type[EventApiMonitor], path: str, source: CloudSource, tmp_path: Path
) -> None:
    catcher = Catcher(kind, source)
    catcher.start()
    sent = catcher.publish(5)
    assert catcher.until(5) == sent
    port = int(source.cloud.url.rpartition(":")[2])
    source.cloud.stop()
    sent = catcher.publish(45)
    for _ in range(2):
        with pytest.raises(ProviderDown, match="north"):
            list(catcher.monitor.batches(wait=0, limit=10))
    source.cloud = Cloud(source.world, port=port).start()
    catcher.monitor.start(catcher.cursor)
    assert catcher.until(45) == sent


@KINDS
def test_answer_that_is_too_slow_is_a_failure_in_time_and_loses_nothing(
    kind: type[EventApiMonitor], path: str, source: CloudSource
) -> None:
    source.publish(["a", "b"])
    monitor = kind(source.provider(timeout=0.5))
    monitor.start(None)
    source.cloud.faults.slow(3, path=path)
    began = time.monotonic()
    with pytest.raises(ProviderDown, match="did not answer in time"):
        list(monitor.batches(wait=0, limit=10))
    assert time.monotonic() - began < 2.5
    monitor.start(None)
    batches = list(monitor.batches(wait=0, limit=10))
    assert [source.name_of(n) for batch in batches for n in batch.notifications] == ["a", "b"]


@KINDS
def test_service_is_found_below_its_path_and_a_quiet_poll_asks_little(
    kind: type[EventApiMonitor], path: str, source: CloudSource
) -> None:
    catcher = Catcher(kind, source)
    catcher.start()
    sent = catcher.publish(45)
    assert catcher.until(45) == sent
    asked = f"GET {path}/v2/events"
    before = source.cloud.requests[asked]
    assert before > 0
    catcher.start()
    assert list(catcher.monitor.batches(wait=0, limit=10)) == []
    # All 45 events are younger than the back-read: three pages of them, and that nothing follows.
    assert source.cloud.requests[asked] - before <= 4
    signing_in = {"GET /identity/v3", "GET /identity", "POST /identity/v3/auth/tokens"}
    assert set(source.cloud.requests) - signing_in == {asked}


@KINDS
def test_token_is_fetched_once_for_many_polls(kind: type[EventApiMonitor], path: str, source: CloudSource) -> None:
    monitor = kind(source.provider())
    for _ in range(5):
        monitor.start(None)
        list(monitor.batches(wait=0, limit=10))
        monitor.stop()
    assert source.cloud.requests["POST /identity/v3/auth/tokens"] == 1


def test_auto_takes_panko_and_ceilometer_where_the_catalogue_has_no_panko(source: CloudSource) -> None:
    openstack = kinds()["openstack"]
    choice = choose(openstack, source.provider())
    assert choice.monitor_class is PankoMonitor
    assert [name for name, _ in choice.passed_over] == ["amqp", "stf"]
    source.world.absent.add("event")
    choice = choose(openstack, source.provider())
    assert choice.monitor_class is CeilometerMonitor
    assert "the catalogue has no event service" in dict(choice.passed_over)["panko"]
    source.world.absent.add("metering")
    with pytest.raises(ProviderDown, match=r"(?s)no amqp: section.*no event service.*no metering service"):
        choose(openstack, source.provider())
    source.world.absent.clear()
    assert choose(openstack, source.provider()).monitor_class is PankoMonitor
