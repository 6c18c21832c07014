"""Operations over the API: who may ask for which, and what is answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.web.web_ground import Ground

START = {"provider": "north", "kind": "server", "id": "srv-1", "action": "start_server"}


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    yield made
    made.close()


def test_an_operation_is_asked_for_and_looked_at(ground: Ground) -> None:
    client = ground.client("operator")
    asked = client.post("/api/v1/operations", json=START)
    assert asked.status_code == 202
    line = asked.json()
    assert (line["action"], line["state"], line["rule"], line["effect"]) == (
        "start_server",
        "deciding",
        "operator:operator",
        None,
    )
    assert client.get(f"/api/v1/operations/{line['id']}").json() == line
    assert client.get("/api/v1/operations").json() == {"items": [line]}
    assert ground.rings


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"action": "fly"}, "there is no operation"),
        ({"id": "nowhere"}, "north has no server/nowhere"),
        ({"kind": "volume"}, "works on server"),
        ({"action": "stop_server"}, "destructive"),
        ({"params": {"x": 1}}, "x"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_words(ground: Ground, more: dict[str, Any], told: str) -> None:
    answer = ground.client("operator").post("/api/v1/operations", json=START | more)
    assert answer.status_code == 422
    assert told in answer.text


def test_a_viewer_asks_for_nothing(ground: Ground) -> None:
    assert ground.client("viewer").post("/api/v1/operations", json=START).status_code == 403
    assert ground.client().post("/api/v1/operations", json=START).status_code == 401


def test_a_token_of_one_project_reaches_its_own_objects_and_operations(ground: Ground) -> None:
    boss, red = ground.client("operator"), ground.client("red-op")
    own = red.post("/api/v1/operations", json=START).json()["id"]
    foreign = boss.post("/api/v1/operations", json=START | {"id": "srv-2"}).json()["id"]
    refused = red.post("/api/v1/operations", json=START | {"id": "srv-2"})
    assert refused.status_code == 422
    assert "has no server/srv-2" in refused.text
    assert red.get(f"/api/v1/operations/{foreign}").status_code == 404
    assert [line["id"] for line in red.get("/api/v1/operations").json()["items"]] == [own]
    assert [line["id"] for line in boss.get("/api/v1/operations").json()["items"]] == [foreign, own]
