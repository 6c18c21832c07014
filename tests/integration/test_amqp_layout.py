"""What the bus monitor makes on the broker, and what it leaves as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from amqp.exceptions import PreconditionFailed

from tasks.model.errors import ProviderDown
from tasks.providers.openstack.amqp_monitor import AmqpMonitor
from tests.rabbit_ground import Bus, drain, eventually, one

pytestmark = pytest.mark.service("rabbitmq")


@pytest.fixture
def bus() -> Iterator[Bus]:
    with Bus() as running:
        yield running


def started(bus: Bus, **options: Any) -> AmqpMonitor:
    monitor = AmqpMonitor(bus.provider(**options))
    monitor.start(None)
    return monitor


def is_durable(bus: Bus, exchange: str) -> bool:
    """Whether an exchange is durable: the broker takes a declaration that says the same, and no other."""
    channel = bus.new_channel()
    try:
        channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)
    except PreconditionFailed:
        return False
    return True


@pytest.mark.parametrize("durable", [True, False])
def test_exchange_that_is_there_is_taken_as_it_is(bus: Bus, durable: bool) -> None:
    exchange = bus.exchange("there", durable=durable)
    monitor = started(bus, exchanges={exchange: ["notifications.*"]})
    bus.publish(["1"], exchange=exchange)
    assert drain(monitor, until=1) == ["1"]
    monitor.stop()
    assert is_durable(bus, exchange) is durable
    # The service that owns it connects again.
    bus.channel.exchange_declare(exchange, "topic", durable=durable, auto_delete=False)


def test_exchange_of_another_type_is_taken_as_it_is(bus: Bus) -> None:
    exchange = bus.exchange("fanout", type="fanout", durable=True)
    monitor = started(bus, exchanges={exchange: ["notifications.*"]})
    bus.publish(["1"], exchange=exchange)
    assert drain(monitor, until=1) == ["1"]
    monitor.stop()


def test_exchange_that_is_absent_is_made_so_that_its_first_notification_is_caught(bus: Bus) -> None:
    exchange = bus.exchange("absent")
    monitor = started(bus, exchanges={exchange: ["notifications.*"]})
    # What the service does when it starts: by itself it makes exchanges that are not durable.
    bus.channel.exchange_declare(exchange, "topic", durable=False, auto_delete=False)
    bus.publish(["1"], exchange=exchange)
    assert drain(monitor, until=1) == ["1"]
    monitor.stop()


def test_absent_exchange_is_made_as_its_neighbours_are(bus: Bus) -> None:
    present, absent = bus.exchange("durable", durable=True), bus.exchange("absent")
    started(bus, exchanges={present: ["notifications.*"], absent: ["notifications.*"]}).stop()
    assert is_durable(bus, absent)


def test_absent_exchange_is_made_as_the_options_say(bus: Bus) -> None:
    absent = bus.exchange("absent")
    exchanges = [{"exchange": absent, "durable": True}]
    started(bus, exchanges=exchanges).stop()
    assert is_durable(bus, absent)


def test_each_exchange_is_bound_with_its_own_topics(bus: Bus) -> None:
    other = bus.exchange("other")
    monitor = started(bus, exchanges={bus.name: ["notifications.*"], other: ["audit.#"]})
    bus.publish(["no"], key="audit.info")
    bus.publish(["no"], exchange=other)
    bus.publish(["1"])
    bus.publish(["2"], exchange=other, key="audit.info.more")
    assert drain(monitor, until=2) == ["1", "2"]
    monitor.stop()


def test_queue_survives_the_monitor_and_keeps_what_comes(bus: Bus) -> None:
    started(bus).stop()
    assert bus.has_queue()
    bus.publish(["1", "2"])
    assert bus.waiting() == 2
    # Durable, shared, not deleted with its consumer: the broker takes a declaration that says so.
    bus.channel.queue_declare(bus.queue, durable=True, exclusive=False, auto_delete=False)


def test_queue_is_named_after_the_provider_unless_it_is_named(bus: Bus) -> None:
    bus.queue = f"catchment.{bus.name}"
    provider = bus.provider(queue=None)
    monitor = AmqpMonitor(type(provider)(bus.name, provider.kind, provider.options))
    monitor.start(None)
    assert bus.has_queue()
    monitor.stop()


def test_queue_limits_are_passed_to_the_broker(bus: Bus) -> None:
    started(bus, queue_ttl_seconds=60, queue_max_length=1000).stop()
    arguments = {"x-message-ttl": 60_000, "x-max-length": 1000}
    bus.channel.queue_declare(bus.queue, durable=True, exclusive=False, auto_delete=False, arguments=arguments)
    bus.publish(str(i) for i in range(1010))
    monitor = started(bus, queue_ttl_seconds=60, queue_max_length=1000)
    assert drain(monitor, until=1000)[0] == "10"
    monitor.stop()


def test_queue_with_other_settings_is_left_alone_and_the_message_says_what_to_do(bus: Bus) -> None:
    started(bus).stop()
    bus.publish(["1"])
    with pytest.raises(ProviderDown) as raised:
        started(bus, queue_ttl_seconds=60)
    assert bus.queue in str(raised.value)
    assert "amqp.queue_ttl_seconds" in str(raised.value)
    assert bus.waiting() == 1
    monitor = started(bus)
    assert drain(monitor, until=1) == ["1"]
    monitor.stop()


def test_queue_that_is_deleted_under_the_monitor_is_told_and_made_again(bus: Bus) -> None:
    monitor = started(bus)
    bus.channel.queue_delete(bus.queue)
    with pytest.raises(ProviderDown, match="north"):
        list(monitor.batches(wait=5, limit=10))
    monitor.start(None)
    bus.publish(["1"])
    assert drain(monitor, until=1) == ["1"]
    monitor.stop()


def test_binding_that_is_gone_is_made_again_at_the_next_connection(bus: Bus) -> None:
    """As after a restart of the broker, for an exchange that is not durable."""
    monitor = started(bus)
    bus.channel.exchange_delete(bus.name)
    bus.channel.exchange_declare(bus.name, "topic", durable=False, auto_delete=False)
    monitor.stop()
    monitor.start(None)
    bus.publish(["1"])
    assert drain(monitor, until=1) == ["1"]
    monitor.stop()


def test_starting_again_makes_nothing_twice(bus: Bus) -> None:
    monitor = started(bus)
    monitor.start(None)
    assert bus.consumers() == 1
    bus.publish(["1"])
    assert len(one(monitor).notifications) == 1
    monitor.stop()
    assert eventually(lambda: bus.consumers() == 0)
    assert bus.waiting() == 1
