"""Connections that stay open and pass nothing any more: who is back, and when (spec field 4.1; STYLE 5.1)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tasks.ledger.effects import ASKED, Effect
from tasks.ledger.events import Event, Place
from tasks.ledger.providers import Mark, Provider
from tasks.model import clock
from tests.fault_stand import RABBITMQ, Stand
from tests.servers import RabbitNode
from tests.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(300)]

#: The promise, for each of listener, worker and beat.
BACK_SECONDS = 30.0
#: How long the whole path is away: longer than what every time limit of a connection bears.
AWAY_SECONDS = 25.0
#: What was under way when the path failed may still end in this time; it does not count as being back.
UNDER_WAY = timedelta(seconds=2.5)
#: The bus is the RabbitMQ of a provider, the broker is one in place of Redis.
_SERVERS = ("redis", "rabbitmq-bus", "rabbitmq-broker", "postgresql")


@pytest.mark.fault("half-open", "the open connections to one server pass nothing any more, and new ones work")
@pytest.mark.parametrize("server", _SERVERS)
def test_half_open_connections(tmp_path: Path, database: str, server: str, record: Callable[..., None]) -> None:
    with Behind(tmp_path, database, server) as stand:
        began = clock.now()
        stand.proxy.swallow_open()
        _assert_back(stand, began, record)


@pytest.mark.fault("half-open path", f"nothing passes to or from one server for {AWAY_SECONDS:.0f} s")
@pytest.mark.parametrize("server", _SERVERS)
def test_half_open_path(tmp_path: Path, database: str, server: str, record: Callable[..., None]) -> None:
    with Behind(tmp_path, database, server) as stand:
        stand.proxy.swallow()
        stand.publish(5)
        time.sleep(AWAY_SECONDS)
        # A path that is good again does not bring back the connections that were made on the bad one.
        stand.proxy.swallow_open()
        stand.proxy.pass_on()
        _assert_back(stand, clock.now(), record)


class Behind(Stand):
    """An installation whose way to one server leads through a proxy."""

    def __init__(self, folder: Path, database: str, server: str) -> None:
        environment: dict[str, str] = {}
        bus = [RABBITMQ]
        super().__init__(folder, database, bus=bus, environment=environment)
        self.server = server
        self._open = ExitStack()
        node = RabbitNode(folder / "rabbit") if server == "rabbitmq-broker" else None
        ports = {"redis": self.redis.port, "rabbitmq-bus": 5672, "postgresql": 5432}
        self.proxy = TcpProxy("127.0.0.1", node.port if node else ports[server])
        self._around: list[AbstractContextManager[object]] = [self.proxy] if node is None else [node, self.proxy]
        way = f"127.0.0.1:{self.proxy.port}"
        if server == "redis":
            self.broker = f"redis://{way}/0"
        elif server == "rabbitmq-bus":
            bus[0] = f"amqp://guest:guest@{way}"
        elif server == "rabbitmq-broker":
            self.broker = f"amqp://guest:guest@{way}"
        else:
            environment["CATCHMENT_DATABASE"] = f"postgresql://postgres@{way}/{database.rpartition('/')[2]}"

    def __enter__(self) -> Behind:
        with ExitStack() as opening:
            for around in self._around:
                opening.enter_context(around)
            super().__enter__()
            opening.push(super().__exit__)
            # So that nobody waits for goodbyes on a dead path.
            opening.callback(self.proxy.pass_on)
            self.publish(10)
            self.quiet()
            assert self.proxy.ports, "nobody is connected through the proxy"
            self.said = self.listenings()
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def listenings(self) -> int:
        """How often the listener has said that it listens."""
        return len(re.findall(r"\blistening(?! failed)", self.log("listener")))

    def at_work(self, since: datetime) -> set[str]:
        """Which roles have done, after ``since``, what only they do."""
        found = set()
        with self.ledger.reading() as session:
            sweep = session.get(Mark, "sweep")
            if sweep is not None and sweep.at > since + UNDER_WAY:
                found.add("beat")
            signed = session.scalars(select(Provider.listener_at).where(Provider.name == "cloud")).one()
            # A listener whose bus is dead goes on signing: there it must have connected again.
            connected = self.server != "rabbitmq-bus" or self.listenings() > self.said
            if signed is not None and signed > since + UNDER_WAY and connected:
                found.add("listener")
            stored = len(session.scalars(select(Event.id).where(~Event.raised)).all()) >= self.attempted
            if stored:
                found.add("catching")
            if stored and session.scalar(select(Place.event_id).limit(1)) is None:
                found.add("worker")
                if session.scalar(select(Effect.id).where(Effect.state == ASKED).limit(1)) is None:
                    found.add("effects")
        return found


def _assert_back(stand: Behind, began: datetime, record: Callable[..., None]) -> None:
    """Send events and note when each role is back at work; all of them must be in time."""
    stand.publish(10)
    back: dict[str, float] = {}
    roles = {"beat", "listener", "catching", "worker", "effects"}

    def all_back() -> bool:
        for role in stand.at_work(began) - back.keys():
            back[role] = (clock.now() - began).total_seconds()
        return back.keys() == roles

    stand.wait_until(all_back, 120, "not all are back")
    stand.quiet()
    record(stand.counters(), stand.attempted, **{f"{stand.server} {role} s": back[role] for role in sorted(roles)})
    late = {role: seconds for role, seconds in back.items() if seconds > BACK_SECONDS}
    assert not late, late
