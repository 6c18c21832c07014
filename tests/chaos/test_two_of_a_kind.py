"""Two clocks, two listeners, and RabbitMQ in place of Redis: an installation on more than one machine."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault_stand import NEEDED, Stand
from tests.servers import RabbitNode

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.mark.quick
@pytest.mark.fault("two beats", "two clocks tick, one of them is stopped and goes on")
def test_two_beats(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database, lines=(*NEEDED, "beat-2")) as stand:
        stand.publish(20)
        stand.signal("beat", signal.SIGSTOP)
        time.sleep(5)
        stand.publish(20)
        stand.signal("beat", signal.SIGCONT)
        stand.quiet()
        record(stand.counters(), 40)


@pytest.mark.quick
@pytest.mark.fault("two listeners", "one of two listeners is killed, then the other one is stopped")
def test_two_listeners(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database, lines=(*NEEDED, "listener-2")) as stand:
        stand.publish(30)
        stand.quiet()
        stand.signal("listener", signal.SIGKILL)
        stand.processes.running.pop("listener").wait()
        began = time.monotonic()
        stand.publish(10)
        stand.quiet(60)
        taken_over = time.monotonic() - began
        stand.start("listener")
        stand.wait_until(lambda: stand.consumers() == 2, 60, "it does not listen")
        stand.signal("listener-2", signal.SIGSTOP)
        began = time.monotonic()
        stand.publish(10)
        # What the stopped one had been sent already comes back when its connection is given up.
        stand.quiet(90)
        after_stop = time.monotonic() - began
        stand.signal("listener-2", signal.SIGCONT)
        record(stand.counters(), 50, taken_over_seconds=taken_over, after_stop_seconds=after_stop)
        assert taken_over < 30
        assert after_stop < 60


@pytest.mark.fault("rabbitmq broker", "RabbitMQ as Celery's broker: killed worker and child, closed, purged, restarted")
def test_rabbitmq_as_the_broker(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    lines = (*NEEDED, "stages-2")
    node = RabbitNode(tmp_path / "rabbit")
    with node, Stand(tmp_path, database, pause=0.1, broker=node.url, lines=lines) as stand:
        stand.publish(30)
        stand.wait_for_effects(3)
        stand.kill("stages")
        stand.kill_child("effects")
        stand.publish(20)
        for _ in range(3):
            node.control("close_all_connections", "a fault test")
            stand.publish(5)
            time.sleep(1)
        for queue in ("convert", "effects", "control"):
            node.control("purge_queue", queue)
        stand.publish(10)
        node.stop()
        stand.publish(5)
        time.sleep(3)
        node.start()
        began = time.monotonic()
        stand.quiet(150)
        kinds = node.control("list_queues", "--no-table-headers", "name", "type")
        assert "convert\tquorum" in kinds
        record(stand.counters(), 80, back_after_seconds=time.monotonic() - began)
