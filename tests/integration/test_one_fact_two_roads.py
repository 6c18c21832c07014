"""One fact that comes by two roads is one event with two sightings, and the balance stays exact."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from tasks.catch.ingest import Stored
from tasks.conveyor.installation import Installation
from tasks.ledger.events import Event, RoadSighting, Sighting
from tasks.ledger.session import Ledger
from tasks.ledger.why import SightingLine, why
from tasks.model.event import Notification
from tests.ground import (
    REQUEST,
    START,
    Clock,
    all_the_way,
    caught,
    content,
    count,
    ingest,
    installed,
    notice,
    only_postgresql,
    provider,
    standing,
    sums,
    versioned,
)

API, BUS, PUSH = "panko event API", "bus", "push telemetry"


def telemetry(
    message_id: str = "a", road: str = API, event_type: str = "compute.instance.power_off.end"
) -> Notification:
    """What Ceilometer makes of the same notification: its id, and traits in place of the payload."""
    traits = [
        {"name": name, "type": "string", "value": value}
        for name, value in (("instance_id", "s1"), ("request_id", REQUEST), ("service", "compute.node7.example"))
    ]
    body: dict[str, Any] = {"message_id": message_id, "event_type": event_type, "traits": traits, "raw": {}}
    return Notification({**body, "generated": START.strftime("%Y-%m-%dT%H:%M:%S.%f")}, road)


def seen(ledger: Ledger, event_id: int | None = None) -> list[SightingLine]:
    """The sightings of the only event, or of one of them."""
    with ledger.reading() as session:
        found = why(session, event_id or session.query(Event.id).filter(~Event.raised).scalar() or 0)
    assert found is not None
    return found.sightings


def roads(ledger: Ledger) -> list[tuple[str, str]]:
    return [(line.message_id, line.road) for line in seen(ledger)]


@pytest.mark.parametrize("first", [BUS, API])
def test_bus_and_event_api_are_one_event_with_two_sightings(ledger: Ledger, hands: Clock, first: str) -> None:
    present, lab = installed(ledger), provider(ledger)
    both = [notice(message_id="a"), telemetry()]
    begun = hands.now
    for message in both if first == BUS else both[::-1]:
        caught(present, lab, message)
        hands.forward(7)
    assert sums(ledger) == (2, 1, 1, 0)
    second = API if first == BUS else BUS
    assert roads(ledger) == [("a", first), ("a", second)]
    assert [(line.seen_at - begun).total_seconds() for line in seen(ledger)] == [0, 7]
    all_the_way(present)
    assert standing(ledger)["a"] == "finished"


def test_two_roads_within_one_batch_are_two_sightings(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    stored = caught(present, lab, notice(message_id="a"), telemetry(), telemetry(), notice(message_id="a"))
    assert (stored.received, stored.stored, stored.duplicate) == (4, 1, 3)
    assert roads(ledger) == [("a", BUS), ("a", API)]


def test_a_message_that_comes_again_by_its_own_road_is_no_further_sighting(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    for _ in range(2):
        caught(present, lab, notice(message_id="a"))
        caught(present, lab, telemetry())
    assert sums(ledger) == (4, 1, 3, 0)
    assert roads(ledger) == [("a", BUS), ("a", API)]


def test_each_further_road_is_a_sighting_after_the_event_is_finished_too(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(message_id="a"))
    all_the_way(present)
    caught(present, lab, telemetry())
    caught(present, lab, telemetry(road=PUSH))
    assert sorted(road for _, road in roads(ledger)) == [BUS, API, PUSH]
    assert sums(ledger) == (3, 1, 2, 0)


def test_either_payload_kind_by_another_road_is_a_sighting_of_the_same_event(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    plain = notice(message_id="plain", _context_request_id=REQUEST)
    twin = versioned(message_id="twin", seconds=0.2, _context_request_id=REQUEST)
    caught(present, lab, plain, twin)
    caught(present, lab, Notification(plain.body, PUSH), Notification(twin.body, PUSH))
    assert sums(ledger) == (4, 1, 3, 0)
    assert (count(ledger, Sighting), count(ledger, RoadSighting)) == (1, 2)
    assert sorted(roads(ledger)) == [("plain", BUS), ("plain", PUSH), ("twin", BUS), ("twin", PUSH)]


@pytest.mark.parametrize("first", ["bus", "event API"])
def test_versioned_on_the_bus_and_unversioned_by_ceilometer_are_one_event(ledger: Ledger, first: str) -> None:
    """Ceilometer reads the unversioned kind alone, whose id is not that of the versioned one."""
    present, lab = installed(ledger), provider(ledger)
    both = [versioned(message_id="twin", seconds=0.2, _context_request_id=REQUEST), telemetry("plain")]
    for message in both if first == "bus" else both[::-1]:
        caught(present, lab, message)
    assert sums(ledger) == (2, 1, 1, 0)
    assert sorted(roads(ledger)) == [("plain", API), ("twin", BUS)]


def test_telemetry_of_another_request_or_with_too_little_in_it_is_an_event_of_its_own(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, versioned(message_id="twin", seconds=0.2, _context_request_id="req-other"))
    caught(present, lab, telemetry("plain"))
    # Which volume it was and what an update changed is in no trait: two facts must not become one.
    attach = versioned("instance.volume_attach.end", message_id="attached", _context_request_id=REQUEST)
    update = versioned("instance.update", message_id="updated", _context_request_id=REQUEST)
    caught(present, lab, attach, update)
    caught(present, lab, telemetry("v", event_type="compute.instance.volume.attach"))
    caught(present, lab, telemetry("u", event_type="compute.instance.update"))
    assert count(ledger, Event) == 6


def test_sightings_go_with_their_event(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(message_id="a"), telemetry())
    with ledger.transaction() as session:
        session.query(Event).delete()
    assert count(ledger, RoadSighting) == 0


@only_postgresql
def test_racing_roads_store_one_event_each_with_two_sightings(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    facts = [content(server=f"s{n}", message_id=f"m{n}") for n in range(60)]
    gate, results = threading.Barrier(3), list[Stored]()

    def store(road: str, order: Sequence[int]) -> None:
        body = [Notification(json.dumps(facts[n]).encode(), road) for n in order]
        gate.wait()
        for start in range(0, len(body), 7):
            results.append(_stored(present, lab, body[start : start + 7]))

    threads = [
        threading.Thread(target=store, args=(road, order))
        for road, order in ((BUS, range(60)), (API, range(59, -1, -1)), (PUSH, [*range(30, 60), *range(30)]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(r.stored for r in results) == count(ledger, Event) == 60
    assert sums(ledger) == (180, 60, 120, 0)
    assert count(ledger, RoadSighting) == 120
    with ledger.reading() as session:
        ids = [row.id for row in session.query(Event.id)]
    for event_id in ids[:5]:
        assert {line.road for line in seen(ledger, event_id)} == {BUS, API, PUSH}


def _stored(present: Installation, lab: int, batch: list[Notification]) -> Stored:
    return ingest(present, lab).store(batch, None, "amqp")
