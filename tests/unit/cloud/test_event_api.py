"""The event APIs: what Panko and Ceilometer share, and where they differ (spec capture 1.5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from examples.cloud.running import Cloud
from examples.cloud.world import World

START = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


class Ticks:
    """A clock that goes on by a millisecond whenever somebody looks, unless it is held."""

    def __init__(self) -> None:
        self.moment = START
        self.step = timedelta(milliseconds=1)

    def __call__(self) -> datetime:
        self.moment += self.step
        return self.moment


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def cloud(ticks: Ticks) -> Iterator[Cloud]:
    with Cloud(World(seed=5, clock=ticks), token_seconds=10**6) as running:
        yield running


def ask(cloud: Cloud, path: str, user: str = "demo", project: str = "demo", **more: Any) -> requests.Response:
    token = cloud.tokens.issue(cloud.world.user(user), cloud.world.project(project), ("password",))
    return requests.get(cloud.url + path, headers={"X-Auth-Token": token.id}, timeout=5, **more)


def events(cloud: Cloud, path: str, **more: Any) -> list[dict[str, Any]]:
    answer = ask(cloud, path, **more)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def storm(cloud: Cloud, count: int) -> None:
    world = cloud.world
    for number in range(count):
        payload = {"tenant_id": world.project("demo").id, "volume_id": f"v{number}"}
        world.publish(world.actor(), "openstack", "volume.create.end", "volume.storage1", payload)


@pytest.mark.parametrize("service", ["/event", "/metering"])
def test_a_list_holds_100_events_unless_a_limit_is_named(cloud: Cloud, service: str) -> None:
    storm(cloud, 150)
    assert len(events(cloud, f"{service}/v2/events")) == 100
    assert len(events(cloud, f"{service}/v2/events?limit=120")) == 120
    for wrong in ("0", "-3", "many"):
        assert ask(cloud, f"{service}/v2/events?limit={wrong}").status_code == 400


@pytest.mark.parametrize("service", ["/event", "/metering"])
def test_events_come_oldest_first_from_the_start_on(cloud: Cloud, service: str) -> None:
    storm(cloud, 5)
    found = events(cloud, f"{service}/v2/events")
    stamps = [(event["generated"], event["message_id"]) for event in found]
    assert stamps == sorted(stamps)
    since = found[3]["generated"]
    later = events(
        cloud, f"{service}/v2/events", json={"q": [{"field": "start_timestamp", "op": "ge", "value": since}]}
    )
    assert later == found[3:]
    everything = {"q": [{"field": "start_timestamp", "op": "ge", "value": ""}]}
    assert events(cloud, f"{service}/v2/events", json=everything) == found


@pytest.mark.parametrize("service", ["/event", "/metering"])
def test_query_works_in_the_address_and_in_the_body(cloud: Cloud, service: str) -> None:
    storm(cloud, 3)
    first, second = (
        "q.field=event_type&q.op=eq&q.value=volume.create.end",
        "q.field=resource_id&q.op=eq&q.value=v1",
    )
    address = f"{service}/v2/events?{first}&{second}"
    questions = [
        {"field": "event_type", "op": "eq", "value": "volume.create.end"},
        {"field": "resource_id", "value": "v1", "type": "string"},
    ]
    found = events(cloud, address)
    assert len(found) == 1
    assert found == events(cloud, f"{service}/v2/events", json={"q": questions})
    assert {"name": "resource_id", "type": "string", "value": "v1"} in found[0]["traits"]


@pytest.mark.parametrize("service", ["/event", "/metering"])
@pytest.mark.parametrize(
    "question",
    [
        {"field": "start_timestamp", "op": "lt", "value": "2031-01-01T00:00:00"},
        {"field": "start_timestamp", "op": "ge", "value": "yesterday"},
        {"field": "event_type", "op": "ne", "value": "x"},
        {"field": "message_id", "op": "gt", "value": "x"},
        {"field": "state", "op": "like", "value": "x"},
        "nonsense",
    ],
)
def test_questions_that_the_service_does_not_take_are_400(cloud: Cloud, service: str, question: object) -> None:
    answer = ask(cloud, f"{service}/v2/events", json={"q": [question]})
    assert answer.status_code == 400
    assert "faultstring" in answer.json()["error_message"]


def test_all_tenants_opens_panko_and_empties_ceilometer(cloud: Cloud) -> None:
    questions = [{"field": "all_tenants", "value": "True"}]
    research = cloud.world.project("research").id

    def projects(found: list[dict[str, Any]]) -> set[str]:
        return {t["value"] for event in found for t in event["traits"] if t["name"] == "project_id"}

    assert research not in projects(events(cloud, "/event/v2/events"))
    assert research in projects(events(cloud, "/event/v2/events", json={"q": questions}))
    assert research in projects(events(cloud, "/metering/v2/events"))
    assert events(cloud, "/metering/v2/events", json={"q": questions}) == []


def test_plain_users_see_their_projects_events_alone(cloud: Cloud) -> None:
    for service in ("/event", "/metering"):
        found = events(cloud, f"{service}/v2/events", user="alice", project="research")
        owners = {t["value"] for event in found for t in event["traits"] if t["name"] == "project_id"}
        assert owners == {cloud.world.project("research").id}


def test_panko_pages_by_marker_through_equal_timestamps(cloud: Cloud, ticks: Ticks) -> None:
    ticks.step = timedelta(0)
    storm(cloud, 250)
    seen: list[str] = []
    marker = ""
    while page := events(cloud, f"/event/v2/events?limit=60{marker}"):
        seen += [event["message_id"] for event in page]
        marker = f"&marker={page[-1]['message_id']}"
    mine = [
        e.message_id
        for e in cloud.world.events.select([])
        if e.value("project_id") != cloud.world.project("research").id
    ]
    assert seen == mine
    assert len(seen) == len(set(seen)) > 250
    assert ask(cloud, "/event/v2/events?marker=unknown").status_code == 400


def test_panko_sorts_as_told(cloud: Cloud) -> None:
    found = events(cloud, "/event/v2/events?sort=generated:desc")
    stamps = [event["generated"] for event in found]
    assert stamps == sorted(stamps, reverse=True)
    assert ask(cloud, "/event/v2/events?sort=traits:asc").status_code == 400


def test_ceilometer_overlooks_the_marker(cloud: Cloud) -> None:
    first = events(cloud, "/metering/v2/events?limit=2")
    assert events(cloud, f"/metering/v2/events?limit=2&marker={first[-1]['message_id']}") == first


def test_one_event_types_and_traits(cloud: Cloud) -> None:
    one = events(cloud, "/event/v2/events?q.field=event_type&q.value=compute.instance.create.end&limit=1")[0]
    assert ask(cloud, f"/event/v2/events/{one['message_id']}").json() == one
    assert "compute.instance.create.end" in ask(cloud, "/event/v2/event_types").json()
    traits = ask(cloud, "/event/v2/event_types/compute.instance.create.end/traits").json()
    assert {"name": "memory_mb", "type": "integer"} in traits
    assert all(isinstance(trait["value"], str) for trait in one["traits"])
