"""All rows once, whatever a service does with moments, ids and pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tasks.model.errors import CatchmentError, ProviderDown
from tests.ground import Clock
from tests.unit.http.http_service import HttpService, Reader
from tests.unit.http.test_http_contract import BY_ID, SIZE, WAYS


@pytest.fixture
def service(httpserver: HTTPServer) -> HttpService:
    return HttpService().serve(httpserver)


def test_a_row_that_is_shown_late_is_read(service: HttpService) -> None:
    reader = Reader(service.provider())
    for n in range(50):
        service.add(n, n)
    assert reader.poll() == list(range(50))
    service.add("late", 25)
    assert reader.poll() == ["late"]
    assert reader.poll() == []


def test_how_late_is_a_matter_of_the_overlap(service: HttpService) -> None:
    reader = Reader(service.provider(cursor={"by": "time", "parameter": "since", "overlap_seconds": 5}))
    service.add("a", 0)
    service.add("b", 100)
    reader.poll()
    service.add("too late", 94)
    service.add("late", 96)
    assert reader.poll() == ["late"]


def test_a_row_that_is_shown_late_during_a_long_walk_is_read(service: HttpService, hands: Clock) -> None:
    now = datetime(2024, 3, 4, 5, 6, 7, tzinfo=UTC)
    hands.now = now + timedelta(seconds=10)
    for n in range(40):
        service.add(n, n / 4)
    reader = Reader(service.provider())
    reader.poll(batches=1)
    # The first page is passed; a row appears in it, and time goes on until the walk ends far behind.
    service.add("late", 2)
    for n in range(40, 60):
        service.add(n, 200 + n)
    hands.now = now + timedelta(seconds=300)
    reader.poll()
    reader.poll()
    assert sorted(map(str, reader.names)) == sorted(["late", *map(str, range(60))])


@pytest.mark.parametrize("way", [way for way in WAYS if "newest" not in way and "ids" not in way])
def test_one_moment_over_a_page_break_loses_nothing(httpserver: HTTPServer, way: str) -> None:
    options, more = WAYS[way]
    service = HttpService(**more).serve(httpserver)
    for n in range(100, 118):
        service.add(n, 0)
    for n in range(118, 124):
        service.add(n, 1)
    for n in range(124, 160):
        service.add(n, 2 + n)
    reader = Reader(service.provider(**options))
    reader.poll(limit=7)
    assert reader.names == list(range(100, 160))


def test_more_of_one_moment_than_an_answer_takes_are_asked_for_in_a_larger_one(httpserver: HTTPServer) -> None:
    service = HttpService(cap=1000).serve(httpserver)
    for n in range(100, 190):
        service.add(n, 0)
    service.add(200, 1)
    reader = Reader(service.provider(paging={"by": "none", **SIZE}))
    reader.poll()
    assert reader.names == [*range(100, 190), 200]


@pytest.mark.parametrize("paging", [{"by": "none", **SIZE}, {"by": "none", "size": 20}, {"by": "none"}])
def test_an_answer_that_cannot_be_got_past_is_a_failure_and_no_loss(service: HttpService, paging: Any) -> None:
    for n in range(100, 190):
        service.add(n, 0)
    service.add(200, 1)
    reader = Reader(service.provider(paging=paging))
    with pytest.raises(ProviderDown, match="Nothing was passed over"):
        reader.poll()
    service.cap = 1000
    reader.poll()
    assert reader.names == [*range(100, 190), 200]


def test_a_gap_in_the_ids_that_is_filled_late_is_read(service: HttpService, hands: Clock) -> None:
    hands.now = datetime(2024, 3, 4, 5, 7, 7, tzinfo=UTC)
    for n in (1, 2, 4, 5, 900):
        service.add(n, 55 + n / 1000)
    reader = Reader(service.provider(cursor=BY_ID, paging={"by": "none"}))
    assert reader.poll() == [1, 2, 4, 5, 900]
    service.add(3, 55)
    hands.forward(20)
    assert reader.poll() == [3]
    assert reader.poll() == []
    service.add(901, 80)
    hands.forward(60)
    reader.poll()
    reader.poll()
    asked = service.queries[-1]["last_id"]
    assert asked == "901", "what has settled is not asked for again"


def test_ids_are_compared_as_numbers(service: HttpService) -> None:
    reader = Reader(service.provider(cursor={**BY_ID, "overlap_seconds": 0}, paging={"by": "none"}))
    for n in (8, 9, 10):
        service.add(n, n)
    reader.poll()
    service.add(11, 11)
    assert reader.poll() == [11]
    assert int(service.queries[-1]["last_id"]) == 11


def test_pages_that_repeat_end_the_walk(service: HttpService) -> None:
    service.clamp = True
    for n in range(30):
        service.add(n, n)
    reader = Reader(service.provider())
    assert reader.poll() == list(range(30))
    assert len(service.queries) < 8
    service.add(30, 30)
    assert reader.poll() == [30]


def test_a_service_that_does_not_know_the_marker_is_read_by_time(service: HttpService) -> None:
    service.deaf_to_marker = True
    for n in range(60):
        service.add(n, n)
    reader = Reader(service.provider(paging={"by": "marker", "parameter": "marker", **SIZE}))
    reader.poll()
    assert sorted(reader.names) == list(range(60))


def test_pages_that_go_round_in_circles_end_the_walk(httpserver: HTTPServer) -> None:
    service = HttpService()
    service.url = httpserver.url_for("/v1/events")
    answers = {
        "1": {"events": [{"id": 1, "type": "t", "created_at": "2024-01-01"}], "next": "?p=2"},
        "2": {"events": [{"id": 2, "type": "t", "created_at": "2024-01-02"}], "next": "?p=1"},
    }
    httpserver.expect_request("/v1/events").respond_with_handler(
        lambda request: Response(json.dumps(answers[request.args.get("p", "1")]))
    )
    reader = Reader(service.provider(paging={"by": "next", "next": "next"}))
    assert reader.poll() == [1, 2]
    assert len(httpserver.log) < 12


@pytest.mark.parametrize("way", ["time and a link in the answer", "time and a marker", "time and pages"])
def test_a_walk_that_was_cut_off_goes_on_where_it_was(httpserver: HTTPServer, way: str) -> None:
    service = HttpService().serve(httpserver)
    for n in range(100, 200):
        service.add(n, n)
    reader = Reader(service.provider(**WAYS[way][0]))
    for _ in range(5):
        reader.poll(batches=1)
    reader.poll()
    assert reader.names == list(range(100, 200))


def test_a_page_that_the_service_has_forgotten_begins_the_walk_anew(service: HttpService) -> None:
    for n in range(100, 160):
        service.add(n, n)
    reader = Reader(service.provider(paging={"by": "marker", "parameter": "marker", **SIZE}))
    reader.poll(batches=1)
    service.rows = [row for row in service.rows if row["id"] >= 130]
    reader.poll()
    assert sorted(reader.names) == [*range(100, 120), *range(130, 160)]


def test_newest_first_without_paging_does_not_leave_out_what_a_full_answer_cut(httpserver: HTTPServer) -> None:
    service = HttpService(newest_first=True).serve(httpserver)
    reader = Reader(service.provider(paging={"by": "none", "order": "newest_first", "size": 20}))
    for n in range(10):
        service.add(n, n)
    assert reader.poll() == list(range(10))
    for n in range(10, 60):
        service.add(n, 100 + n)
    with pytest.raises(ProviderDown, match="Nothing was passed over"):
        reader.poll()
    service.cap = 500
    reader.poll()
    assert reader.names == list(range(60))


@pytest.mark.parametrize("way", ["time and pages", "ids and pages", "no cursor", "newest first"])
def test_history_can_be_left_out(httpserver: HTTPServer, way: str, hands: Clock) -> None:
    options, more = WAYS[way]
    service = HttpService(**more).serve(httpserver)
    hands.now = datetime(2024, 3, 4, 6, 0, tzinfo=UTC)
    for n in range(1, 50):
        service.add(n, n)
    reader = Reader(service.provider(event_skip_history=True, **options))
    assert reader.poll() == []
    service.add(50, 3600)
    hands.forward(3600)
    reader.poll()
    assert reader.names == [50]


def test_a_clock_that_is_ahead_does_not_pass_over_what_happens_until_then(service: HttpService, hands: Clock) -> None:
    hands.now = datetime(2024, 3, 4, 6, 0, tzinfo=UTC)
    service.add("a", 10)
    service.add("ahead", 10_000_000)
    reader = Reader(service.provider())
    reader.poll()
    service.add("b", 3500)
    assert reader.poll() == ["b"]


def test_rows_without_id_or_moment_are_handed_over_once_and_hinder_nothing(service: HttpService) -> None:
    service.add("a", 0)
    service.rows.append({"id": None, "created_at": "2024-03-04T05:06:08Z", "type": "x"})
    service.rows.append({"id": "c", "created_at": "2024-03-04T05:06:09Z"})
    service.add("d", 20)
    service.rows.append({"id": "e", "created_at": "2024-03-04T05:06:30Z", "type": {"a": 1}})
    reader = Reader(service.provider())
    assert reader.poll() == ["a", None, "c", "d", "e"]
    assert reader.poll() == []


def test_a_cursor_of_another_kind_begins_anew(service: HttpService) -> None:
    service.add(1, 0)
    reader = Reader(service.provider())
    reader.poll()
    reader.provider = service.provider(cursor=BY_ID)
    assert reader.poll() == [1]


SPOILS: dict[str, Any] = {
    "401": lambda request, right: Response("no", 401),
    "429": lambda request, right: Response("later", 429, headers={"Retry-After": "1"}),
    "500": lambda request, right: Response("oh", 500),
    "truncated": lambda request, right: Response(right.get_data()[:-5], content_type="application/json"),
    "html": lambda request, right: Response("<html>", content_type="text/html"),
    "changed": lambda request, right: Response(json.dumps({"items": []}), content_type="application/json"),
    "null": lambda request, right: Response("null", content_type="application/json"),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("way", WAYS)
def test_every_row_comes_once_from_an_unruly_service(httpserver: HTTPServer, way: str, seed: int, hands: Clock) -> None:
    random = Random(f"{way}{seed}")
    options, more = WAYS[way]
    service = HttpService(**more).serve(httpserver)
    if options.get("paging", {}).get("by") == "none":
        service.cap = 40
    reader = Reader(service.provider(**options))
    began = datetime(2024, 3, 4, 5, 6, 7, tzinfo=UTC)
    number, failed, withheld = 0, 0, []
    for round_ in range(12):
        at = 10.0 * round_
        hands.now = began + timedelta(seconds=at + 10)
        for row in withheld:
            service.rows.append(row)
        withheld = []
        for _ in range(random.randrange(6)):
            for _ in range(random.choice([1, 2, 9])):
                number += 1
                service.add(number, at)
                if random.random() < 0.1:
                    withheld.append(service.rows.pop())
            at += random.randrange(1000) / 1000
        service.faults = [random.choice([None, None, None, SPOILS[random.choice(list(SPOILS))]]) for _ in range(3)]
        try:
            reader.poll(limit=random.choice([3, 20, 500]), batches=random.choice([1, 2, 1000]))
        except CatchmentError:
            failed += 1
    service.rows += withheld
    service.faults = []
    hands.forward(1)
    for _ in range(4):
        reader.poll()
    assert sorted(reader.names) == list(range(1, number + 1))
    assert failed


def test_a_marker_taken_from_the_answer_is_sent_as_it_is(httpserver: HTTPServer) -> None:
    service = HttpService()
    service.url = httpserver.url_for("/v1/events")

    def respond(request: Request) -> Response:
        place = int(request.args.get("token", "0/=").split("/")[0])
        row = {"id": place, "type": "t", "created_at": f"2024-01-0{place + 1}T00:00:00Z", "data": {}}
        return Response(json.dumps({"events": [row], "meta": {"next": f"{place + 1}/=" if place < 4 else ""}}))

    httpserver.expect_request("/v1/events").respond_with_handler(respond)
    reader = Reader(service.provider(paging={"by": "marker", "parameter": "token", "marker": "meta.next"}))
    assert reader.poll() == [0, 1, 2, 3, 4]
