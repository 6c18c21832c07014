"""What the bus monitor hands over, from a real broker, and how it gives and takes."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tasks.model.errors import ProviderDown
from tasks.providers.contracts import Availability, Batch
from tasks.providers.openstack.amqp_monitor import AmqpMonitor
from tasks.providers.openstack.converter import OpenStackConverter
from tests.rabbit_ground import HOST, PASSWORD, PORT, USER, Bus, bodies, drain, eventually, one

pytestmark = pytest.mark.service("rabbitmq")


@pytest.fixture
def bus() -> Iterator[Bus]:
    with Bus() as running:
        yield running


@pytest.fixture
def monitor(bus: Bus) -> Iterator[AmqpMonitor]:
    monitor = AmqpMonitor(bus.provider(exchanges={bus.name: ["notifications.*", "versioned_notifications.*"]}))
    monitor.start(None)
    yield monitor
    monitor.stop()


#: A process of its own: oslo.messaging loads eventlet.
SENDER = """
import json, sys
import oslo_messaging
from oslo_config import cfg

url, exchange, notices = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
config = cfg.ConfigOpts()
config([], project="nova")
oslo_messaging.set_transport_defaults(control_exchange=exchange)
transport = oslo_messaging.get_notification_transport(config, url=url)
for topic, priority, event_type, payload in notices:
    sender = oslo_messaging.Notifier(transport, "compute.node1", driver="messagingv2", topics=[topic])
    getattr(sender, priority)({"user_name": "alice"}, event_type, payload)
transport.cleanup()
"""


def send_as_a_service_does(exchange: str, *notices: tuple[str, str, str, dict[str, Any]]) -> None:
    """Publish through oslo.messaging: topic, priority, event type and payload of each notice."""
    transport = f"rabbit://{USER}:{PASSWORD}@{HOST}:{PORT}//"
    command = [sys.executable, "-W", "ignore", "-c", SENDER, transport, exchange, json.dumps(notices)]
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def test_what_oslo_messaging_publishes_is_caught_and_understood(bus: Bus, monitor: AmqpMonitor) -> None:
    send_as_a_service_does(
        bus.name,
        ("notifications", "info", "compute.instance.pause.end", {"instance_id": "vm-1", "state": "paused"}),
        ("notifications", "error", "compute.instance.create.error", {"instance_id": "vm-2"}),
        ("versioned_notifications", "info", "instance.unpause.end", {"nova_object.data": {}}),
    )
    batches: list[Batch] = []
    while sum(len(batch.notifications) for batch in batches) < 3:
        batches.append(one(monitor))
    found = [notification for batch in batches for notification in batch.notifications]
    messages = [OpenStackConverter().unwrap(notification.body)[0] for notification in found]
    assert [message.content["event_type"] for message in messages] == [
        "compute.instance.pause.end",
        "compute.instance.create.error",
        "instance.unpause.end",
    ]
    assert [notification.road for notification in found] == [
        f"amqp {bus.name} notifications.info",
        f"amqp {bus.name} notifications.error",
        f"amqp {bus.name} versioned_notifications.info",
    ]
    assert messages[0].content["payload"]["instance_id"] == "vm-1"


def as_bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)


@pytest.mark.parametrize(
    ("body", "properties"),
    [
        (b'{"a": "\xc3\xa4"}', {}),
        (b'{"a": "\xe4\xff\x00"}', {}),
        (b"\xff\xfe\xfd", {"content_encoding": "utf-8"}),
        (b'{"a": 1}', {"content_encoding": "no-such-encoding"}),
        (gzip.compress(b'{"a": 1}', mtime=0), {"content_encoding": "gzip"}),
        (b"not compressed", {"application_headers": {"compression": "application/x-gzip"}}),
        (
            b"cos\nsystem\n(S'true'\ntR.",
            {"content_type": "application/x-python-serialize", "content_encoding": "binary"},
        ),
        (b"", {}),
    ],
)
def test_body_comes_as_it_was_sent_and_the_next_one_too(
    bus: Bus, monitor: AmqpMonitor, body: bytes, properties: dict[str, Any]
) -> None:
    bus.publish([body], **properties)
    bus.publish([b"after"])
    assert [as_bytes(found) for found in drain(monitor, until=2)] == [body, b"after"]


def test_body_that_no_service_sends_is_refused_by_the_converter_alone(bus: Bus, monitor: AmqpMonitor) -> None:
    bus.publish([b"\xff\xfe"], exchange=bus.name)
    (notification,) = one(monitor).notifications
    with pytest.raises(Exception, match="not UTF-8"):
        OpenStackConverter().unwrap(notification.body)


def test_message_of_ten_megabytes_passes(bus: Bus, monitor: AmqpMonitor) -> None:
    large = json.dumps({"payload": "x" * 10_000_000}).encode()
    bus.publish([b"before", large, b"after"])
    assert [as_bytes(found) for found in drain(monitor, until=3)] == [b"before", large, b"after"]


def test_many_large_messages_come_in_batches_of_bounded_size(bus: Bus, monitor: AmqpMonitor) -> None:
    bus.publish([b"x" * 1_000_000] * 30)
    sizes: list[int] = []
    while sum(sizes) < 30:
        batch = one(monitor, limit=1000)
        sizes.append(len(batch.notifications))
        batch.ack()
    assert max(sizes) < 15


def test_routing_key_of_a_stranger_makes_a_road_that_can_be_kept(bus: Bus) -> None:
    monitor = AmqpMonitor(bus.provider(exchanges={bus.name: ["#"]}))
    monitor.start(None)
    bus.publish([b"1"], key="a\x00b\nc" + "d" * 240)
    (notification,) = one(monitor).notifications
    assert notification.road.isprintable()
    assert len(notification.road) <= 200
    monitor.stop()


def test_batch_is_not_larger_than_asked_for_and_says_whether_there_is_more(bus: Bus, monitor: AmqpMonitor) -> None:
    bus.publish(str(i) for i in range(25))
    sizes = []
    for batch in monitor.batches(wait=5, limit=10):
        sizes.append((len(batch.notifications), batch.more))
        batch.ack()
    assert sizes == [(10, True), (10, True), (5, False)]


def test_single_notification_does_not_wait_for_company(bus: Bus, monitor: AmqpMonitor) -> None:
    delays = []
    for number in range(10):
        timer = threading.Timer(0.1, lambda: None)
        timer.start()
        timer.join()
        sent = time.monotonic()
        bus.publish([str(number)])
        one(monitor).ack()
        delays.append(time.monotonic() - sent)
    assert sorted(delays)[5] < 0.1


def test_no_more_than_the_prefetch_is_held(bus: Bus) -> None:
    monitor = AmqpMonitor(bus.provider(prefetch=10))
    monitor.start(None)
    bus.publish(str(i) for i in range(50))
    batch = one(monitor, limit=1000)
    assert len(batch.notifications) == 10
    assert bus.waiting() == 40
    assert list(monitor.batches(wait=0.2, limit=1000)) == []
    batch.ack()
    assert bodies(one(monitor, limit=1000)) == [str(i) for i in range(10, 20)]
    monitor.stop()
    assert eventually(lambda: bus.waiting() == 40)


def test_nothing_leaves_the_queue_before_it_is_acknowledged(bus: Bus, monitor: AmqpMonitor) -> None:
    bus.publish(["1", "2", "3"])
    batch = one(monitor)
    monitor.stop()
    assert eventually(lambda: bus.waiting() == 3)
    batch.ack()
    time.sleep(0.2)
    assert bus.waiting() == 3


def test_batches_are_acknowledged_one_by_one_in_any_order(bus: Bus, monitor: AmqpMonitor) -> None:
    bus.publish(str(i) for i in range(30))
    first, second, third = (one(monitor, limit=10) for _ in range(3))
    second.ack()
    third.reject()
    monitor.stop()
    assert eventually(lambda: bus.waiting() == 20)
    monitor.start(None)
    assert drain(monitor, until=20) == [*bodies(first), *bodies(third)]


def test_rejected_batch_comes_again_whole_and_in_order_on_the_same_connection(bus: Bus, monitor: AmqpMonitor) -> None:
    bus.publish(str(i) for i in range(30))
    first, second = one(monitor, limit=10), one(monitor, limit=10)
    first.ack()
    second.reject()
    again = one(monitor, limit=10)
    assert bodies(again) == bodies(second)
    again.ack()
    second.ack()
    assert drain(monitor, until=10) == [str(i) for i in range(20, 30)]
    monitor.stop()
    assert bus.waiting() == 0


def test_open_batch_comes_again_when_another_one_is_rejected_and_its_late_ack_does_no_harm(
    bus: Bus, monitor: AmqpMonitor
) -> None:
    """The ledger tells apart what it has already; it cannot tell what it never got."""
    bus.publish(str(i) for i in range(20))
    first, second = one(monitor, limit=10), one(monitor, limit=10)
    second.reject()
    first.ack()
    assert drain(monitor, until=20) == [str(i) for i in range(20)]


def test_two_monitors_share_one_queue_and_each_message_goes_to_one(bus: Bus, monitor: AmqpMonitor) -> None:
    other = AmqpMonitor(bus.provider(prefetch=5))
    other.start(None)
    bus.publish(str(i) for i in range(100))
    found: list[str] = []
    while len(found) < 100:
        for reader in (monitor, other):
            found += drain(reader, until=1, limit=10, seconds=0.1)
    assert sorted(found, key=int) == [str(i) for i in range(100)]
    other.stop()


def test_signal_handler_may_stop_the_monitor_that_it_interrupts(bus: Bus, monitor: AmqpMonitor) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: monitor.stop())
    try:
        threading.Timer(0.3, signal.raise_signal, [signal.SIGUSR1]).start()
        began = time.monotonic()
        assert list(monitor.batches(wait=20, limit=10)) == []
        assert time.monotonic() - began < 3
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert eventually(lambda: bus.consumers() == 0)


def test_provider_without_a_bus_is_told_what_is_missing(bus: Bus) -> None:
    provider = bus.provider()
    provider.options.amqp = None
    missing = "the provider has no amqp: section in providers.yaml"
    assert AmqpMonitor.available(provider) == Availability(False, missing)
    with pytest.raises(ProviderDown, match=missing):
        AmqpMonitor(provider).start(None)
