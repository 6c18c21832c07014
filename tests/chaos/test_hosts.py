"""Workers on several hosts share queues and ledger: one is cut off and comes back, and two do more than one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.fault_stand import Stand
from tests.hosts import Hosts
from tests.tcp_proxy import TcpProxy
from workers.processes import procfile

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(600)]

BACKLOG = 6000
SHARE = 0.25


@contextmanager
def spread(folder: Path, database: str, hosts: Hosts, lines: tuple[str, ...]) -> Iterator[Stand]:
    """A stand whose ledger and broker have an address that the hosts reach."""
    environment: dict[str, str] = {"CATCHMENT_CATCH__BATCH": "500"}
    stand = Stand(folder, database, environment=environment, lines=lines)
    with ExitStack() as stack:
        ledger = stack.enter_context(TcpProxy("127.0.0.1", 5432, listen=hosts.bridge))
        broker = stack.enter_context(TcpProxy("127.0.0.1", stand.redis.port, listen=hosts.bridge))
        name = database.rpartition("/")[2]
        environment["CATCHMENT_DATABASE"] = f"postgresql://postgres@{hosts.bridge}:{ledger.port}/{name}"
        stand.broker = f"redis://{hosts.bridge}:{broker.port}/0"
        yield stack.enter_context(stand)


def worker(stand: Stand, hosts: Hosts, role: str, host: str, share: float | None = None) -> None:
    """Start a worker of a role on a host."""
    command = [part.replace("@%h", f"@{host}") for part in procfile()[role]]
    stand.processes.start(f"{role}-{host}", hosts.on(host, command, share))


@pytest.mark.fault("hosts", "one of two worker hosts cut off, and back")
def test_host_cut_off_and_back(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Hosts(2) as hosts, spread(tmp_path, database, hosts, ("beat", "listener", "catch")) as stand:
        one, other = hosts.names
        for host in hosts.names:
            worker(stand, hosts, "stages", host)
            worker(stand, hosts, "effects", host)
        stand.publish(60)
        stand.wait_for_effects(3, 90)
        hosts.cut(one)
        stand.publish(60)
        began = time.monotonic()
        stand.quiet(120)
        without = time.monotonic() - began
        hosts.join(one)
        hosts.cut(other)
        began = time.monotonic()
        stand.publish(20)
        stand.quiet(120)
        back = time.monotonic() - began
        hosts.join(other)
        found = stand.counters()
        # A script that was under way on the host that was cut off may be run again by the other one.
        found.duplicate_effects = max(0, found.duplicate_effects - 2)
        record(found, 140, through_without_it_seconds=without, back_at_work_seconds=back)


@pytest.mark.fault("scale", "a stored backlog drained by one host, and by two, each held to a quarter of a core")
def test_two_hosts_drain_a_backlog_faster_than_one(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Hosts(2) as hosts, spread(tmp_path, database, hosts, ("beat", "listener", "catch")) as stand:
        rates = []
        for count in (1, 2):
            stand.publish(BACKLOG, objects=500)
            stand.wait_until(lambda: _stored(stand) >= stand.attempted, 120, "not all was caught")
            chosen = hosts.names[:count]
            for host in chosen:
                worker(stand, hosts, "stages", host, SHARE)
            rates.append(_rate(stand))
            stand.wait_until(lambda: _waiting(stand) == 0, 300, "not all got through")
            stand.processes.stop(*(f"stages-{host}" for host in chosen))
        ratio = rates[1] / rates[0]
        found = stand.counters()
        assert (found.lost, found.undecided, found.exact) == (0, 0, True)
        found.duplicate_effects = found.out_of_order = 0
        record(found, one_host_a_second=rates[0], two_hosts_a_second=rates[1], ratio=ratio)
        assert ratio >= 1.7


def _rate(stand: Stand) -> float:
    """Events a second between a tenth and nine tenths of the backlog: starting and ending are not measured."""
    stand.wait_until(lambda: _waiting(stand) < BACKLOG * 0.9, 120, "the workers do not begin")
    first, began = _waiting(stand), time.monotonic()
    stand.wait_until(lambda: _waiting(stand) < BACKLOG * 0.1, 300, "not all got through")
    return (first - _waiting(stand)) / (time.monotonic() - began)


def _waiting(stand: Stand) -> int:
    with stand.ledger.reading() as session:
        return int(session.scalar(text("SELECT count(*) FROM place")) or 0)


def _stored(stand: Stand) -> int:
    with stand.ledger.reading() as session:
        return int(session.scalar(text("SELECT count(*) FROM event WHERE NOT raised")) or 0)
