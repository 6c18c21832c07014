"""Whoever looks on must not be felt: Flower down, stopped, and asking without end (spec field 4.1, number 38)."""

from __future__ import annotations

import base64
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.fault_stand import NEEDED, Stand
from tests.servers import free_port

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(300)]

#: What the flood asks for: the dashboard, and answers that Flower gets from the workers themselves.
PAGES = ("/workers?refresh=1", "/tasks", "/api/workers?refresh=1", "/api/tasks?limit=1000")


def through(stand: Stand, count: int = 100) -> float:
    """Seconds from sent to through, effects included."""
    began = time.monotonic()
    stand.publish(count)
    stand.quiet()
    return time.monotonic() - began


@contextmanager
def flood(port: int, password: str, asking: int = 4) -> Iterator[list[int]]:
    """Ask Flower from several threads without a pause; yields how many answers came, as the only item."""
    over, answers = threading.Event(), [0]
    sign = base64.b64encode(f"catchment:{password}".encode()).decode()

    def ask() -> None:
        while not over.is_set():
            for page in PAGES:
                question = urllib.request.Request(f"http://127.0.0.1:{port}{page}")
                question.add_header("Authorization", f"Basic {sign}")
                with suppress(OSError), urllib.request.urlopen(question, timeout=20) as answer:
                    answer.read()
                    answers[0] += 1

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(asking)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=30)


@pytest.mark.quick
@pytest.mark.fault(38, "Flower down, stopped, and flooding the workers with questions")
def test_38_flower(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    port = free_port()
    (tmp_path / "password").write_text("sesame")
    environment = {
        "CATCHMENT_FLOWER__PORT": str(port),
        "CATCHMENT_FLOWER__PASSWORD_FILE": str(tmp_path / "password"),
    }
    with Stand(tmp_path, database, environment=environment, lines=(*NEEDED, "flower")) as stand:
        stand.wait_until(lambda: _answers(port), 60, "Flower does not answer")
        beside = through(stand)
        with flood(port, "sesame") as answers:
            stand.wait_until(lambda: answers[0] > 10, 60, "Flower answers nothing")
            asked = through(stand)
        stand.signal("flower", signal.SIGSTOP)
        stopped = through(stand)
        stand.signal("flower", signal.SIGKILL)
        stand.processes.running.pop("flower").wait()
        down = through(stand)
        record(
            stand.counters(),
            400,
            seconds_beside_flower=beside,
            seconds_flooded=asked,
            seconds_flower_stopped=stopped,
            seconds_flower_down=down,
        )


def _answers(port: int) -> bool:
    with suppress(OSError):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck", timeout=2).read()
        except urllib.error.HTTPError:
            return True
        return True
    return False
