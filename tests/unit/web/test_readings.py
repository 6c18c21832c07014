"""``POST /api/v1/readings``: what monitoring may tell, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tasks.ledger.readings import Reading
from tests.unit.web.web_ground import Ground
from tests.unit.web.web_rows import NOW

ADDRESS = "/api/v1/readings"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    found = Ground(tmp_path)
    yield found
    found.close()


def one(**keys: Any) -> dict[str, Any]:
    return {"provider": "north", "kind": "server", "id": "srv-1", "name": "cpu_percent", "value": 91.5, **keys}


def kept(ground: Ground) -> list[Reading]:
    with ground.ledger.reading() as session:
        return list(session.scalars(select(Reading).order_by(Reading.id)))


def test_readings_are_taken_and_kept_with_the_moment_that_they_name_or_now(ground: Ground) -> None:
    earlier = (NOW - timedelta(minutes=3)).isoformat()
    answer = ground.client("operator").post(ADDRESS, json=[one(), one(id="unheard-of", value=7, at=earlier)])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    first, second = kept(ground)
    assert (first.provider_id, first.kind, first.ref, first.name) == (1, "server", "srv-1", "cpu_percent")
    assert (first.value, first.at, first.fresh) == (91.5, NOW, True)
    assert (second.ref, second.value, second.at) == ("unheard-of", 7.0, NOW - timedelta(minutes=3))


def test_a_reading_of_a_clock_that_is_ahead_is_of_now_so_that_alerts_see_it(ground: Ground) -> None:
    ahead = (NOW + timedelta(minutes=3)).isoformat()
    assert ground.client("operator").post(ADDRESS, json=[one(at=ahead)]).status_code == 202
    assert kept(ground)[0].at == NOW


def test_a_thousand_readings_fit_into_one_call_and_no_more(ground: Ground) -> None:
    many = [one(id=f"{number:036}") for number in range(1000)]
    assert len(json.dumps(many)) > 64 * 1024
    assert ground.client("operator").post(ADDRESS, json=many).status_code == 202
    assert len(kept(ground)) == 1000
    assert ground.client("operator").post(ADDRESS, json=[*many, one()]).status_code == 422
    assert ground.client("operator", **JSON).post(ADDRESS, content=b" " * (512 * 1024 + 1)).status_code == 413


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"value": "90"}, "value"),
        ({"value": True}, "value"),
        ({"value": None}, "value"),
        ({"value": 10**400}, "value"),
        ({"name": "CPU"}, "name"),
        ({"name": "a" * 65}, "name"),
        ({"name": ""}, "name"),
        ({"kind": "Server"}, "kind"),
        ({"id": ""}, "id"),
        ({"id": "a\x00"}, "id"),
        ({"id": "a" * 256}, "id"),
        ({"id": "\ud800"}, "id"),
        ({"at": "yesterday"}, "at"),
        ({"unit": "%"}, "unit"),
    ],
)
def test_what_is_no_reading_is_refused_with_its_place_and_nothing_is_kept(
    ground: Ground, keys: dict[str, Any], where: str
) -> None:
    answer = ground.client("operator", **JSON).post(ADDRESS, content=json.dumps([one(), one(**keys)]))
    assert answer.status_code == 422, answer.text
    assert f"1.{where}" in json.dumps(answer.json()["error"]["problems"])
    assert kept(ground) == []


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_without_end_is_refused(ground: Ground, value: str) -> None:
    body = json.dumps([one(value=0.125)]).replace("0.125", value)
    assert ground.client("operator", **JSON).post(ADDRESS, content=body).status_code == 422
    assert kept(ground) == []


@pytest.mark.parametrize("body", ["{}", "[]", "7", "[7]", "not json", ""])
def test_what_is_no_list_of_readings_is_refused(ground: Ground, body: str) -> None:
    assert ground.client("operator", **JSON).post(ADDRESS, content=body).status_code == 422


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"provider": "nowhere"}, "no provider 'nowhere'"),
        ({"provider": "internal"}, "no provider 'internal'"),
        ({"at": (NOW + timedelta(minutes=6)).isoformat()}, "of the future"),
        ({"at": (NOW - timedelta(days=7, seconds=1)).isoformat()}, "older than 7 days"),
    ],
)
def test_readings_of_unknown_providers_and_of_other_times_are_refused(
    ground: Ground, keys: dict[str, Any], word: str
) -> None:
    answer = ground.client("operator").post(ADDRESS, json=[one(), one(**keys)])
    assert answer.status_code == 422
    assert word in answer.json()["error"]["message"]
    assert kept(ground) == []


def test_it_takes_the_role_operate(ground: Ground) -> None:
    assert ground.client().post(ADDRESS, json=[one()]).status_code == 401
    assert ground.client("viewer").post(ADDRESS, json=[one()]).status_code == 403
    assert ground.client("red").post(ADDRESS, json=[one()]).status_code == 403
    assert ground.client("boss").post(ADDRESS, json=[one()]).status_code == 202


def test_a_token_of_one_project_tells_of_that_projects_objects_alone(ground: Ground) -> None:
    client = ground.client("red-op")
    assert client.post(ADDRESS, json=[one()]).status_code == 202
    for other in ("srv-2", "unheard-of"):
        answer = client.post(ADDRESS, json=[one(), one(id=other)])
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "there is no such object")
    assert len(kept(ground)) == 1
