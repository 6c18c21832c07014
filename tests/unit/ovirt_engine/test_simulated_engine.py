"""The simulated engine answers as the engine does, so that what is tested against it holds for the real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.ovirt.life import Life
from examples.ovirt.running import Engine
from examples.ovirt.world import World

CODES = Path(__file__).resolve().parents[3] / "tasks/providers/ovirt/event_codes.json"
TOKEN = "/ovirt-engine/sso/oauth/token"


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(World(seed=13)) as running:
        yield running


class Client:
    """A plain HTTP client that is signed in."""

    def __init__(self, engine: Engine, user: str = "admin@internal", password: str = "secret") -> None:
        self.engine = engine
        form = {"grant_type": "password", "scope": "ovirt-app-api", "username": user, "password": password}
        self.signed = requests.post(engine.url + TOKEN, data=form, headers={"Accept": "application/json"}, timeout=10)
        token = self.signed.json().get("access_token", "")
        self.headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def ask(self, method: str, path: str, body: object = None, **params: str) -> requests.Response:
        return requests.request(
            method, self.engine.api_url + path, json=body, params=params, headers=self.headers, timeout=10
        )

    def get(self, path: str, **params: str) -> Any:
        return self.ask("GET", path, **params).json()


@pytest.fixture
def client(engine: Engine) -> Client:
    return Client(engine)


def ids(found: Any) -> list[int]:
    return [int(event["id"]) for event in found.get("event", [])]


def test_events_come_newest_first_unless_they_are_sorted_and_their_ids_have_gaps(
    engine: Engine, client: Client
) -> None:
    everything = ids(client.get("/events"))
    assert everything == sorted(everything, reverse=True)
    assert everything[0] - everything[-1] > len(everything)
    assert ids(client.get("/events", max="3")) == everything[:3]
    middle = everything[5]
    assert ids(client.get("/events", **{"from": str(middle)})) == everything[:5]
    assert ids(client.get("/events", **{"from": str(middle), "max": "2"})) == everything[:2]
    paged = client.get("/events", search="sortby id asc page 2", max="4", **{"from": str(everything[-1])})
    assert ids(paged) == sorted(everything[:-1])[4:8]
    assert client.get("/events", **{"from": str(everything[0])}) == {}


def test_event_has_the_engines_shape_and_its_objects_as_links(engine: Engine, client: Client) -> None:
    vm = engine.world.vm("web-1")
    client.ask("POST", f"/vms/{vm.id}/reboot", {}, correlation_id="mine")
    [event] = client.get("/events", search="correlation_id=mine")["event"]
    assert (event["code"], event["severity"], event["origin"]) == ("157", "normal", "oVirt")
    assert isinstance(event["time"], int)
    links = {"vm": vm.id, "host": vm.host, "cluster": vm.cluster, "template": vm.template}
    for name, key in links.items():
        assert event[name]["id"] == key
        assert event[name]["href"].startswith("/ovirt-engine/api/")
    assert {"data_center", "user"} <= set(event)
    assert client.get(f"/events/{event['id']}") == event


def test_actions_change_the_state_and_refusals_are_faults(engine: Engine, client: Client) -> None:
    vm = engine.world.vm("web-1")
    steps = (("suspend", "suspended"), ("start", "up"), ("shutdown", "down"), ("start", "up"), ("stop", "down"))
    for action, status in steps:
        assert client.ask("POST", f"/vms/{vm.id}/{action}", {}).json() == {"status": "complete"}
        assert client.get(f"/vms/{vm.id}")["status"] == status
    refused = client.ask("POST", f"/vms/{vm.id}/stop", {})
    assert (refused.status_code, refused.json()["reason"]) == (409, "Operation Failed")
    assert "down" in refused.json()["detail"]
    absent = client.ask("GET", "/vms/nothing")
    assert (absent.status_code, set(absent.json())) == (404, {"reason", "detail"})
    assert client.ask("POST", f"/vms/{vm.id}/explode", {}).status_code == 404
    assert client.ask("GET", "/vms", search="what is this").status_code == 400


def test_vm_is_made_changed_and_removed(engine: Engine, client: Client) -> None:
    wish = {"name": "new", "cluster": {"name": "Default"}, "template": {"name": "Blank"}}
    made = client.ask("POST", "/vms", wish)
    assert (made.status_code, made.json()["status"]) == (201, "down")
    path = f"/vms/{made.json()['id']}"
    change = {"comment": "a", "custom_properties": {"custom_property": [{"name": "x", "value": "1"}]}}
    assert client.ask("PUT", path, change).json()["custom_properties"] == change["custom_properties"]
    assert client.ask("POST", "/vms", wish).status_code == 409
    assert client.ask("DELETE", path).status_code == 200
    assert client.ask("GET", path).status_code == 404


def test_lists_are_paged_and_an_empty_one_has_no_key(engine: Engine, client: Client) -> None:
    names: list[str] = []
    for page in range(1, 4):
        found = client.get("/vms", search=f"sortby name asc page {page}", max="2")
        names += [vm["name"] for vm in found.get("vm", [])]
    assert names == ["db-1", "spare-1", "web-1", "web-2"]
    assert client.get("/vms", search="sortby name asc page 3", max="2") == {}
    assert [vm["name"] for vm in client.get("/vms", search="name=web* and status=up")["vm"]] == ["web-1", "web-2"]


def test_links_are_embedded_where_they_are_followed(engine: Engine, client: Client) -> None:
    vm = engine.world.vm("web-1")
    assert "nics" not in client.get(f"/vms/{vm.id}")
    found = client.get(f"/vms/{vm.id}", follow="nics.reporteddevices,disk_attachments.disk,tags")
    [nic] = found["nics"]["nic"]
    assert nic["reported_devices"]["reported_device"][0]["ips"]["ip"][0]["address"] == vm.nics[0].addresses[0]
    assert found["disk_attachments"]["disk_attachment"][0]["disk"]["status"] == "ok"
    assert found["tags"] == {}
    for sub in ("nics", "diskattachments", "snapshots"):
        assert client.get(f"/vms/{vm.id}/{sub}")


def test_wrong_password_old_token_and_missing_right_are_refused(engine: Engine, client: Client) -> None:
    refused = Client(engine, password="guess").signed
    assert (refused.status_code, refused.json()["error_code"]) == (400, "access_denied")
    assert engine.world.audit.events[-1].code == 114
    viewer = Client(engine, "viewer@internal")
    assert viewer.get("/vms")["vm"]
    assert viewer.ask("POST", f"/vms/{engine.world.vm('web-1').id}/stop", {}).status_code == 403
    engine.expire_tokens()
    assert client.ask("GET", "/vms").status_code == 401


def test_tokens_run_out_by_the_clock_and_are_revoked(engine: Engine, client: Client) -> None:
    engine.tokens.seconds = 0.0
    late = Client(engine)
    assert late.ask("GET", "").status_code == 401
    token = client.headers["Authorization"].removeprefix("Bearer ")
    requests.post(engine.url + "/ovirt-engine/services/sso-logout", data={"token": token}, timeout=10)
    assert client.ask("GET", "").status_code == 401


def test_only_json_is_spoken(engine: Engine, client: Client) -> None:
    client.headers["Accept"] = "application/xml"
    assert client.ask("GET", "/vms").status_code == 406


def test_life_stays_small_goes_the_same_way_and_writes_known_codes() -> None:
    first, second = World(seed=5), World(seed=5)
    said = [[life.step() for _ in range(300)] for life in (Life(first, 5), Life(second, 5))]
    assert said[0] == said[1]
    assert 3 <= len(first.vms.vms) <= 12
    written = [(event.id, event.code, event.links) for event in first.audit.events]
    assert written == [(event.id, event.code, event.links) for event in second.audit.events]
    table = {int(code) for code in json.loads(CODES.read_text())}
    first.places.maintain("host1")
    first.places.activate("host1")
    first.places.fail("host2")
    assert {event.code for event in first.audit.events} <= table


def test_listeners_hear_every_event_as_it_is_written(engine: Engine, client: Client) -> None:
    heard, over = [], threading.Event()
    engine.world.listeners.append(lambda event: (heard.append(event.code), over.set()))
    client.ask("POST", f"/vms/{engine.world.vm('web-1').id}/stop", {})
    assert over.is_set()
    assert heard == [33, 61]
