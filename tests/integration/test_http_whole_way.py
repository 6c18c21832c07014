"""Events of an HTTP service from the catch to the switchboard's address, by configuration alone."""

from __future__ import annotations

import json

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import select
from werkzeug import Response

from tasks.catch.poll import poll
from tasks.conveyor.installation import Installation
from tasks.ledger.events import DeadLetter, Event, Notification
from tasks.ledger.session import Ledger
from tasks.model.errors import SignedOut, Transient
from tasks.model.event import Event as Value
from tasks.model.outcome import Outcome, View
from tests.ground import all_the_way, exact, installed, site, sums
from tests.unit.http.http_service import HttpService


@pytest.fixture
def service(httpserver: HTTPServer) -> HttpService:
    return HttpService().serve(httpserver)


def rooms(ledger: Ledger, service: HttpService) -> Installation:
    return installed(ledger, site(providers=[service.provider(source="ROOMS", ignore=["room.cleaned"])]))


def test_events_come_once_and_reach_the_switchboard_under_their_own_word(ledger: Ledger, service: HttpService) -> None:
    present = rooms(ledger, service)
    for n in range(45):
        service.add(n, n)
    service.add("dust", 50, type="room.cleaned")
    service.rows.append({"id": "odd", "created_at": "2024-03-04T05:06:30Z", "data": {"room": "r"}})
    for _ in range(3):
        poll(present, "north", lambda _: None)
    met: list[tuple[str, str, str]] = []

    def switchboard(event: Value, view: View) -> Outcome:
        met.append((event.namespace, event.source, event.event_type))
        return Outcome()

    all_the_way(present, {"switchboard": switchboard})
    exact(ledger)
    received, stored, duplicate, rejected = sums(ledger, "north")
    assert (stored, rejected) == (46, received - stored - duplicate)
    assert set(met) == {("EmsEvent", "ROOMS", "room.opened")}
    assert len(met) == 45
    with ledger.reading() as session:
        rows = session.scalars(select(Event).where(Event.message_id == "7")).all()
        assert [(row.resource_kind, row.resource_id, row.state) for row in rows] == [("room", "r-7", "finished")]
        kept = session.get_one(Notification, rows[0].id)
        assert (kept.form, json.loads(kept.content)["payload"]) == ("http", {"room": "r-7"})
        [letter] = session.scalars(select(DeadLetter)).all()
        assert "mapping.event_type (type) finds no text but nothing" in letter.error


def test_a_refused_sign_in_and_a_pause_are_noted_and_nothing_is_lost(ledger: Ledger, service: HttpService) -> None:
    present = rooms(ledger, service)
    service.add(1, 1)
    service.faults = [lambda request, right: Response("no", 401)]
    with pytest.raises(SignedOut):
        poll(present, "north", lambda _: None)
    service.faults = [lambda request, right: Response("later", 503, headers={"Retry-After": "120"})]
    with pytest.raises(Transient):
        poll(present, "north", lambda _: None)
    asked = len(service.requests)
    assert poll(present, "north", lambda _: None).note == "another catch is under way"
    assert len(service.requests) == asked
