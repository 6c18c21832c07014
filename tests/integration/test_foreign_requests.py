"""A cloud that speaks of requests moves none: they are Catchment's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from tasks.catch.ingest import Ingest
from tasks.conveyor.installation import Installation
from tasks.ledger.events import Event
from tasks.ledger.session import Ledger
from tasks.model.event import Notification
from tasks.providers.contracts import ProviderConfig
from tasks.providers.http.converter import HttpConverter
from tasks.providers.http.options import HttpOptions
from tests.ground import Clock, all_the_way, exact, installed, provider
from tests.request_ground import desk, lab, request, wanted

APPROVES = (
    "alerts:\n- {name: trusts, target: request, on: [lease.ready], notify: [{approve_request: {reason: trusted}}]}\n"
)
MAPPING = {
    name: name for name in ("message_id", "event_type", "timestamp", "resource_kind", "resource_id", "request_id")
}
OPTIONS = HttpOptions.model_validate({"url": "http://h/", "source": "LEASES", "mapping": MAPPING})


def told(present: Installation, cloud: int, **row: Any) -> None:
    body = json.dumps({"message_id": "m1", "timestamp": "2031-05-04T12:00:00Z", **row}).encode()
    ingest = Ingest(present.ledger, present.site.settings, "lab", cloud, HttpConverter(OPTIONS), frozenset())
    ingest.store([Notification(body, "http")], None, "http")


@pytest.mark.parametrize("kind", ["request", "request_task", "rule"])
def test_an_event_of_a_cloud_about_a_request_is_about_nothing_and_moves_none(
    ledger: Ledger, hands: Clock, kind: str
) -> None:
    present = installed(ledger, lab(alerts=APPROVES, providers=[ProviderConfig("lab", "http", OPTIONS)]))
    cloud = provider(ledger)
    number = desk(present).open(wanted(size=50), "erin")
    told(present, cloud, event_type="lease.ready", resource_kind=kind, resource_id="x", request_id=str(number))
    all_the_way(present)
    assert request(ledger, number).approval_state == "pending_approval"
    with ledger.reading() as session:
        row = session.scalars(select(Event).where(Event.message_id == "m1")).one()
    assert (row.resource_kind, row.resource_id, row.state) == (None, None, "finished")
    exact(ledger)
