"""An event about an object that is being read just then: it is read again afterwards (spec field 4.1, 39)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from examples.cloud.notices import Notice
from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.seed import sow
from examples.cloud.wire import Request, Response
from examples.cloud.world import World
from tasks.ledger.balance import balance
from tasks.ledger.events import Event
from tasks.ledger.inventory import InventoryObject, RefreshTarget
from tasks.ledger.providers import Provider
from tests.chaos.report import Fault
from tests.fault_stand import NEEDED, Stand

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(300)]


class Held:
    """Answers of a cloud about one path: made at once, and sent when ``go`` is set."""

    def __init__(self, cloud: Cloud, path: str) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self.number = 0
        self._answer: Callable[[Request], Response] = cloud.answer
        self._path = path
        cloud.answer = self  # type: ignore[method-assign, assignment]  # what the server calls for each request

    def __call__(self, request: Request) -> Response:
        found = self._answer(request)
        if request.method == "GET" and request.path.endswith(self._path):
            self.number += 1
            self.asked.set()
            self.go.wait(120)
        return found


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud(World(seed=5)) as running:
        sow(running.world)
        yield running


@pytest.mark.quick
@pytest.mark.fault(39, "an event about an object while it is being read")
def test_39_event_during_refresh(tmp_path: Path, database: str, cloud: Cloud, fault: Fault) -> None:
    clouds = clouds_yaml(cloud.url)
    with Stand(tmp_path, database, lines=(*NEEDED, "read"), clouds=clouds, inventory="auto") as stand:
        stand.wait_until(lambda: _ready(stand), 90, "the first full refresh is not through")
        server = next(iter(cloud.world.servers.servers.values()))
        sent: list[Notice] = []
        cloud.world.listeners.append(sent.append)
        held = Held(cloud, f"/servers/{server.id}")
        cloud.world.servers.act(server.id, "reboot")
        _publish(stand, sent)
        stand.wait_until(held.asked.is_set, 60, "the server is not read")
        assert _status(stand, server.id) == "ACTIVE"
        # The answer that tells of a running server is on its way; now it is stopped.
        cloud.world.servers.act(server.id, "stop")
        before = _wanted(stand, server.id)
        _publish(stand, sent)
        stand.wait_until(lambda: _wanted(stand, server.id) > before, 60, "the event asks for no read")
        assert held.number == 1, "nobody else reads it meanwhile"
        began = time.monotonic()
        held.go.set()
        stand.wait_until(lambda: _status(stand, server.id) == "SHUTOFF", 60, "the stale answer stays")
        seconds = time.monotonic() - began
        stand.wait_until(lambda: _target(stand, server.id).state == "read", 60, "the object is still to be read")
        stand.wait_until(lambda: _through(stand), 60, "events are still on their way")
        row = _target(stand, server.id)
        assert row.wanted == row.read
        assert held.number >= 2
        with stand.ledger.reading() as session:
            assert all(line.exact for line in balance(session))
        fault.figures["reads"].append(held.number)
        fault.figures["true again after seconds"].append(seconds)


def _publish(stand: Stand, sent: list[Notice]) -> None:
    """Hand over what the cloud has told since the last time."""
    stand.publish_bodies(json.dumps(notice.body()).encode() for notice in sent)
    sent.clear()


def _ready(stand: Stand) -> bool:
    with stand.ledger.reading() as session:
        return session.scalar(select(Provider.ready_at).where(Provider.name == "cloud")) is not None


def _status(stand: Stand, server_id: str) -> Any:
    with stand.ledger.reading() as session:
        mine = (InventoryObject.kind == "server", InventoryObject.ref == server_id)
        return (session.scalar(select(InventoryObject.attributes).where(*mine)) or {}).get("status")


def _target(stand: Stand, server_id: str) -> RefreshTarget:
    with stand.ledger.reading() as session:
        mine = (RefreshTarget.kind == "server", RefreshTarget.ref == server_id)
        return session.scalars(select(RefreshTarget).where(*mine)).one()


def _wanted(stand: Stand, server_id: str) -> int:
    return _target(stand, server_id).wanted


def _through(stand: Stand) -> bool:
    with stand.ledger.reading() as session:
        return not session.scalar(select(func.count()).select_from(Event).where(Event.state == "pending"))
