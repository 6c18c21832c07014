"""Captured messages that come by the bus, the event API and pushes, at once too: one event each."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tasks.ledger.events import Event, RoadSighting, Sighting
from tasks.ledger.session import Ledger
from tasks.ledger.why import why
from tasks.model.event import Notification
from tests.ground import caught, content, count, exact, only_postgresql, provider, sums
from tests.push_ground import CLOUDEVENT, PushGround, cloudevent

BUS, API = "amqp nova notifications.info", "panko event API"


def captured(corpus: Path) -> list[str]:
    """The bodies that a real cloud sent over its bus."""
    lines = (corpus / "openstack" / "notifications.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["body"] for line in lines]


def roads(ledger: Ledger, message_id: str) -> list[tuple[str, str]]:
    with ledger.reading() as session:
        event_id = session.scalars(select(Event.id).where(Event.message_id == message_id)).one()
        found = why(session, event_id)
    assert found is not None
    return [(line.message_id, line.road) for line in found.sightings]


def test_what_came_by_the_bus_and_is_pushed_is_one_event_with_two_sightings(ledger: Ledger, corpus: Path) -> None:
    ground, lab = PushGround(ledger), provider(ledger)
    bodies = captured(corpus)
    stored = caught(ground.installation, lab, *(Notification(body.encode(), BUS) for body in bodies))
    before = (count(ledger, Event), count(ledger, Sighting))
    answer = ground.push("lab", [json.loads(body) for body in bodies])
    assert answer.status_code == 202, answer.text
    counts = answer.json()
    assert (counts["stored"], counts["duplicate"]) == (0, len(bodies) - counts["rejected"])
    assert (count(ledger, Event), count(ledger, Sighting)) == before
    assert stored.stored == before[0] > 50
    assert count(ledger, RoadSighting) == before[0] + before[1]
    exact(ledger)
    with ledger.reading() as session:
        ids = session.scalars(select(Event.message_id)).all()
    for message_id in ids:
        seen = roads(ledger, message_id)
        assert seen[0] == (message_id, BUS)
        assert (message_id, "push lab") in seen


def test_event_api_publisher_and_bus_tell_of_the_same_events(ledger: Ledger, corpus: Path) -> None:
    ground, lab = PushGround(ledger), provider(ledger)
    answered = json.loads((corpus / "openstack" / "api" / "panko_events.json").read_text(encoding="utf-8"))["body"]
    polled = json.loads(answered) if isinstance(answered, str) else answered
    kinds = {"string": 1, "integer": 2, "float": 3, "datetime": 4}
    published = [
        {**event, "traits": [[t["name"], kinds[t["type"]], t["value"]] for t in event["traits"]]} for event in polled
    ]
    bus = [body for body in captured(corpus) if any(event["message_id"] in body for event in polled)]
    caught(ground.installation, lab, *(Notification(event, API) for event in polled))
    assert ground.push("lab", published).json()["duplicate"] == len(polled)
    caught(ground.installation, lab, *(Notification(body.encode(), BUS) for body in bus))
    assert len(bus) == 2
    assert sums(ledger) == (len(polled) * 2 + 2, len(polled), len(polled) + 2, 0)
    several = [roads(ledger, event["message_id"]) for event in polled]
    assert sorted(len(seen) for seen in several) == [2, 3, 3]


def test_esi_notifications_are_one_event_each_by_bus_and_push(ledger: Ledger, corpus: Path) -> None:
    ground, lab = PushGround(ledger), provider(ledger)
    bodies = [
        json.loads(path.read_text(encoding="utf-8"))["body_raw"] for path in sorted((corpus / "esi").glob("*.json"))
    ]
    caught(ground.installation, lab, *(Notification(body.encode(), BUS) for body in bodies))
    for body in bodies:
        assert ground.push("lab", body.encode()).json()["duplicate"] == 1
    # Some forward them as CloudEvents.
    assert ground.push("lab", cloudevent(data=json.loads(bodies[0])), CLOUDEVENT).json()["duplicate"] == 1
    assert (count(ledger, Event), count(ledger, RoadSighting)) == (6, 6)
    assert sums(ledger) == (13, 6, 7, 0)


@only_postgresql
def test_racing_pushes_and_catches_store_each_fact_once(ledger: Ledger) -> None:
    ground, lab = PushGround(ledger), provider(ledger)
    ground.make("lab-second", "push", provider="lab")
    facts = [content(server=f"s{n}", message_id=f"m{n}") for n in range(40)]
    gate, failures = threading.Barrier(4), list[Any]()

    def pushed(name: str, order: list[dict[str, Any]]) -> None:
        for start in range(0, len(order), 8):
            answer = ground.push(name, order[start : start + 8])
            if answer.status_code != 202:
                failures.append(answer.text)

    def listened(order: list[dict[str, Any]]) -> None:
        for start in range(0, len(order), 5):
            caught(ground.installation, lab, *(Notification(json.dumps(one), BUS) for one in order[start : start + 5]))

    def together(work: Callable[[], None]) -> None:
        gate.wait()
        try:
            work()
        except BaseException as error:
            failures.append(error)

    work: list[Callable[[], None]] = [
        lambda: pushed("lab", facts),
        lambda: pushed("lab-second", facts[::-1]),
        lambda: listened(facts[20:] + facts[:20]),
        lambda: pushed("lab", facts),
    ]
    threads = [threading.Thread(target=together, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert count(ledger, Event) == 40
    assert sums(ledger) == (160, 40, 120, 0)
    assert count(ledger, RoadSighting) == 80
    assert {road for _, road in roads(ledger, "m0")} == {BUS, "push lab", "push lab-second"}
