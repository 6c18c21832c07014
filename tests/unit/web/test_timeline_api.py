"""Timelines over the API: counts and events as JSON and CSV, and what a token of one project sees of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.web.web_ground import NOW, Ground, standing
from tests.unit.web.web_rows import event
from workers.web.sheet import cell

COUNTS, EVENTS = "/api/v1/timeline", "/api/v1/timeline/events"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        yield found


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_counts_are_told_by_stretch_and_group(ground: Ground) -> None:
    found = ground.client("viewer").get(COUNTS, params={"last": "1h"}).json()
    assert (found["since"], found["until"]) == ("2031-05-04T11:00:00.000000Z", "2031-05-04T12:00:00.000000Z")
    assert (found["events"], found["seconds"]) == (6, 30)
    assert [(g["source"], g["name"], g["title"], g["levels"]) for g in found["groups"]] == [
        ("provider", "other", "Other", {"detail": 5}),
        ("policy", "vm_operational", "VM Operation", {"detail": 1}),
    ]
    first = found["buckets"][0]
    assert (first["start"], first["end"]) == ("2031-05-04T11:55:00.000000Z", "2031-05-04T11:55:30.000000Z")
    assert sum(bucket["events"] for bucket in found["buckets"]) == 6
    assert sum(count["events"] for bucket in found["buckets"] for count in bucket["counts"]) == 6


@pytest.mark.parametrize(
    ("parameters", "ids"),
    [
        ({}, [5, 4, 3, 2, 6, 1]),
        ({"order": "oldest"}, [1, 6, 2, 3, 4, 5]),
        ({"object": "server/srv-1"}, [4, 6, 1]),
        ({"project": "blue"}, [5, 2]),
        ({"source": "policy"}, [6]),
        ({"group": "vm_operational"}, [6]),
        ({"group": ["vm_operational", "power"]}, [6]),
        ({"level": "critical"}, []),
        ({"result": "detail"}, [6]),
        ({"result": "failure"}, []),
        ({"type": "vm_*"}, [6]),
        ({"provider": "south"}, []),
        ({"provider": "internal"}, [6]),
        ({"since": "2031-05-04T11:58:00Z"}, [5, 4, 3]),
        ({"until": "2031-05-04 11:58"}, [2, 6, 1]),
        ({"group": "", "level": "", "provider": ""}, [5, 4, 3, 2, 6, 1]),
    ],
)
def test_filters_narrow_counts_and_events_alike(ground: Ground, parameters: dict[str, Any], ids: list[int]) -> None:
    client = ground.client("viewer")
    items = client.get(EVENTS, params=parameters).json()["items"]
    assert [item["id"] for item in items] == ids
    rest = {name: value for name, value in parameters.items() if name != "order"}
    assert client.get(COUNTS, params=rest).json()["events"] == len(ids)


def test_an_event_is_told_with_the_group_and_level_of_the_timeline(ground: Ground) -> None:
    [found] = ground.client("viewer").get(EVENTS, params={"source": "policy"}).json()["items"]
    assert (found["event_type"], found["group"], found["title"], found["level"]) == (
        "vm_start",
        "vm_operational",
        "VM Operation",
        "detail",
    )


def test_pages_of_events_go_on_with_their_filters_and_their_range(ground: Ground) -> None:
    client = ground.client("viewer")
    address, ids = f"{EVENTS}?limit=2&group=other&group=vm_operational", []
    while address:
        found = client.get(address).json()
        ids += [item["id"] for item in found["items"]]
        address = found["next"]
        ground.now += timedelta(days=100)
    assert ids == [5, 4, 3, 2, 6, 1]


def test_a_token_of_one_project_sees_its_events_alone(ground: Ground) -> None:
    client = ground.client("red")
    assert client.get(COUNTS).json()["events"] == 4
    assert [item["id"] for item in client.get(EVENTS).json()["items"]] == [4, 3, 6, 1]
    assert [row["id"] for row in table(client.get(EVENTS, params={"format": "csv"}).text)] == ["4", "3", "6", "1"]
    assert client.get(EVENTS, params={"object": "server/srv-2"}).json()["items"] == []
    assert client.get(EVENTS, params={"object": "project/blue"}).json()["items"] == []
    assert client.get(COUNTS, params={"project": "blue"}).status_code == 403
    assert client.get(EVENTS, params={"after": 2}).status_code == 404


def test_counts_and_events_come_as_csv(ground: Ground) -> None:
    client = ground.client("viewer")
    answer = client.get(COUNTS, params={"format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="timeline.csv"'
    rows = table(answer.text)
    assert sum(int(row["events"]) for row in rows) == 6
    assert {(row["group"], row["title"], row["level"]) for row in rows} == {
        ("other", "Other", "detail"),
        ("vm_operational", "VM Operation", "detail"),
    }
    found = table(client.get(EVENTS, params={"format": "csv"}).text)
    assert [row["id"] for row in found] == ["5", "4", "3", "2", "6", "1"]
    assert (found[1]["object_name"], found[1]["why"], found[1]["state"]) == ("web", "/events/4", "pending")


def test_csv_has_all_events_however_many_a_page_has(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.web.timeline._PAGE", 3)
    monkeypatch.setattr("workers.web.sheet._TOGETHER", 2)
    client = ground.client("viewer")
    for order in ("newest", "oldest"):
        found = table(client.get(EVENTS, params={"format": "csv", "order": order, "limit": 1}).text)
        assert sorted(row["id"] for row in found) == ["1", "2", "3", "4", "5", "6"]


def test_csv_can_be_opened_in_a_spreadsheet(ground: Ground) -> None:
    formula = '=HYPERLINK("http://elsewhere","x"),\n"y"'
    with ground.ledger.transaction() as session:
        session.add(
            event(70, "red", "server", "+1", "finished", NOW, 1, event_type=formula, actor="@SUM(A1)", host="-1")
        )
    row = table(ground.client("viewer").get(EVENTS, params={"format": "csv"}).text)[0]
    assert (row["event_type"], row["object_id"], row["actor"], row["host"]) == (
        f"'{formula}",
        "'+1",
        "'@SUM(A1)",
        "'-1",
    )


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_a_cell_is_never_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert (cell("a=1"), cell(None), cell(7)) == ("a=1", "", "7")


@pytest.mark.parametrize(
    "parameters",
    [
        {"object": "server"},
        {"object": "/x"},
        {"level": "loud"},
        {"last": "2h"},
        {"since": "2031-05-05", "until": "2031-05-04"},
        {"since": "1971-01-01", "until": "2031-05-04"},
        {"buckets": "201"},
        {"format": "pdf"},
        {"colour": "red"},
        {"group": "a\x00b"},
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_reason(ground: Ground, parameters: dict[str, str]) -> None:
    answer = ground.client("viewer").get(COUNTS, params=parameters)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"]
