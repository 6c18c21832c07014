"""Events a second, from a queue that is full to the last event finished."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import text

from benchmarks.stand import BROKER, Setup, Stand


@dataclass(frozen=True, slots=True)
class Run:
    """One run. ``cpu`` are microseconds a notification by role, ``memory`` megabytes of the largest process.

    ``statements`` counts transactions and rows that the database wrote, ``broker_bytes`` what went in and
    out of Redis, both a notification.
    """

    events: int
    raised: int
    seconds: float
    exact: bool
    cpu: dict[str, float]
    memory: dict[str, float]
    statements: dict[str, float] = field(default_factory=dict)
    broker_bytes: float = 0.0

    @property
    def rate(self) -> float:
        """Notifications a second."""
        return self.events / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """The run as plain data."""
        return {**asdict(self), "rate": round(self.rate, 1)}


def from_bus(setup: Setup, events: int, objects: int = 1000, stored: int = 0) -> Run:
    """Drain the notification bus. ``stored`` finished events lie in the ledger beforehand."""
    with Stand(setup) as stand:
        if stored:
            from benchmarks import filler

            filler.fill(stand.ledger, stored)
        stand.start("stages", "control", "beat", "listener")
        stand.backlog(events, objects)
        return _measure(stand, events, stored, stand.go)


def from_event_api(setup: Setup, events: int) -> Run:
    """Drain the event API of a simulated cloud, page by page."""
    from benchmarks.event_source import EventSource

    with EventSource(events) as source, Stand(setup_for(setup, source.auth_url)) as stand:
        stand.start("stages", "control")
        stand.pause("control")
        stand.start("beat")
        time.sleep(3)  # The first tick waits in the queue now.
        return _measure(stand, events, 0, lambda: stand.resume("control"))


def setup_for(setup: Setup, auth_url: str) -> Setup:
    """The setup with a provider that is asked over HTTP."""
    from dataclasses import replace

    from examples.cloud.seed import PASSWORD

    auth = {
        "auth_url": auth_url,
        "username": "demo",
        "password": PASSWORD,
        "project_name": "demo",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    clouds = {"bench": {"auth": auth, "region_name": "RegionOne"}}
    provider = {"type": "openstack", "monitor": "panko", "inventory": "none", "cloud": "bench", "clouds": clouds}
    return replace(setup, provider=provider)


def drained(setup: Setup, events: int, objects: int = 1000) -> Run:
    """Work off what is stored already: the stages stood still while the listener caught it."""
    with Stand(setup) as stand:
        stand.start("stages", "control", "beat", "listener")
        stand.pause("stages")
        stand.backlog(events, objects)
        stand.go()
        stand.wait(lambda: _stored(stand) >= events, 600, "not all was stored")
        return _measure(stand, events, 0, lambda: stand.resume("stages"))


def _stored(stand: Stand) -> int:
    with stand.ledger.reading() as session:
        return int(session.scalar(text("SELECT coalesce(sum(stored), 0) FROM tally")) or 0)


def _measure(stand: Stand, events: int, stored: int, go: Any) -> Run:
    cpu, rows, sent = stand.cpu(), _written(stand), _broker_bytes()
    began = time.monotonic()
    go()
    stand.through(events + stored)
    seconds = time.monotonic() - began
    after = stand.cpu()
    used = {name: round((after[name] - cpu.get(name, 0.0)) / events * 1e6, 1) for name in after}
    return Run(
        events=events,
        raised=stand.raised(),
        seconds=seconds,
        exact=stand.exact(),
        cpu=used,
        memory={name: round(megabytes) for name, megabytes in stand.memory().items()},
        statements={name: round((n - rows[name]) / events, 3) for name, n in _written(stand).items()},
        broker_bytes=round((_broker_bytes() - sent) / events, 1),
    )


def _written(stand: Stand) -> dict[str, int]:
    """What PostgreSQL has counted; its statistics come a moment late, which a run of seconds does not feel."""
    if stand.setup.ledger == "sqlite":
        return {}
    query = (
        "SELECT xact_commit AS transactions, tup_inserted AS inserted, tup_updated AS updated, tup_deleted AS deleted "
        "FROM pg_stat_database WHERE datname = current_database()"
    )
    with stand.ledger.reading() as session:
        return dict(session.execute(text(query)).mappings().one())


def _broker_bytes() -> int:
    import redis

    found: Any = redis.Redis.from_url(BROKER).info("stats")
    return int(found["total_net_input_bytes"]) + int(found["total_net_output_bytes"])
