"""Incidents and silences in the API: what is listed, who may do what, and under which name it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tasks.ledger.effects import Effect
from tasks.ledger.incidents import Incident
from tasks.ledger.silences import Silence
from tasks.model.clock import rfc3339
from tests.unit.web.web_ground import EVIL, NOW, Ground, standing

API = "/api/v1"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        yield found


def items(ground: Ground, path: str, who: str = "viewer") -> list[dict[str, Any]]:
    answer = ground.client(who).get(f"{API}/{path}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [1, 2]), ("alert=h*", [1, 2]), ("alert=low", []), ("severity=error", [1]), ("resource=server/srv-2", [2]),
        ("provider=south", []), ("state=open&project=blue", [2]), ("cannot_notify=true", [1]), ("after=1", [2]),
        ("state=&alert=&cannot_notify=&after=&group=", [1, 2]),
    ],
)  # fmt: skip
def test_incidents_are_narrowed(ground: Ground, query: str, ids: list[int]) -> None:
    assert [line["id"] for line in items(ground, f"incidents?{query}")] == ids


def test_the_list_goes_on_page_by_page(ground: Ground) -> None:
    client = ground.client("viewer")
    first = client.get(f"{API}/incidents?limit=1&alert=high").json()
    assert first["next"] == "/api/v1/incidents?limit=1&alert=high&after=1"
    second = client.get(first["next"]).json()
    assert [line["id"] for line in second["items"]] == [2]
    assert client.get(second["next"]).json() == {"items": [], "next": None}


def test_groups_have_one_item_each(ground: Ground) -> None:
    [line] = items(ground, "incidents?group=alert")
    assert (line["group"], line["incidents"], line["unclosed"], line["worst"]) == ("high", 2, 2, "error")
    assert (line["first_at"], line["cannot_notify"]) == (rfc3339(NOW - timedelta(seconds=290)), 1)
    assert [line["group"] for line in items(ground, "incidents?group=tenant", "red")] == ["red"]
    assert [line["group"] for line in items(ground, "incidents?group=object", "red")] == ["server/srv-1"]
    assert ground.client("viewer").get(f"{API}/incidents?group=colour").status_code == 422


def test_an_incident_that_cannot_notify_says_so_until_its_notification_is_tried_again(ground: Ground) -> None:
    client = ground.client("operator")
    found = client.get(f"{API}/incidents/1").json()
    [firing] = found["firings"]
    [notification] = firing["notifications"]
    assert found["cannot_notify"] is True
    assert (firing["event_id"], firing["relation"]) == (1, "opened")
    assert (notification["id"], notification["state"]) == (4, "dead")
    assert notification["error"] == f"no mail server {EVIL}"

    assert client.post(f"{API}/effects/4/retry").status_code == 200
    assert client.get(f"{API}/incidents/1").json()["cannot_notify"] is False
    assert "catchment_incidents_cannot_notify 0.0" in client.get("/metrics").text


def test_a_token_of_one_project_neither_sees_nor_moves_the_incidents_of_another(ground: Ground) -> None:
    client = ground.client("red-op")
    moves: tuple[tuple[str, Any], ...] = (
        ("ack", None), ("acknowledge", None), ("close", None), ("reopen", None),
        ("assign", {"to": "red-op"}), ("comment", {"text": "mine"}),
    )  # fmt: skip
    for word, body in moves:
        answers = [client.post(f"{API}/incidents/{row}/{word}", json=body) for row in (2, 99)]
        assert [a.status_code for a in answers] == [404, 404], word
        assert answers[0].json() == answers[1].json()
    assert client.get(f"{API}/incidents/2").status_code == 404
    assert client.get(f"{API}/incidents?after=2").status_code == 404
    assert items(ground, "incidents?resource=srv-2", "red") == []
    assert ground.client("viewer").get(f"{API}/incidents/2").json()["history"] == []


def test_check_83_rules_of_what_is_done_to_an_incident(ground: Ground) -> None:
    client, boss = ground.client("operator"), ground.client("boss")
    path = f"{API}/incidents/1"
    assert client.post(f"{path}/hide").status_code == 404
    for body in ({}, {"text": ""}, {"text": " \n"}, {"text": "a\x00b"}, {"text": "x" * 4001}, {"text": None}):
        assert client.post(f"{path}/comment", json=body).status_code == 422, body
    for body in ({}, {"to": ""}, {"to": "  "}, {"to": "x" * 201}, {"to": ["ann"]}, {"to": "a\x00"}):
        assert client.post(f"{path}/assign", json=body).status_code == 422, body
    assert client.get(path).json()["history"] == []

    assert client.post(f"{path}/assign", json={"to": " boss "}).status_code == 200
    assert client.post(f"{path}/ack").status_code == 409
    assert boss.post(f"{path}/ack").status_code == 200
    assert client.get(path).json()["acknowledged_by"] == "boss"
    assert client.post(f"{path}/assign", json={"to": "operator"}).status_code == 200
    found = client.get(path).json()
    assert (found["state"], found["acknowledged_by"], found["assigned_to"]) == ("open", None, "operator")


def test_check_84_whatever_the_payload_says_the_caller_is_who_did_it(ground: Ground) -> None:
    client = ground.client("operator")
    path = f"{API}/incidents/1"
    assert client.post(f"{path}/ack", json={"who": "boss", "user_id": 1}).status_code == 200
    assert client.post(f"{path}/comment", json={"text": "x", "who": "boss"}).status_code == 422
    assert client.post(f"{path}/assign", json={"to": "ann", "user": "boss"}).status_code == 422
    assert client.post(f"{path}/comment", json={"text": "x"}).status_code == 200
    found = client.get(path).json()
    assert [(note["word"], note["who"]) for note in found["history"]] == [
        ("acknowledged", "operator"),
        ("comment", "operator"),
    ]
    assert (found["acknowledged_by"], found["assigned_to"]) == ("operator", None)


def test_half_a_character_is_no_reason_to_fail(ground: Ground) -> None:
    answer = ground.client("operator").post(
        f"{API}/incidents/1/comment",
        content=b'{"text": "\\ud800"}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422


def test_silences_are_made_listed_and_ended(ground: Ground) -> None:
    client = ground.client("operator")
    wish = {"alert": "hi*", "object": "server/srv-*", "for": "2h", "comment": f"fan {EVIL}"}
    made = client.post(f"{API}/silences", json=wish).json()
    assert (made["alert"], made["kind"], made["ref"], made["made_by"]) == ("hi*", "server", "srv-*", "operator")
    assert (made["state"], made["starts_at"], made["ends_at"]) == (
        "holds",
        rfc3339(NOW),
        rfc3339(NOW + timedelta(hours=2)),
    )
    later = {"severity": "error", "from": "2031-05-05T00:00:00Z", "until": "2031-05-06T00:00:00Z", "comment": "x"}
    assert client.post(f"{API}/silences", json=later).json()["state"] == "to come"
    assert [line["id"] for line in items(ground, "silences")] == [2, 1]
    path = f"{API}/silences/1/end"
    assert [client.post(path).status_code for _ in range(2)] == [200, 409]
    assert client.post(f"{API}/silences/99/end").status_code == 404
    assert [line["id"] for line in items(ground, "silences")] == [2]
    assert [line["state"] for line in items(ground, "silences?all=true")] == ["to come", "over"]


@pytest.mark.parametrize(
    "wish",
    [
        {"comment": "x"}, {"alert": "a"}, {"alert": "a", "comment": " "}, {"alert": " ", "comment": "x"},
        {"alert": "a", "comment": "x", "for": "soon"}, {"alert": "a", "comment": "x", "for": "0s"},
        {"alert": "a", "comment": "x", "for": "31d"}, {"alert": "a", "comment": "x", "for": "999999999d999999999d"},
        {"alert": "a", "comment": "x", "for": "1h", "until": "2031-05-06T00:00:00Z"},
        {"alert": "a", "comment": "x", "until": "2031-05-04T11:00:00Z"},
        {"alert": "a", "comment": "x", "from": "2031-05-01T00:00:00Z", "for": "1h"},
        {"alert": "a", "comment": "x", "severity": "odd"}, {"alert": "a\x00", "comment": "x"},
        {"alert": "a", "comment": "x", "made_by": "boss"}, {"alert": "a", "comment": "x", "from": "never"},
    ],
)  # fmt: skip
def test_a_silence_that_makes_no_sense_is_refused(ground: Ground, wish: dict[str, str]) -> None:
    assert ground.client("operator").post(f"{API}/silences", json=wish).status_code == 422
    with ground.ledger.reading() as session:
        assert session.scalars(select(Silence)).all() == []


def test_silences_are_about_all_projects_and_take_the_role(ground: Ground) -> None:
    wish = {"alert": "a", "comment": "x"}
    assert ground.client("viewer").post(f"{API}/silences", json=wish).status_code == 403
    for who in ("red", "red-op"):
        assert ground.client(who).get(f"{API}/silences").status_code == 403
        assert ground.client(who).post(f"{API}/silences", json=wish).status_code == 403
        assert ground.client(who).post(f"{API}/silences/1/end").status_code == 403


def test_a_notification_of_another_alert_on_the_same_event_does_not_count(ground: Ground) -> None:
    with ground.ledger.transaction() as session:
        session.get_one(Effect, 4).rule = "alert:higher"
    assert [line["cannot_notify"] for line in items(ground, "incidents")] == [False, False]
    with ground.ledger.transaction() as session:
        session.get_one(Effect, 4).rule = "alert:high"
        session.get_one(Incident, 1).notified_by = None
    assert [line["cannot_notify"] for line in items(ground, "incidents")] == [False, False]
