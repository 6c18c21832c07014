"""Events by HTTP while the broker stands still; a deleted queue; a fact by three roads (spec field 4.1, 10, 15, 24)."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select

from examples.cloud.event_store import EventStore
from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.telemetry import TelemetryEvent
from examples.cloud.world import World
from tasks.ledger import gaps, health, tokens
from tasks.ledger.events import Event, Notification, RoadSighting
from tasks.ledger.gaps import Gap
from tasks.ledger.providers import Provider
from tasks.model import clock
from tests.fault_stand import NEEDED, Stand
from tests.servers import free_port

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(300)]

#: How long Redis stands still.
PAUSE_SECONDS = float(os.environ.get("PAUSE_SECONDS", "30"))
#: A sender that waits longer than this for its answer has none.
ANSWER_SECONDS = 10.0


class Sender:
    """Pushes notifications to the stand's web process."""

    def __init__(self, stand: Stand, port: int) -> None:
        self._stand = stand
        self._url = f"http://127.0.0.1:{port}/api/v1/push/cloud"
        with stand.ledger.transaction() as session:
            self._token = tokens.make(session, "sender", tokens.PUSH, now=clock.now(), provider="cloud")

    def push(self, *bodies: bytes) -> int:
        """Push a few at once; returns the status of the answer, 0 where there was none."""
        text = b"[" + b",".join(bodies) + b"]"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        question = urllib.request.Request(self._url, text, headers)
        try:
            with urllib.request.urlopen(question, timeout=ANSWER_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            return refusal.code
        except OSError:
            return 0

    def wait(self) -> None:
        """Wait until the web process answers."""
        self._stand.wait_until(lambda: self.push() != 0, 60, "the web process does not answer")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.mark.quick
@pytest.mark.fault(10, "Redis stands still, and events come by HTTP and by the bus")
def test_10_paused_broker(tmp_path: Path, database: str, port: int, record: Callable[..., None]) -> None:
    web = {"CATCHMENT_WEB__PORT": str(port)}
    with Stand(tmp_path, database, environment=web, lines=(*NEEDED, "web")) as stand:
        sender = Sender(stand, port)
        sender.wait()
        stand.publish(5)
        stand.quiet()
        began = time.monotonic()
        stand.redis.pause()
        statuses, slowest = [], 0.0
        try:
            while time.monotonic() - began < PAUSE_SECONDS:
                asked = time.monotonic()
                statuses.append(sender.push(*stand.write(2)))
                slowest = max(slowest, time.monotonic() - asked)
                if statuses[-1] == 202:
                    stand.accept(2)
                if len(statuses) % 10 == 0:
                    stand.publish(2)
                time.sleep(0.5)
            stored = stand.counters().stored
        finally:
            stand.redis.go_on()
        assert set(statuses) == {202}, "every push is answered while the ledger is there"
        assert stored >= 5 + 2 * len(statuses), "what was answered is stored"
        back = time.monotonic()
        stand.quiet(120)
        record(
            stand.counters(),
            stand.attempted,
            pushes_answered=len(statuses),
            slowest_answer_seconds=slowest,
            through_after_seconds=time.monotonic() - back,
        )


@pytest.mark.quick
@pytest.mark.fault(24, "the same facts from the bus, from a poller and by HTTP, at the same time")
def test_24_three_roads(tmp_path: Path, database: str, port: int, record: Callable[..., None], seed: Random) -> None:
    world = World(seed=3)
    world.events = EventStore()
    web = {"CATCHMENT_WEB__PORT": str(port)}
    with (
        Cloud(world) as cloud,
        Stand(tmp_path, database, environment=web, lines=(*NEEDED, "web"), clouds=clouds_yaml(cloud.url)) as stand,
    ):
        sender = Sender(stand, port)
        sender.wait()
        facts = 60
        bodies = stand.write(facts)
        for body in bodies:
            world.events.add(_telemetry(body))
        pushed, published = list(bodies), list(bodies)
        seed.shuffle(pushed)
        seed.shuffle(published)
        # The poller: the stand's own workers read the event API for a gap.
        now = clock.now()
        with stand.ledger.transaction() as session:
            cloud_id = session.scalars(select(Provider.id).where(Provider.name == "cloud")).one()
            gap = Gap(
                provider_id=cloud_id,
                from_at=now - timedelta(minutes=1),
                until_at=now + timedelta(minutes=1),
                found_at=now,
                why="a fault test",
                state=gaps.FOUND,
                due_at=now,
            )
            session.add(gap)
        statuses: list[int] = []
        roads = [
            threading.Thread(target=lambda: statuses.extend(_push(sender, pushed))),
            threading.Thread(target=lambda: _publish(stand, published)),
        ]
        for road in roads:
            road.start()
        for road in roads:
            road.join(timeout=120)
        assert set(statuses) == {202}
        stand.accept(facts)
        stand.wait_until(lambda: _polled(stand), 90, "the event API was not read")
        stand.wait_until(lambda: _sightings(stand) == 3 * facts, 60, "not every fact has three sightings")
        stand.quiet()
        with stand.ledger.reading() as session:
            first = session.execute(select(Notification.road, func.count()).group_by(Notification.road)).all()
            events = session.scalar(select(func.count()).select_from(Event).where(~Event.raised))
        assert events == facts, "one logical event"
        came_first = {f"first by {road.partition(' ')[0]}": number for road, number in first}
        record(stand.counters(), facts, **came_first)


@pytest.mark.fault(15, "queue deleted while the catcher is away: the gap is shown and filled")
def test_15_deleted_queue(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    world = World(seed=3)
    world.events = EventStore()
    with Cloud(world) as cloud, Stand(tmp_path, database, clouds=clouds_yaml(cloud.url)) as stand:
        stand.publish(5)
        stand.quiet()
        # Without the listener the catch worker would ask the bus.
        stand.processes.stop("listener", "catch")
        stand.delete_queue()
        bodies = stand.write(40)
        for body in bodies:
            world.events.add(_telemetry(body))
        stand.publish_bodies(bodies)  # to an exchange to which nothing is bound
        stand.accept(40)
        stand.start("listener")
        stand.start("catch")
        began = time.monotonic()
        stand.wait_until(lambda: _provider_state(stand) == health.GAP, 60, "no gap is shown")
        stand.wait_until(lambda: _polled(stand), 150, "the gap is not filled")
        stand.quiet()
        assert _listed(stand, select(Gap.stored)) == [40]
        told = select(Event.event_type).where(Event.raised, Event.resource_kind == "provider").order_by(Event.id)
        stand.wait_until(lambda: len(_listed(stand, told)) == 2, 30, "not all was told")
        assert _listed(stand, told) == ["source_gap", "source_receiving"]
        record(stand.counters(), 45, filled_after_seconds=time.monotonic() - began)


def _listed(stand: Stand, query: Any) -> list[Any]:
    with stand.ledger.reading() as session:
        return list(session.scalars(query))


def _provider_state(stand: Stand) -> str:
    with stand.ledger.reading() as session:
        [line] = health.providers(session, clock.now())
    return line.state


def _push(sender: Sender, bodies: list[bytes]) -> list[int]:
    found = []
    for start in range(0, len(bodies), 4):
        found.append(sender.push(*bodies[start : start + 4]))
        time.sleep(0.2)
    return found


def _publish(stand: Stand, bodies: list[bytes]) -> None:
    for start in range(0, len(bodies), 4):
        stand.publish_bodies(bodies[start : start + 4])
        time.sleep(0.2)


def _telemetry(body: bytes) -> TelemetryEvent:
    """What the cloud's telemetry keeps of a notification: its id, type and moment, and traits."""
    inner = json.loads(json.loads(body)["oslo.message"])
    traits = {
        "instance_id": ("string", inner["payload"]["instance_id"]),
        "tenant_id": ("string", inner["payload"]["tenant_id"]),
    }
    return TelemetryEvent(inner["message_id"], inner["event_type"], inner["timestamp"].replace(" ", "T"), traits)


def _polled(stand: Stand) -> bool:
    return _listed(stand, select(Gap.state)) == [gaps.FILLED]


def _sightings(stand: Stand) -> int:
    with stand.ledger.reading() as session:
        first = session.scalar(select(func.count()).select_from(Event).where(~Event.raised)) or 0
        return first + (session.scalar(select(func.count()).select_from(RoadSighting)) or 0)
