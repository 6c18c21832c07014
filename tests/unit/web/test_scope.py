"""What a token of one project sees of the ledger, and what an operator sets in motion in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.ledger.effects import Effect
from tasks.ledger.events import DeadLetter, Event, Place
from tasks.ledger.incidents import Incident
from tests.unit.web.web_ground import NOW, Ground, standing

API = "/api/v1"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        yield found


def ids(ground: Ground, path: str, who: str = "viewer") -> list[int]:
    answer = ground.client(who).get(f"{API}/{path}")
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["items"]]


def test_a_token_of_one_project_sees_that_project_alone(ground: Ground) -> None:
    assert ids(ground, "events", "red") == [4, 3, 6, 1]
    assert ids(ground, "events?project=red&resource=srv-2", "red") == []
    assert ids(ground, "incidents", "red") == [1]
    assert ids(ground, "effects?event_id=1", "red") == [4, 2, 1]
    inventory = ground.client("red").get(f"{API}/inventory").json()["items"]
    assert [row["ref"] for row in inventory] == ["srv-1"]
    assert ground.client("red").get(f"{API}/providers").json()["items"] == [
        {"name": "north", "kind": "openstack"},
        {"name": "south", "kind": "openstack"},
    ]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("events/2", 404), ("events/2/why", 404), ("events?after=2", 404), ("inventory/north/server/srv-2", 404),
        ("effects?event_id=2", 404), ("effects", 403), ("balance", 403), ("stages", 403), ("events?project=blue", 403),
        ("events?project=nowhere", 403), ("inventory?project=blue", 403), ("incidents?project=blue", 403),
    ],
)  # fmt: skip
def test_a_token_of_one_project_is_refused_everything_else(ground: Ground, path: str, status: int) -> None:
    answer = ground.client("red").get(f"{API}/{path}")

    assert answer.status_code == status
    assert "blue" not in answer.text


def test_another_projects_row_is_answered_as_one_that_does_not_exist(ground: Ground) -> None:
    client = ground.client("red-op")
    pairs = [
        ("get", "events/2", "events/99"),
        ("get", "events/2/why", "events/99/why"),
        ("get", "inventory/north/server/srv-2", "inventory/north/server/none"),
        ("get", "effects?event_id=2", "effects?event_id=99"),
        ("post", "events/2/retry", "events/99/retry"),
        ("post", "effects/3/retry", "effects/99/retry"),
        ("post", "incidents/2/acknowledge", "incidents/99/acknowledge"),
        ("post", "incidents/2/close", "incidents/99/close"),
    ]

    for method, other, absent in pairs:
        answers = [client.request(method, f"{API}/{path}") for path in (other, absent)]
        assert [a.status_code for a in answers] == [404, 404], other
        assert answers[0].json() == answers[1].json()
        assert dict(answers[0].headers) == dict(answers[1].headers)
    with ground.ledger.reading() as session:
        assert [session.get_one(Incident, row).state for row in (1, 2)] == ["open", "open"]
        assert session.get_one(Effect, 3).state == "dead"


def test_history_of_an_object_names_no_event_of_another_project(ground: Ground) -> None:
    found = ground.client("red").get(f"{API}/inventory/north/server/srv-1").json()

    assert [c["event_id"] for c in found["changes"]] == [None, 1]
    assert [c["event_type"] for c in found["changes"]] == [None, "compute.instance.update"]
    assert found["refresh"]["event_id"] is None


def test_retry_sends_a_dead_event_on_its_way_once_and_rings(ground: Ground) -> None:
    client = ground.client("red-op")

    assert [client.post(f"{API}/events/3/retry").status_code for _ in range(2)] == [200, 409]

    assert ground.rings == [True]
    with ground.ledger.reading() as session:
        assert session.get_one(Event, 3).state == "pending"
        assert session.get_one(Place, 3).due_at == NOW
        assert session.get(DeadLetter, 3) is None
    north = ground.client("viewer").get(f"{API}/balance").json()["items"][0]
    assert (north["pending"], north["dead"], north["exact"]) == (2, 0, True)


def test_retry_opens_a_dead_effect_again_once_and_rings(ground: Ground) -> None:
    client = ground.client("operator")

    assert [client.post(f"{API}/effects/2/retry").status_code for _ in range(2)] == [200, 409]

    assert ground.rings == [True]
    with ground.ledger.reading() as session:
        assert session.get_one(Effect, 2).state == "asked"


@pytest.mark.parametrize("path", ["events/1/retry", "events/4/retry", "effects/1/retry"])
def test_retry_of_what_is_not_dead_changes_nothing(ground: Ground, path: str) -> None:
    answer = ground.client("operator").post(f"{API}/{path}")

    assert answer.status_code == 409
    assert "not dead" in answer.json()["error"]["message"]
    assert ground.rings == []


def test_incidents_are_acknowledged_and_closed_under_the_tokens_name(ground: Ground) -> None:
    client = ground.client("red-op")
    moves = [f"{API}/incidents/1/{move}" for move in ("acknowledge", "acknowledge", "close", "close", "acknowledge")]

    assert [client.post(path).status_code for path in moves] == [200, 409, 200, 409, 409]

    row = next(i for i in ground.client("viewer").get(f"{API}/incidents").json()["items"] if i["id"] == 1)
    assert (row["state"], row["acknowledged_by"], row["closed_by"]) == ("closed", "red-op", "red-op")
