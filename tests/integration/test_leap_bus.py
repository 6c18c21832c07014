"""ESI Leap's messages on a real broker: our own queue, a broker that restarts, and a burst."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amqp
import pytest

from tasks.catch.poll import keep
from tasks.ledger.effects import Effect
from tasks.ledger.session import Ledger
from tasks.model.errors import ProviderDown
from tasks.providers.contracts import ProviderConfig
from tasks.providers.esi_leap.options import LeapOptions
from tasks.providers.openstack.amqp_monitor import AmqpMonitor
from tests.ground import all_the_way, exact
from tests.leap_way import LeapWay
from tests.rabbit_ground import Bus, url
from tests.servers import RabbitNode
from tests.unit.esi_leap.leap_ground import END, captured, message

TOPIC = "esi_leap_versioned_notifications"
CONF = f"[one]\nevents = {END}\nscript = note.sh\nscript_params = name\n"


@pytest.fixture
def bus() -> Iterator[Bus]:
    with Bus() as running:
        # As the service declares it: a topic that goes with the broker.
        running.channel.exchange_declare(running.name, "topic", durable=False, auto_delete=False)
        yield running


def monitor(bus: Bus, **more: Any) -> AmqpMonitor:
    options = {"urls": [url()], "queue": bus.queue, "exchanges": {bus.name: [f"{TOPIC}.#"]}, **more}
    return AmqpMonitor(ProviderConfig("esi", "esi_leap", LeapOptions(amqp=options)))


def take_in(way: LeapWay, source: AmqpMonitor, number: int, *, ack: bool = True) -> None:
    """Keep so many messages; without ``ack`` the catcher dies between the commit and the acknowledgement."""
    ingest, found = way.ingest(), 0
    while found < number:
        for batch in source.batches(wait=5, limit=200):
            if not ack:
                batch.ack = lambda: None
            keep(ingest, batch, "amqp", None)
            found += len(batch.notifications)


@pytest.mark.service("rabbitmq")
@pytest.mark.corpus
def test_check_01_all_six_types_are_caught_once_by_a_queue_of_our_own(
    ledger: Ledger, tmp_path: Path, bus: Bus, corpus: Path
) -> None:
    way = LeapWay(ledger, tmp_path, CONF, "note.sh")
    for level in ("info", "error"):  # as the publisher does, with nobody to read them
        bus.channel.queue_declare(f"{bus.name}.{level}", durable=False, exclusive=False, auto_delete=True)
        bus.channel.queue_bind(f"{bus.name}.{level}", bus.name, f"{TOPIC}.{level}")
    source = monitor(bus)
    source.start(None)
    for each in captured(corpus):
        bus.publish([each["body_raw"]], key=each["delivery"]["routing_key"])
    take_in(way, source, 6)
    source.stop()
    assert len({event.event_type for event in way.events()}) == 6
    assert exact(ledger)["esi"].stored == 6
    # The publisher's own queues still have theirs: nobody was robbed.
    assert bus.channel.queue_declare(f"{bus.name}.info", passive=True).message_count == 4
    for level in ("info", "error"):
        bus.channel.queue_delete(f"{bus.name}.{level}")


@pytest.mark.service("rabbitmq")
def test_check_04_a_catcher_killed_before_it_acknowledged_leads_to_one_effect(
    ledger: Ledger, tmp_path: Path, bus: Bus
) -> None:
    way = LeapWay(ledger, tmp_path, CONF, "note.sh")
    source = monitor(bus)
    source.start(None)
    bus.publish([message(END, message_id=f"m-{n}", name=f"L{n}") for n in range(5)], key=f"{TOPIC}.info")
    take_in(way, source, 5, ack=False)
    source.stop()
    second = monitor(bus)
    second.start(None)
    take_in(way, second, 5)
    second.stop()
    all_the_way(way.present)
    way.effects()
    assert sorted(run["arguments"][0] for run in way.runs()) == [f"L{n}" for n in range(5)]
    assert bus.waiting() == 0
    assert exact(ledger)["esi"].duplicate == 5


@pytest.mark.service("rabbitmq")
def test_check_08_a_burst_of_a_thousand_is_caught_whole_with_few_in_hand(
    ledger: Ledger, tmp_path: Path, bus: Bus
) -> None:
    way = LeapWay(ledger, tmp_path, CONF, "note.sh")
    source = monitor(bus, prefetch=50)
    source.start(None)
    bus.publish([message(END, message_id=f"m-{n:04}") for n in range(1000)], key=f"{TOPIC}.info")
    # What is not handed over stays with the broker.
    assert bus.waiting() >= 950
    take_in(way, source, 1000)
    source.stop()
    all_the_way(way.present)
    line = exact(ledger)["esi"]
    assert (line.received, line.stored, line.finished) == (1000, 1000, 1000)
    assert len(way.rows(Effect)) == 1000
    assert bus.waiting() == 0


@pytest.mark.slow
def test_check_05_after_a_restart_of_the_broker_exchange_and_binding_are_there_again(tmp_path: Path) -> None:
    with RabbitNode(tmp_path / "rabbit") as node:
        options = {"urls": [node.url], "queue": "ours"}
        source = AmqpMonitor(ProviderConfig("esi", "esi_leap", LeapOptions(amqp=options)))
        source.start(None)
        assert told(node, source, "before") == ["before"]
        node.stop()
        with pytest.raises(ProviderDown):
            list(source.batches(wait=10, limit=10))
        node.start()
        source.start(None)
        assert told(node, source, "after") == ["after"]
        source.stop()


def told(node: RabbitNode, source: AmqpMonitor, name: str) -> list[str]:
    """What the monitor hears when a service publishes that is not the one to declare anything."""
    with amqp.Connection(node.host, "guest", "guest", confirm_publish=True) as connection:
        connection.channel().basic_publish(amqp.Message(json.dumps({"message_id": name})), "openstack", f"{TOPIC}.info")
    found = []
    for batch in source.batches(wait=10, limit=10):
        found += [json.loads(n.body)["message_id"] for n in batch.notifications if isinstance(n.body, str | bytes)]
        batch.ack()
    return found
