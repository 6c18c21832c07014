"""The HTTP API: what each route answers, to whom, and what it makes of bad input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.web.web_ground import EVIL, Ground, standing

API = "/api/v1"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        yield found


def ids(ground: Ground, path: str, who: str = "viewer") -> list[int]:
    answer = ground.client(who).get(f"{API}/{path}")
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["items"]]


def test_probes_say_yes_and_nothing_else(ground: Ground) -> None:
    for probe in ("live", "ready"):
        answer = ground.client("red").get(f"{API}/health/{probe}")
        assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_ready_says_no_while_the_tables_are_of_another_release(ground: Ground) -> None:
    with ground.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'x'")

    answer = ground.client("viewer").get(f"{API}/health/ready")

    assert (answer.status_code, answer.json()) == (503, {"ok": False})


def test_providers_say_how_they_are(ground: Ground) -> None:
    north, south = ground.client("viewer").get(f"{API}/providers").json()["items"]

    assert (north["name"], north["state"], north["contact_age"]) == ("north", "receiving", 5.0)
    assert (south["name"], south["state"], south["failure"]) == ("south", "failing", f"the cloud refused {EVIL}")


def test_balance_adds_up_and_names_what_does_not(ground: Ground) -> None:
    lines = {line["provider"]: line for line in ground.client("viewer").get(f"{API}/balance").json()["items"]}

    assert lines["north"] == {
        "provider": "north", "received": 6, "stored": 5, "duplicate": 1, "rejected": 0, "finished": 3, "pending": 1,
        "dead": 1, "exact": True, "faults": [],
    }  # fmt: skip
    with ground.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tally SET received = 7 WHERE provider_id = 1")
    broken = next(
        line for line in ground.client("viewer").get(f"{API}/balance").json()["items"] if line["provider"] == "north"
    )
    assert broken["exact"] is False
    assert "received 7" in broken["faults"][0]


def test_stages_come_in_their_order_with_what_waits(ground: Ground) -> None:
    found = {row["stage"]: row for row in ground.client("viewer").get(f"{API}/stages").json()["items"]}

    assert list(found) == ["convert", "switchboard", "policy", "alert", "refresh"]
    assert {name: row["pending"] for name, row in found.items() if row["pending"]} == {"policy": 1}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", [5, 4, 3, 2, 6, 1]),
        ("?order=oldest", [1, 6, 2, 3, 4, 5]),
        ("?provider=internal", [6]),
        ("?provider=nowhere", []),
        ("?type=vm_start", [6]),
        ("?type=compute.instance.*", [4, 3, 2, 1]),
        ("?resource=server/srv-1", [4, 6, 1]),
        ("?resource=vol-1", [3]),
        ("?project=blue", [5, 2]),
        ("?state=dead", [3]),
        ("?state=pending&stage=policy", [4]),
        ("?since=2031-05-04T11:58:00Z", [5, 4, 3]),
        ("?since=2031-05-04T11:58:00&until=2031-05-04%2011:59:00", [3]),
        ("?state=&provider=&type=&since=&after=", [5, 4, 3, 2, 6, 1]),
    ],
)
def test_events_are_filtered(ground: Ground, query: str, wanted: list[int]) -> None:
    assert ids(ground, f"events{query}") == wanted


def test_events_go_on_where_the_page_ended(ground: Ground) -> None:
    client, path, seen = ground.client("viewer"), f"{API}/events?limit=4&project=&type=", []
    while path:
        answer = client.get(path).json()
        seen += [row["id"] for row in answer["items"]]
        path = answer["next"]

    assert seen == [5, 4, 3, 2, 6, 1]


@pytest.mark.parametrize(
    "query",
    [
        "state=odd", "limit=0", "limit=501", "limit=x", "after=0", f"after={2**63}", "order=up", "since=yesterday",
        "since=0001-01-01T00:00:00%2B14:00", "until=9999-12-31T23:59:59-14:00", "since=1e400", "type=a%00b",
        f"type={'x' * 256}", "unknown=1", "provder=north",
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit_are_named_and_not_repeated(ground: Ground, query: str) -> None:
    answer = ground.client("viewer").get(f"{API}/events?{query}")

    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["problems"][0]["where"].startswith("query.")
    assert set(error["problems"][0]) == {"where", "what"}
    assert "x" * 100 not in answer.text


@pytest.mark.parametrize(
    "text",
    [
        "' OR 1=1 --",
        "1; DROP TABLE event",
        '" OR ""="',
        "%",
        "_",
        "\\",
        "${7*7}",
        "{{7*7}}",
        "é\u202e",
        "*" * 200,
        "?" * 200,
    ],
)
@pytest.mark.parametrize("name", ["provider", "type", "resource", "project", "stage"])
def test_a_filter_is_text_and_never_a_piece_of_sql(ground: Ground, name: str, text: str) -> None:
    everything = name == "type" and set(text) == {"*"}

    answer = ground.client("viewer").get(f"{API}/events", params={name: text})

    assert answer.status_code == 200
    assert len(answer.json()["items"]) == (6 if everything else 0)
    assert len(ids(ground, "events")) == 6


def test_one_event_and_its_why(ground: Ground) -> None:
    client = ground.client("viewer")
    event, why = client.get(f"{API}/events/1").json(), client.get(f"{API}/events/1/why").json()

    assert (event["id"], event["event_type"], event["resource_name"]) == (1, "compute.instance.update", "web")
    assert why["event"] == event
    assert [d["stage"] for d in why["decisions"]] == ["switchboard", "policy"]
    assert [(e["action"], e["state"], len(e["tries"])) for e in why["effects"]] == [
        ("log", "done", 0),
        ("webhook", "dead", 1),
        ("mail", "dead", 0),
    ]
    assert [c["event"]["id"] for c in why["children"]] == [6]
    assert [c["verdict"] for c in why["changes"]] == ["changed"]


def test_text_that_is_no_unicode_does_not_break_the_answer(ground: Ground) -> None:
    answer = ground.client("viewer").get(f"{API}/events/1/why")

    assert answer.status_code == 200
    assert answer.json()["notification"]["content"]["payload"]["half"] == "\ud800"


@pytest.mark.parametrize(
    "path", ["events/99", "events/99/why", f"events/{2**63 - 1}", "inventory/north/server/none", "inventory/x/y/z/w"]
)
def test_what_does_not_exist_is_404(ground: Ground, path: str) -> None:
    answer = ground.client("viewer").get(f"{API}/{path}")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "path", ["events/0", "events/-1", "events/x", f"events/{2**63}", "events/1.5", "inventory/a/b/c%00"]
)
def test_what_cannot_be_an_id_is_422(ground: Ground, path: str) -> None:
    assert ground.client("viewer").get(f"{API}/{path}").status_code == 422


def test_inventory_is_filtered_and_one_object_has_its_history(ground: Ground) -> None:
    def refs(query: str) -> list[str]:
        return [row["ref"] for row in ground.client("viewer").get(f"{API}/inventory{query}").json()["items"]]

    assert refs("") == ["srv-1", "srv-2"]
    assert refs("?name=w*") == ["srv-1"]
    assert refs("?project=blue&state=known&kind=server&provider=north") == ["srv-2"]
    assert refs("?state=gone") == []
    found = ground.client("viewer").get(f"{API}/inventory/north/server/srv-1").json()
    assert found["attributes"] == {"status": "ACTIVE"}
    assert [(c["event_id"], c["after"]) for c in found["changes"]] == [
        (2, {"status": "ACTIVE"}),
        (1, {"status": "ACTIVE"}),
    ]


def test_effects_and_incidents_are_filtered(ground: Ground) -> None:
    assert ids(ground, "effects") == [4, 3, 2, 1]
    assert ids(ground, "effects?state=dead&event_id=1") == [4, 2]
    assert ids(ground, "incidents") == [1, 2]
    assert ids(ground, "incidents?state=closed") == []
    assert ids(ground, "incidents?project=blue&limit=5") == [2]


def test_the_description_covers_the_api_and_names_its_token(ground: Ground) -> None:
    description: dict[str, Any] = ground.client("viewer").get(f"{API}/openapi.json").json()

    paths = description["paths"]
    assert {p.removeprefix(API) for p in paths} >= {
        "/health/live", "/health/ready", "/providers", "/balance", "/stages", "/events", "/events/{event_id}",
        "/events/{event_id}/why", "/events/{event_id}/retry", "/inventory", "/inventory/{provider}/{kind}/{ref}",
        "/effects", "/effects/{effect_id}/retry", "/incidents", "/incidents/{incident_id}/acknowledge",
        "/incidents/{incident_id}/close", "/incidents/{incident_id}", "/silences", "/silences/{silence_id}/end",
    }  # fmt: skip
    assert all(p.startswith((API, "/api/automation_requests")) for p in paths)
    for path, operations in paths.items():
        for operation in operations.values():
            assert operation["security"], path
            assert operation["responses"]["401"]["content"]["application/json"]["schema"]["$ref"].endswith("/Fault")


def test_a_ledger_that_does_not_answer_is_503_without_a_trace(ground: Ground) -> None:
    client = ground.client("viewer")
    with ground.ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE token RENAME TO elsewhere")

    answer = client.get(f"{API}/events")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"]["code"] == "service_unavailable"
    assert "sqlite" not in answer.text.lower()
    assert "SELECT" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_fault_of_our_own_is_500_without_a_trace(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("inner secret")

    monkeypatch.setattr("workers.web.api.health.stages", broken)

    answer = ground.client("viewer").get(f"{API}/stages")

    assert answer.status_code == 500
    assert "inner secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")


def test_an_incident_is_assigned_commented_closed_and_opened_again(ground: Ground) -> None:
    client = ground.client("operator")
    assert client.post(f"{API}/incidents/1/assign", json={"to": "erin"}).json() == {"ok": True}
    assert client.post(f"{API}/incidents/1/comment", json={"text": "the fan is loud"}).status_code == 200
    assert client.post(f"{API}/incidents/1/close").status_code == 200
    assert client.post(f"{API}/incidents/1/assign", json={"to": "erin"}).status_code == 409
    assert client.post(f"{API}/incidents/1/reopen").status_code == 200
    assert client.post(f"{API}/incidents/1/reopen").status_code == 409
    found = ground.client("viewer").get(f"{API}/incidents/1").json()
    assert (found["state"], found["assigned_to"]) == ("open", "erin")
    assert [(n["word"], n["who"], n["text"]) for n in found["history"]] == [
        ("assigned", "operator", "erin"),
        ("comment", "operator", "the fan is loud"),
        ("closed", "operator", None),
        ("reopened", "operator", None),
    ]


def test_moves_of_incidents_need_the_role_and_the_project(ground: Ground) -> None:
    assert ground.client("viewer").post(f"{API}/incidents/1/comment", json={"text": "x"}).status_code == 403
    assert ground.client("operator").post(f"{API}/incidents/1/comment", json={"text": ""}).status_code == 422
    for path in ("incidents/2", "incidents/999"):
        assert ground.client("red").get(f"{API}/{path}").status_code == 404
    assert ground.client("red-op").post(f"{API}/incidents/2/reopen").status_code == 404
