"""Signing in by clouds.yaml, and what a session does and does not trust."""

from __future__ import annotations

import gzip
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from examples.cloud.running import Cloud, clouds_yaml
from tasks.model.errors import ProviderDown, SignedOut, SiteInvalid
from tasks.providers.openstack import session as module
from tasks.providers.openstack.failures import map_errors
from tasks.providers.openstack.session import CloudSession, cloud_session, connection, endpoint_filter
from tests.raw_server import raw_server

# openstacksdk warns of its own use of what it is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::DeprecationWarning")


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        yield running


def write(folder: Path, text: str, name: str = "clouds.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_session_signs_in_on_the_first_request_and_not_before(cloud: Cloud, tmp_path: Path) -> None:
    session = cloud_session("demo", write(tmp_path, clouds_yaml(cloud.url)))
    assert isinstance(session, CloudSession)
    assert not cloud.requests
    answer = session.get("/servers", endpoint_filter=endpoint_filter(session, "compute"))
    assert [server["name"] for server in answer.json()["servers"]] == ["db-1", "web-2", "web-1"]
    assert cloud.requests["POST /identity/v3/auth/tokens"] == 1


def test_password_may_stand_in_secure_yaml(cloud: Cloud, tmp_path: Path) -> None:
    write(tmp_path, "clouds:\n  demo:\n    auth:\n      password: secret\n", "secure.yaml")
    path = write(tmp_path, clouds_yaml(cloud.url).replace("      password: secret\n", ""))
    assert cloud_session("demo", path).get_project_id() == cloud.world.project("demo").id


def test_environment_and_other_folders_are_not_read(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write(tmp_path, clouds_yaml("http://192.0.2.1", name="other"), "other.yaml")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(other))
    monkeypatch.setenv("OS_USERNAME", "nobody")
    monkeypatch.setenv("OS_AUTH_URL", "http://192.0.2.1/identity")
    path = write(tmp_path, clouds_yaml(cloud.url))
    assert cloud_session("demo", path).get_project_id() == cloud.world.project("demo").id
    with pytest.raises(SiteInvalid, match="The file names: demo"):
        cloud_session("other", path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clouds:\n  demo:\n    auth: {password: hunter2\n", "no YAML"),
        ("clouds:\n  demo:\n    auth: {password: hunter2}\n", "cannot be used"),
        ("clouds:\n  demo: [hunter2]\n", "cannot be used"),
        ("clouds: {}\n", "no cloud 'demo'"),
        ("", "no cloud 'demo'"),
        ("clouds:\n  demo:\n    auth_type: nonsense\n    auth: {password: hunter2}\n", "cannot be used"),
    ],
)
def test_mistakes_in_the_file_are_named_without_the_password(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SiteInvalid, match=said) as raised:
        cloud_session("demo", write(tmp_path, text))
    assert "clouds.yaml" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SiteInvalid, match="there is no such file"):
        cloud_session("demo", tmp_path / "clouds.yaml")


def test_region_interface_tls_and_timeout_are_as_the_file_says(tmp_path: Path) -> None:
    more = "    interface: internal\n    verify: false\n    api_timeout: 7\n    region_name: north\n"
    text = clouds_yaml("https://cloud.example").replace("    region_name: RegionOne\n", more)
    session = cloud_session("demo", write(tmp_path, text))
    assert endpoint_filter(session, "event") == {
        "service_type": "event",
        "interface": "internal",
        "region_name": "north",
    }
    assert session.verify is False
    assert session.timeout == 7.0
    assert cloud_session("demo", write(tmp_path, clouds_yaml("https://cloud.example"))).verify is True


def test_unknown_region_is_a_missing_service(cloud: Cloud, tmp_path: Path) -> None:
    path = write(tmp_path, clouds_yaml(cloud.url).replace("RegionOne", "Elsewhere"))
    session = cloud_session("demo", path)
    with pytest.raises(ProviderDown, match="catalogue has no compute"), map_errors("demo", "compute"):
        session.get("/servers", endpoint_filter=endpoint_filter(session, "compute"))
    with pytest.raises(ProviderDown, match="region_name"), map_errors("demo", "compute"):
        list(connection(session).compute.servers())


def test_wrong_password_is_signed_out_and_is_not_shown(cloud: Cloud, tmp_path: Path) -> None:
    session = cloud_session("demo", write(tmp_path, clouds_yaml(cloud.url, password="hunter2")))
    said = "demo: identity refuses the credentials"
    with pytest.raises(SignedOut, match=said) as raised, map_errors("demo", "identity"):
        session.get_token()
    assert "hunter2" not in repr(raised.value) + repr(raised.value.__cause__)


def test_closed_port_is_provider_down(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    session = cloud_session("demo", write(tmp_path, clouds_yaml(url)))
    with pytest.raises(ProviderDown, match="Check that it runs"), map_errors("demo", "identity"):
        session.get_token()


def head(length: int, more: str = "") -> bytes:
    fields = f"Content-Type: application/json\r\nContent-Length: {length}\r\n{more}"
    return f"HTTP/1.1 200 OK\r\n{fields}\r\n".encode()


def fetch(url: str) -> requests.Response:
    found: requests.Response = CloudSession().get(url, authenticated=False)
    return found


def test_compressed_answers_are_read() -> None:
    body = gzip.compress(b'{"a": 1}')
    with raw_server(head(len(body), "Content-Encoding: gzip\r\n") + body) as url:
        assert fetch(url).json() == {"a": 1}


def test_too_long_an_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES", 100_000)
    bomb = gzip.compress(b"0" * 10_000_000)
    plain = os.urandom(200_000)
    for answer in (head(len(bomb), "Content-Encoding: gzip\r\n") + bomb, head(len(plain)) + plain):
        with raw_server(answer) as url, pytest.raises(ProviderDown), map_errors("demo", "compute"):
            fetch(url)


def test_dripping_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    begun = time.monotonic()
    late = pytest.raises(ProviderDown, match="did not answer in time")
    with raw_server(head(1000) + b" " * 1000, drip=0.05) as url, late, map_errors("demo", "compute"):
        fetch(url)
    assert time.monotonic() - begun < 5


def test_cut_answer_is_provider_down() -> None:
    answer = head(1000) + b'{"servers": ['
    with raw_server(answer) as url, pytest.raises(ProviderDown), map_errors("demo", "compute"):
        fetch(url)


def test_cookies_are_not_kept() -> None:
    with raw_server(head(2, "Set-Cookie: a=b; Path=/\r\n") + b"{}") as url:
        session = CloudSession()
        session.get(url, authenticated=False)
        assert not list(session.session.cookies)
