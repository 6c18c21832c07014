"""What the inventory reader makes of a cloud that refuses, breaks down or is not there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.world import World
from tasks.model.errors import ProviderDown, SignedOut, Transient
from tasks.model.event import ObjectRef
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack import asking
from tasks.providers.openstack.inventory import OpenStackInventory
from tasks.providers.openstack.session import cloud_session

# openstacksdk warns of its own use of what it is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")
NOTHING = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    world = World(seed=13)
    world.volumes.snapshot(next(iter(world.volumes.volumes)), "snap")
    with Cloud(world) as running:
        yield running


def sign_up(cloud: Cloud, folder: Path, **who: str) -> OpenStackInventory:
    path = folder / "clouds.yaml"
    path.write_text(clouds_yaml(cloud.url, **who))
    session = cloud_session("demo", path)
    return OpenStackInventory(ProviderConfig("lab", "openstack", None, lambda: session))


@pytest.fixture
def reader(cloud: Cloud, tmp_path: Path) -> Iterator[OpenStackInventory]:
    found = sign_up(cloud, tmp_path)
    yield found
    found.close()


def server_ref(cloud: Cloud, name: str = "web-1") -> ObjectRef:
    return ObjectRef("server", cloud.world.servers.named(name).id)


@pytest.mark.parametrize("status", [400, 403, 405, 409, 410])
def test_only_404_means_gone(cloud: Cloud, reader: OpenStackInventory, status: int) -> None:
    reader.read(server_ref(cloud))
    cloud.faults.answer(status, path="/servers/")
    with pytest.raises(Transient):
        reader.read(server_ref(cloud))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_faults_of_the_service_are_provider_down_and_are_not_tried_again_here(
    cloud: Cloud, reader: OpenStackInventory, status: int
) -> None:
    for kind in ("server", "image", "volume", "port", "project"):
        ref = next(reader.read_all(kind)).ref
        before = cloud.requests.total()
        cloud.faults.answer(status, retry_after="4")
        with pytest.raises(ProviderDown, match=r"^lab: ") as raised:
            reader.read(ref)
        assert raised.value.after == 4.0
        assert cloud.requests.total() == before + 1
    assert reader.read(server_ref(cloud)).name == "web-1"


@pytest.mark.parametrize(
    ("given", "least", "most"),
    [
        ("12", 12, 12),
        ("0.5", 0.5, 0.5),
        (format_datetime(datetime.now(UTC) + timedelta(hours=20), usegmt=True), 3600, 3600),
        (format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True), 0, 0),
        ("nan", None, None),
        ("soon", None, None),
    ],
    ids=["seconds", "fraction", "date to come", "date past", "nan", "word"],
)
def test_429_is_transient_after_the_pause_that_was_asked_for(
    cloud: Cloud, reader: OpenStackInventory, given: str, least: float | None, most: float | None
) -> None:
    reader.read(server_ref(cloud))
    cloud.faults.answer(429, path="/servers/", retry_after=given)
    with pytest.raises(Transient, match="compute asks for a pause") as raised:
        reader.read(server_ref(cloud))
    assert not isinstance(raised.value, ProviderDown)
    after = raised.value.after
    assert after is None if least is None or most is None else after is not None and least <= after <= most


def test_401_once_is_mended_and_twice_is_signed_out(cloud: Cloud, reader: OpenStackInventory) -> None:
    reader.read(server_ref(cloud))
    cloud.expire_tokens()
    assert reader.read(server_ref(cloud)).name == "web-1"
    assert cloud.requests["POST /identity/v3/auth/tokens"] == 2
    cloud.faults.answer(401, times=2, path="/servers/")
    with pytest.raises(SignedOut, match="compute refuses the credentials"):
        reader.read(server_ref(cloud))


def test_token_that_expires_in_the_middle_of_a_stream_is_renewed(
    cloud: Cloud, reader: OpenStackInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAGE", 1)
    seen = []
    for reading in reader.read_all("server"):
        cloud.expire_tokens()
        seen.append(reading.name)
    assert seen == ["alice-1", "db-1", "web-2", "web-1"]


def test_password_changed_in_the_middle_of_a_stream_is_signed_out(
    cloud: Cloud, reader: OpenStackInventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAGE", 1)
    stream = reader.read_all("server")
    assert next(stream).name == "alice-1"
    cloud.world.user("demo").password = "another"
    cloud.expire_tokens()
    with pytest.raises(SignedOut):
        list(stream)


@pytest.mark.parametrize("spoil", ["truncate", "reset", "garbage"])
def test_broken_answers_are_provider_down(cloud: Cloud, reader: OpenStackInventory, spoil: str) -> None:
    reader.read(server_ref(cloud))
    for work in (lambda: reader.read(server_ref(cloud)), lambda: list(reader.read_all("server"))):
        getattr(cloud.faults, spoil)(path="/servers/")
        with pytest.raises(ProviderDown, match=r"^lab: compute "):
            work()
        assert reader.read(server_ref(cloud)).name == "web-1"


def test_slow_answers_are_provider_down(cloud: Cloud, tmp_path: Path) -> None:
    reader = sign_up(cloud, tmp_path)
    path = tmp_path / "clouds.yaml"
    path.write_text(clouds_yaml(cloud.url) + "    api_timeout: 0.3\n")
    session = cloud_session("demo", path)
    reader = OpenStackInventory(ProviderConfig("lab", "openstack", None, lambda: session))
    reader.read(server_ref(cloud))
    cloud.faults.slow(1.0, path="/servers/")
    with pytest.raises(ProviderDown, match="did not answer in time"):
        reader.read(server_ref(cloud))


def test_404_of_keystone_or_of_a_proxy_is_not_gone(cloud: Cloud, reader: OpenStackInventory) -> None:
    ref = server_ref(cloud)
    reader.read(ref)
    cloud.expire_tokens()
    cloud.faults.answer(404, path="/auth/tokens")
    with pytest.raises(ProviderDown, match="not for an object"):
        reader.read(ref)
    cloud.expire_tokens()
    assert reader.read(ref).name == "web-1"


def test_missing_service_is_provider_down_until_it_is_back(cloud: Cloud, reader: OpenStackInventory) -> None:
    cloud.world.absent.add("image")
    ref = ObjectRef("image", next(iter(cloud.world.images)))
    with pytest.raises(ProviderDown, match="catalogue has no image service"):
        reader.read(ref)
    cloud.world.absent.clear()
    cloud.expire_tokens()
    reader.read(server_ref(cloud))
    assert reader.read(ref).ref == ref


def test_service_that_was_down_at_first_is_found_later(cloud: Cloud, reader: OpenStackInventory) -> None:
    cloud.faults.answer(503, times=50, path="/compute")
    with pytest.raises(ProviderDown):
        reader.read(server_ref(cloud))
    cloud.faults.clear()
    assert reader.read(server_ref(cloud)).name == "web-1"


def test_messages_never_carry_a_token(cloud: Cloud, reader: OpenStackInventory) -> None:
    reader.read(server_ref(cloud))
    for kind in ("reset", "truncate", "garbage"):
        getattr(cloud.faults, kind)(path="/servers/")
        with pytest.raises(Transient) as raised:
            reader.read(server_ref(cloud))
        error: Any = raised.value
        while error is not None:
            assert "gAAAA" not in str(error)
            assert "secret" not in str(error)
            error = error.__cause__
