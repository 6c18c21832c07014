"""The event monitors against the simulated cloud: sign-in, catalogue, storm, faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from tasks.model.errors import ProviderDown, SignedOut, Transient
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack import session as cloud_sessions
from tasks.providers.openstack.ceilometer_monitor import CeilometerMonitor
from tasks.providers.openstack.event_api import EventApiMonitor
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.openstack.panko_monitor import PankoMonitor

KINDS = pytest.mark.parametrize("kind", [PankoMonitor, CeilometerMonitor])


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(World(seed=11)) as running:
        yield running


def provider(cloud: Cloud, folder: Path, **entry: str) -> ProviderConfig:
    path = folder / "clouds.yaml"
    path.write_text(clouds_yaml(cloud.url, **entry))
    made = cloud_sessions.cloud_session("demo", path)
    return ProviderConfig("north", "openstack", OpenStackOptions(cloud="demo"), lambda: made)


def storm(cloud: Cloud, count: int, start: int = 0) -> list[str]:
    world = cloud.world
    for number in range(start, start + count):
        payload = {"tenant_id": world.project("demo").id, "volume_id": f"v{number}"}
        world.publish(world.actor(), "openstack", "volume.create.end", "volume.storage1", payload)
    return [f"v{number}" for number in range(start, start + count)]


def read(monitor: EventApiMonitor, cursor: dict[str, object] | None) -> tuple[list[str], dict[str, object] | None]:
    """The volumes whose events a poll brings, and the cursor after it."""
    monitor.start(cursor)
    found: list[str] = []
    for batch in monitor.batches(wait=0, limit=70):
        for notification in batch.notifications:
            assert isinstance(notification.body, dict)
            traits = {trait["name"]: trait["value"] for trait in notification.body["traits"]}
            if notification.body["event_type"] == "volume.create.end":
                found.append(str(traits.get("resource_id")))
        cursor = batch.cursor
        batch.ack()
    return found, cursor


@KINDS
def test_a_storm_is_read_once_and_in_order(kind: type[EventApiMonitor], cloud: Cloud, tmp_path: Path) -> None:
    config = provider(cloud, tmp_path)
    assert kind.available(config).ok
    _, cursor = read(kind(config), None)
    sent = storm(cloud, 420)
    found, cursor = read(kind(config), cursor)
    assert found == sent
    sent = storm(cloud, 5, start=1000)
    found, cursor = read(kind(config), cursor)
    assert found == sent


@KINDS
def test_an_expired_token_is_renewed(kind: type[EventApiMonitor], cloud: Cloud, tmp_path: Path) -> None:
    monitor = kind(provider(cloud, tmp_path))
    _, cursor = read(monitor, None)
    cloud.expire_tokens()
    sent = storm(cloud, 3)
    assert read(monitor, cursor)[0] == sent


@KINDS
def test_a_wrong_password_is_signed_out(kind: type[EventApiMonitor], cloud: Cloud, tmp_path: Path) -> None:
    config = provider(cloud, tmp_path, password="wrong")
    assert not kind.available(config).ok
    with pytest.raises(SignedOut, match=r"signing in failed|refuses the credentials"):
        read(kind(config), None)


@KINDS
def test_faults_are_told_and_lose_nothing(kind: type[EventApiMonitor], cloud: Cloud, tmp_path: Path) -> None:
    monitor = kind(provider(cloud, tmp_path))
    _, cursor = read(monitor, None)
    sent = storm(cloud, 10)
    cloud.faults.truncate(path="/v2/events")
    cloud.faults.garbage(path="/v2/events")
    cloud.faults.reset(path="/v2/events")
    cloud.faults.answer(503, path="/v2/events", retry_after="9")
    pauses = []
    for _ in range(4):
        with pytest.raises(Transient) as raised:
            read(monitor, cursor)
        pauses.append(raised.value.after)
    assert pauses == [None, None, None, 9.0]
    assert read(monitor, cursor)[0] == sent


@KINDS
def test_an_answer_beyond_the_bound_is_not_read(
    kind: type[EventApiMonitor], cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = kind(provider(cloud, tmp_path))
    storm(cloud, 90)
    monkeypatch.setattr(cloud_sessions, "ANSWER_BYTES", 8192)
    with pytest.raises(ProviderDown):
        read(monitor, None)


@KINDS
def test_a_service_that_the_catalogue_lacks_is_no_source(
    kind: type[EventApiMonitor], cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = provider(cloud, tmp_path)
    monkeypatch.setattr(kind, "service", "no-such-service")
    answer = kind.available(config)
    assert not answer.ok
    assert "the catalogue has no no-such-service service" in answer.reason
