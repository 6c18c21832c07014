"""A real ESI Leap publishes to a real broker, and Catchment runs its scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.ledger.session import Ledger
from tasks.providers.contracts import ProviderConfig
from tasks.providers.esi_leap.options import LeapOptions
from tasks.providers.openstack.amqp_monitor import AmqpMonitor
from tests.ground import all_the_way, exact
from tests.integration.test_leap_bus import take_in
from tests.leap_service import LeapService
from tests.leap_way import LeapWay
from tests.rabbit_ground import Bus, url

FULFIL, DELETE = "esi_leap.lease.fulfill", "esi_leap.lease.delete"
#: A section and a script for each type of message.
CONF = "".join(
    f"[{verb}-{phase}]\nevents = esi_leap.lease.{verb}.{phase}\nscript = {verb}-{phase}.sh\n"
    "script_params = uuid,name,node_name,properties.vendor\n"
    for verb in ("fulfill", "delete")
    for phase in ("start", "end", "error")
)
SCRIPTS = [f"{verb}-{phase}.sh" for verb in ("fulfill", "delete") for phase in ("start", "end", "error")]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LeapService]:
    with Bus() as bus:
        made = LeapService(tmp_path / "leap", bus.name)
        try:
            with made:
                yield made
        finally:
            for level in ("info", "error"):  # the service's own, which it makes as it publishes
                bus.channel.queue_delete(f"{made.topic}.{level}")


@pytest.mark.slow
@pytest.mark.service("rabbitmq")
@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
def test_leases_of_the_real_service_run_the_scripts_of_their_types(
    ledger: Ledger, tmp_path: Path, service: LeapService
) -> None:
    way = LeapWay(ledger, tmp_path / "site", CONF, *SCRIPTS)
    bus = {
        "urls": [url()],
        "queue": f"{service.exchange}-queue",
        "exchanges": {service.exchange: [f"{service.topic}.#"]},
    }
    source = AmqpMonitor(ProviderConfig("esi", "esi_leap", LeapOptions(amqp=bus)))
    source.start(None)
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    began, ends, day = now - timedelta(hours=1), now + timedelta(hours=1), timedelta(days=1)
    nodes = [service.node() for _ in range(4)]
    good, gone, stuck = (
        service.lease(name, node, began, ends) for name, node in zip(("$(id)", "B", "C"), nodes, strict=False)
    )
    over = service.lease("D", nodes[3], began - day, ends - day)
    service.file(nodes[1]).unlink()  # It cannot be handed over.
    service.manage()
    handed = [(f"{FULFIL}.{phase}", lease) for lease in (good, stuck) for phase in ("start", "end")]
    failed = [(f"{FULFIL}.{phase}", gone) for phase in ("start", "error")]
    expired = [(f"{DELETE}.{phase}", over) for phase in ("start", "end")]
    service.wait_for([*handed, *failed, *expired])
    service.rest()
    service.file(nodes[2]).chmod(0o444)  # It cannot be taken back.
    for lease in (good, stuck):
        service.delete(lease)
    taken = [(f"{DELETE}.{phase}", good) for phase in ("start", "end")]
    kept = [(f"{DELETE}.{phase}", stuck) for phase in ("start", "error")]
    service.wait_for([*taken, *kept])
    rows = service.rows()
    take_in(way, source, len(rows))
    source.stop()
    all_the_way(way.present)
    while ids := way.due():
        way.effects(ids)
    # What came is what the service itself says that happened, and each of it ran its own script, once.
    assert Counter((event.event_type, event.resource_id) for event in way.events()) == Counter(rows)
    named = {good: ("$(id)", nodes[0]), gone: ("B", nodes[1]), stuck: ("C", nodes[2]), over: ("D", nodes[3])}
    wanted = [
        (f"{'-'.join(kind.split('.')[2:])}.sh", lease, named[lease][0], f"dummy-node-{named[lease][1]}", "acme")
        for kind, lease in rows
    ]
    assert Counter((run["name"], *run["arguments"]) for run in way.runs()) == Counter(wanted)
    assert exact(ledger)["esi"].finished == len(rows)
