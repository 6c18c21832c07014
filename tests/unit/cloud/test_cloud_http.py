"""The simulated cloud over loopback HTTP, asked with plain requests."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.cloud.identity_api import credential_id
from examples.cloud.running import Cloud, clouds_yaml, running_cloud
from examples.cloud.world import World

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(World(seed=11)) as running:
        yield running


def sign_in(
    cloud: Cloud, user: str = "demo", project: str | None = "demo", password: str = "secret"
) -> requests.Response:
    domain = {"name": "Default"}
    who = {"name": user, "password": password, "domain": domain}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": who}}}
    if project:
        auth["scope"] = {"project": {"name": project, "domain": domain}}
    return requests.post(f"{cloud.url}/identity/v3/auth/tokens", json={"auth": auth}, timeout=5)


class Client:
    """Asks with a token, and nothing more."""

    def __init__(self, cloud: Cloud, user: str = "demo", project: str = "demo") -> None:
        self.url = cloud.url
        self.headers = {"X-Auth-Token": sign_in(cloud, user, project).headers["X-Subject-Token"]}

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = self.headers | more.pop("headers", {})
        return requests.request(method, self.url + path, headers=headers, timeout=5, **more)

    def get(self, path: str, **more: Any) -> Any:
        answer = self.ask("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()


def test_password_gives_a_token_with_roles_and_a_catalogue(cloud: Cloud) -> None:
    answer = sign_in(cloud)
    assert answer.status_code == 201
    token = answer.json()["token"]
    assert {role["name"] for role in token["roles"]} == {"reader", "member", "admin"}
    urls = {entry["type"]: entry["endpoints"][0]["url"] for entry in token["catalog"]}
    assert urls["compute"] == f"{cloud.url}/compute/v2.1"
    assert urls["volumev3"] == f"{cloud.url}/volume/v3/{token['project']['id']}"
    assert {"identity", "network", "image", "event", "metering"} <= set(urls)


def test_wrong_password_and_foreign_project_are_401_with_a_challenge(cloud: Cloud) -> None:
    for answer in (
        sign_in(cloud, password="guess"),
        sign_in(cloud, "alice", "demo"),
        sign_in(cloud, "nobody"),
    ):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")
        assert answer.json()["error"]["title"] == "Unauthorized"


def test_token_and_application_credential_sign_in_too(cloud: Cloud) -> None:
    first = sign_in(cloud).headers["X-Subject-Token"]
    scope = {"project": {"name": "research"}}
    by_token = {"identity": {"methods": ["token"], "token": {"id": first}}, "scope": scope}
    secret = {"id": credential_id(cloud.world), "secret": "secret"}
    by_credential = {"identity": {"methods": ["application_credential"], "application_credential": secret}}
    for auth, project in ((by_token, "research"), (by_credential, "demo")):
        answer = requests.post(f"{cloud.url}/identity/v3/auth/tokens", json={"auth": auth}, timeout=5)
        assert answer.json()["token"]["project"]["name"] == project


def test_without_a_scope_the_token_has_no_catalogue(cloud: Cloud) -> None:
    token = sign_in(cloud, project=None).json()["token"]
    assert "catalog" not in token
    assert "project" not in token


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"auth": 1}', b'{"auth": {"identity": {"methods": [[]]}}}', b"{" * 50_000]
)
def test_unreadable_sign_in_is_400(cloud: Cloud, body: bytes) -> None:
    answer = requests.post(f"{cloud.url}/identity/v3/auth/tokens", data=body, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400


def test_tokens_are_shown_checked_and_revoked(cloud: Cloud) -> None:
    client = Client(cloud)
    subject = {"X-Subject-Token": sign_in(cloud).headers["X-Subject-Token"]}
    path = "/identity/v3/auth/tokens"
    assert client.get(path, headers=subject)["token"]["user"]["name"] == "demo"
    assert client.ask("HEAD", path, headers=subject).content == b""
    assert client.ask("DELETE", path, headers=subject).status_code == 204
    assert client.ask("GET", path, headers=subject).status_code == 404


def test_tokens_expire_after_their_time() -> None:
    with Cloud(World(seed=1), token_seconds=0.05) as cloud:
        client = Client(cloud)
        time.sleep(0.1)
        assert client.ask("GET", "/compute/v2.1/servers").status_code == 401


@pytest.mark.parametrize(
    "path", ["/compute/v2.1/servers/detail", "/network/v2.0/ports", "/image/v2/images", "/event/v2/events"]
)
def test_without_a_token_every_service_answers_401(cloud: Cloud, path: str) -> None:
    answer = requests.get(cloud.url + path, timeout=5)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{cloud.url}/identity/v3"'


def test_missing_objects_are_404_in_each_services_own_form(cloud: Cloud) -> None:
    client, nothing = Client(cloud), "00000000-0000-0000-0000-000000000000"
    assert client.ask("GET", f"/compute/v2.1/servers/{nothing}").json()["itemNotFound"]["code"] == 404
    assert client.ask("GET", f"/network/v2.0/ports/{nothing}").json()["NeutronError"]["type"] == "PortNotFound"
    image = client.ask("GET", f"/image/v2/images/{nothing}")
    assert (image.status_code, image.headers["Content-Type"]) == (404, "text/html; charset=UTF-8")
    assert client.ask("GET", f"/volume/v3/x/volumes/{nothing}").json()["itemNotFound"]["code"] == 404
    assert client.ask("GET", f"/event/v2/events/{nothing}").json()["error_message"]["faultcode"] == "Client"
    assert client.ask("GET", f"/identity/v3/projects/{nothing}").json()["error"]["title"] == "Not Found"


def test_microversions_shape_the_server(cloud: Cloud) -> None:
    client = Client(cloud)
    path = f"/compute/v2.1/servers/{cloud.world.servers.named('web-1').id}"
    old = client.get(path)["server"]
    assert set(old["flavor"]) == {"id", "links"}
    assert "locked" not in old
    new = client.get(path, headers={"OpenStack-API-Version": "compute 2.96"})["server"]
    assert new["flavor"]["original_name"] == "small"
    assert {"locked", "tags", "host_status", "server_groups"} <= set(new)
    latest = client.ask("GET", path, headers={"X-OpenStack-Nova-API-Version": "latest"})
    assert latest.headers["X-OpenStack-Nova-API-Version"] == "2.96"
    assert client.ask("GET", path, headers={"OpenStack-API-Version": "compute 2.300"}).status_code == 406


def test_server_pages_join_to_the_whole_list(cloud: Cloud) -> None:
    client = Client(cloud)
    whole = [s["id"] for s in client.get("/compute/v2.1/servers?all_tenants=1")["servers"]]
    path, seen = "/compute/v2.1/servers/detail?all_tenants=1&limit=2", []
    while path:
        body = client.get(path)
        seen += [s["id"] for s in body["servers"]]
        links = {link["rel"]: link["href"] for link in body.get("servers_links", [])}
        path = links.get("next", "").removeprefix(cloud.url)
    assert seen == whole
    assert len(whole) == 4
    assert client.ask("GET", "/compute/v2.1/servers?marker=none").status_code == 400


def test_actions_change_the_server_and_conflicts_are_409(cloud: Cloud) -> None:
    client, server = Client(cloud), cloud.world.servers.named("web-1")
    path = f"/compute/v2.1/servers/{server.id}/action"
    assert client.ask("POST", path, json={"os-start": None}).status_code == 409
    assert client.ask("POST", path, json={"os-stop": None}).status_code == 202
    assert client.get(f"/compute/v2.1/servers/{server.id}")["server"]["OS-EXT-STS:power_state"] == 4
    assert client.ask("POST", path, json={"dance": None}).status_code == 400
    flavor = next(f.id for f in cloud.world.flavors.values() if f.name == "large")
    assert client.ask("POST", path, json={"resize": {"flavorRef": flavor}}).status_code == 202
    assert client.ask("POST", path, json={"confirmResize": None}).status_code == 204
    assert client.ask("DELETE", path.removesuffix("/action")).status_code == 204
    assert client.ask("GET", path.removesuffix("/action")).status_code == 404


def test_plain_users_see_their_own_project_alone(cloud: Cloud) -> None:
    client = Client(cloud, "alice", "research")
    assert [s["name"] for s in client.get("/compute/v2.1/servers")["servers"]] == ["alice-1"]
    forbidden = client.ask("GET", "/compute/v2.1/servers/detail?all_tenants=1")
    assert (forbidden.status_code, forbidden.json()["forbidden"]["code"]) == (403, 403)
    assert client.ask("GET", "/identity/v3/projects").status_code == 403
    assert client.ask("GET", f"/compute/v2.1/servers/{cloud.world.servers.named('web-1').id}").status_code == 404
    assert client.get("/volume/v3/x/volumes/detail?all_tenants=1")["volumes"] == []


def test_neutron_filters_sorts_and_pages(cloud: Cloud) -> None:
    client, server = Client(cloud), cloud.world.servers.named("web-1")
    mine = client.get(f"/network/v2.0/ports?device_id={server.id}&fields=id&fields=device_id")["ports"]
    assert mine == [{"id": server.ports[0], "device_id": server.id}]
    assert client.get("/network/v2.0/networks?router:external=True")["networks"][0]["name"] == "public"
    first = client.get("/network/v2.0/ports?limit=3&sort_key=id")
    assert [link["rel"] for link in first["ports_links"]] == ["next", "previous"]
    rest = client.get(first["ports_links"][0]["href"].removeprefix(cloud.url))
    ids = [port["id"] for port in first["ports"] + rest["ports"]]
    assert ids == sorted(cloud.world.networks.ports)
    assert "next" not in [link["rel"] for link in rest["ports_links"]]


def test_glance_pages_by_a_relative_next(cloud: Cloud) -> None:
    client = Client(cloud)
    body, names = client.get("/image/v2/images?limit=2"), []
    names += [image["name"] for image in body["images"]]
    body = client.get("/image" + body["next"])
    names += [image["name"] for image in body["images"]]
    assert sorted(names) == ["cirros", "debian-12", "rocky-9"]
    assert "next" not in body


def test_faults_come_as_often_as_asked_and_only_where_asked(cloud: Cloud) -> None:
    client = Client(cloud)
    cloud.faults.answer(429, times=2, path="/compute", retry_after="7")
    assert client.get("/network/v2.0/networks")["networks"]
    answers = [client.ask("GET", "/compute/v2.1/servers") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "7"
    cloud.faults.reset()
    with pytest.raises(requests.ConnectionError):
        client.ask("GET", "/compute/v2.1/servers")
    cloud.faults.truncate()
    with pytest.raises(requests.RequestException):
        client.ask("GET", "/compute/v2.1/servers")
    cloud.faults.slow(0.2)
    begun = time.monotonic()
    assert client.ask("GET", "/compute/v2.1/servers").status_code == 200
    assert time.monotonic() - begun >= 0.2
    cloud.faults.garbage()
    assert client.ask("GET", "/compute/v2.1/servers").text.startswith("<html>")


def test_absent_services_leave_the_catalogue_and_requests_are_counted(cloud: Cloud) -> None:
    cloud.world.absent.add("event")
    assert "event" not in {entry["type"] for entry in sign_in(cloud).json()["token"]["catalog"]}
    assert cloud.requests["POST /identity/v3/auth/tokens"] == 1


def test_expire_tokens_ends_them_all_at_once(cloud: Cloud) -> None:
    client = Client(cloud)
    cloud.expire_tokens()
    assert client.ask("GET", "/compute/v2.1/servers").status_code == 401


def test_too_large_a_body_is_refused(cloud: Cloud) -> None:
    with requests.Session() as session:
        request = requests.Request("POST", f"{cloud.url}/identity/v3/auth/tokens").prepare()
        request.headers["Content-Length"] = str(10**9)
        answer = session.send(request, timeout=5)
    assert answer.status_code == 413


def test_running_cloud_gives_an_address_and_closes_it_afterwards() -> None:
    with running_cloud(World(seed=2)) as url:
        assert requests.get(url, timeout=5).json()["services"]["compute"] == f"{url}/compute"
        assert f"auth_url: {url}/identity" in clouds_yaml(url)
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_command_runs_a_life_and_ends_on_a_signal(tmp_path: Path) -> None:
    clouds_file = tmp_path / "clouds.yaml"
    command = [
        sys.executable,
        "-m",
        "examples.cloud",
        "--port",
        "0",
        "--pace",
        "0.02",
        "--clouds-file",
        str(clouds_file),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        hello = process.stdout.readline()
        deed = process.stdout.readline()
        process.terminate()
        assert process.wait(10) == 0
    assert hello.startswith("cloud at http://127.0.0.1:")
    assert deed.strip()
    assert "username: demo" in clouds_file.read_text()
