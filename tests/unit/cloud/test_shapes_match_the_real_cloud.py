"""The simulated answers have the keys, headers and status codes of the captured ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.cloud.notices import Notice
from examples.cloud.records import Aggregate, Keypair, ServerGroup
from examples.cloud.running import Cloud
from examples.cloud.telemetry import event_of
from examples.cloud.world import World

CORPUS = Path(__file__).resolve().parents[3] / "../shared/corpus/openstack"
pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the captured answers are not beside the repository"),
]

#: The port of a real service: the prefix of the simulated one.
PREFIXES = {
    "5000": "/identity",
    "8774": "/compute",
    "9696": "/network",
    "9292": "/image",
    "8776": "/volume",
    "8977": "/event",
}
#: Captured answers of things that the cloud does not simulate.
LEFT_OUT = {
    "agents",
    "extensions",
    "limits",
    "migrations",
    "quota_set",
    "resource_providers",
    "role_assignments",
    "server_actions",
    "server_security_groups",
    "servers_deleted_changes_since",
    "simple_tenant_usage",
    "volume_attachments_v3.27",
    "volume_services",
}
#: Properties that operators put on images, and what only a volume made from an image has.
FREE_KEYS = re.compile(
    r"owner_specified.*|hw_.*|os_distro|base_image_ref|owner_.*|boot_roles|instance_uuid|user_id|image_.*"
    r"|volume_image_metadata"
)
NOTHING = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    world = World(seed=21)
    demo, now = world.user("demo"), world.now()
    world.servers.keypairs["k"] = Keypair("k", demo.id, "aa:bb", "ssh-rsa AAAA")
    world.servers.aggregates[1] = Aggregate(1, world.uuid(), "rack-1", now, metadata={"availability_zone": "nova"})
    project = world.project("demo").id
    world.servers.groups["g"] = ServerGroup("g", "apart", "anti-affinity", project, demo.id)
    floating = next(iter(world.networks.floating_ips.values()))
    floating.port_id = world.servers.named("web-1").ports[0]
    world.volumes.snapshot(next(iter(world.volumes.volumes)), "snap")
    with Cloud(world) as running:
        yield running


def captured() -> list[str]:
    if not CORPUS.is_dir():
        return ["none"]
    names = sorted(path.stem for path in (CORPUS / "api").glob("*.json"))
    return [
        name for name in names if name not in LEFT_OUT and name != "auth_tokens" and name != "error_401_bad_password"
    ]


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CORPUS / "api" / f"{name}.json").read_text())
    return found


def same_question(cloud: Cloud, url: str) -> str:
    """The captured address, asked of the simulated cloud about its own objects."""
    world = cloud.world
    port, path = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(.*)", url).groups()  # type: ignore[union-attr]  # asserted by the match
    path = re.sub(r"/v3/[0-9a-f]{32}/", f"/v3/{world.project('demo').id}/", path)
    nets, events = world.networks, world.events.select([])
    ours = {
        "servers": world.servers.named("web-1").id,
        "flavors": next(iter(world.flavors)),
        "images": next(iter(world.images)),
        "volumes": next(iter(world.volumes.volumes)),
        "snapshots": next(iter(world.volumes.snapshots)),
        "networks": next(iter(nets.networks)),
        "subnets": next(iter(nets.subnets)),
        "ports": world.servers.named("web-1").ports[0],
        "routers": next(iter(nets.routers)),
        "floatingips": next(iter(nets.floating_ips)),
        "security-groups": next(iter(nets.groups)),
        "security-group-rules": next(iter(nets.rules)),
        "events": next(e.message_id for e in events if e.event_type == "compute.instance.create.end"),
    }

    def replace(match: re.Match[str]) -> str:
        kind, key = match.groups()
        return f"/{kind}/{key if key == NOTHING else ours[kind]}"

    path = re.sub(r"/([a-z-]+)/([0-9a-f-]{36})(?=$|[/?])", replace, path)
    if path.endswith("os-volume_attachments"):
        path = path.replace(ours["servers"], world.servers.named("db-1").id)
    return cloud.url + PREFIXES[port] + path


def first_of(body: Any) -> Any:
    """The first object in a body: of its list, or the one that it holds."""
    if isinstance(body, list):
        return body[0]
    if not isinstance(body, dict):
        return body
    for value in body.values():
        if isinstance(value, list) and value and isinstance(value[0], dict) and "rel" not in value[0]:
            return value[0]
        if isinstance(value, dict):
            return value
    return body


@pytest.mark.parametrize("name", captured())
def test_answer_has_the_keys_of_the_captured_one(cloud: Cloud, name: str) -> None:
    real = load(name)
    request = real["request"]
    headers = dict(request["headers"])
    if not name.startswith("error_401"):
        token = cloud.tokens.issue(cloud.world.user("demo"), cloud.world.project("demo"), ("password",))
        headers["X-Auth-Token"] = token.id
    url = same_question(cloud, request["url"])
    answer = requests.request(request["method"], url, headers=headers, json=request["body"], timeout=5)
    assert answer.status_code == real["status"], answer.text
    assert answer.headers["Content-Type"] == real["headers"]["Content-Type"]
    wanted = {key.lower() for key in real["headers"]} - {"date", "server", "connection"}
    assert {key.lower() for key in answer.headers} >= wanted - ({"x-compute-request-id"} if "panko" in name else set())
    if isinstance(real["body"], str):
        assert answer.text.startswith("<html>")
        return
    body = answer.json()
    free = FREE_KEYS if name.startswith(("image", "volume")) else re.compile("(?!)")
    for theirs, ours in ((real["body"], body), (first_of(real["body"]), first_of(body))):
        if isinstance(theirs, dict):
            assert set(ours) >= {key for key in theirs if not free.fullmatch(key)}


def test_token_has_the_keys_of_the_captured_one(cloud: Cloud) -> None:
    real = load("auth_tokens")
    body = real["request"]["body"]
    body["auth"]["identity"]["password"]["user"]["name"] = "demo"
    body["auth"]["scope"]["project"]["name"] = "demo"
    answer = requests.post(f"{cloud.url}/identity/v3/auth/tokens", json=body, timeout=5)
    assert answer.status_code == real["status"]
    assert set(answer.json()["token"]) == set(real["body"]["token"])
    entry, theirs = answer.json()["token"]["catalog"][0], real["body"]["token"]["catalog"][0]
    assert set(entry) == set(theirs)
    assert set(entry["endpoints"][0]) == set(theirs["endpoints"][0])


def test_wrong_password_is_refused_as_in_the_captured_answer(cloud: Cloud) -> None:
    real = load("error_401_bad_password")
    answer = requests.post(f"{cloud.url}/identity/v3/auth/tokens", json=real["request"]["body"] | {}, timeout=5)
    assert answer.status_code == real["status"]
    assert set(answer.json()["error"]) == set(real["body"]["error"])


def shapes() -> dict[str, dict[str, Any]]:
    """The first captured notification of each type, by type."""
    found: dict[str, dict[str, Any]] = {}
    for line in (CORPUS / "notifications.jsonl").read_text().splitlines():
        row = json.loads(line)
        message = json.loads(json.loads(row["body"])["oslo.message"])
        found.setdefault(message["event_type"], message | {"_exchange": row["exchange"], "_key": row["routing_key"]})
    return found


def lived() -> World:
    world = World(seed=2)
    server = world.servers.named("web-1")
    world.servers.act(server.id, "stop")
    world.servers.act(server.id, "start")
    world.create_project("lab")
    volume = world.volumes.create("short")
    snapshot = world.volumes.snapshot(volume.id, "snap")
    world.volumes.delete_snapshot(snapshot.id)
    world.volumes.delete(volume.id)
    world.servers.delete(server.id)
    world.networks.delete(world.networks.create("gone").id)
    return world


def inner(notice: Notice, payload: dict[str, Any]) -> dict[str, Any]:
    """The part of a payload that describes the object."""
    found: dict[str, Any] = payload
    if notice.topic == "versioned_notifications":
        found = payload["nova_object.data"]
    elif notice.exchange == "neutron":
        found = payload[notice.event_type.split(".")[0]]
    return found


def test_notifications_have_the_fields_of_the_captured_ones() -> None:
    real, compared = shapes(), set()
    for notice in lived().notices:
        theirs = real.get(notice.event_type)
        if theirs is None or notice.event_type in compared:
            continue
        compared.add(notice.event_type)
        ours = notice.message()
        assert (notice.exchange, notice.routing_key) == (theirs["_exchange"], theirs["_key"]), notice.event_type
        wanted = {key for key in theirs if not key.startswith("_") or key == "_unique_id"}
        assert set(ours) >= wanted, notice.event_type
        assert {"_context_project_id" in ours} == {"_context_project_id" in theirs}, notice.event_type
        if ".start" in notice.event_type and notice.exchange == "neutron":
            continue
        payload, their_payload = inner(notice, ours["payload"]), inner(notice, theirs["payload"])
        missing = set(their_payload) - set(payload) - {"standard_attr_id", "vlan_transparent", "shared", "image_name"}
        optional = re.compile(r"owner_specified.*|hw_disk_bus")
        assert not {key for key in missing if not optional.fullmatch(key)}, notice.event_type
    assert len(compared) >= 25


def test_instance_events_have_the_traits_of_the_captured_ones() -> None:
    real = load("panko_event")["body"]
    notice = next(n for n in lived().notices if n.event_type == real["event_type"])
    event = event_of(notice)
    assert event is not None
    assert {(t["name"], t["type"]) for t in event.as_dict()["traits"]} == {
        (t["name"], t["type"]) for t in real["traits"]
    }
