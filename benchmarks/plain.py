"""A plain Celery chain of five empty tasks, one chain an event: what Catchment is measured beside."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from celery import Celery, chain

BROKER = os.environ.get("BENCH_BROKER", "redis://127.0.0.1:6379/13")

app = Celery("plain", broker=BROKER)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_default_queue="plain",
    worker_prefetch_multiplier=1,
    task_send_sent_event=True,
    worker_send_task_events=True,
    accept_content=["json"],
)


def _empty(event_id: int) -> None:
    """Nothing: the cost of a task without work."""


STEPS = [app.task(_empty, name=f"plain.step{number}") for number in range(5)]


def measure(events: int, processes: int) -> float:
    """Events a second from the first chain sent to the last task run."""
    client = app.connection_for_read().default_channel.client
    client.flushdb()
    log = subprocess.DEVNULL
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "benchmarks.plain",
            "worker",
            "-Q",
            "plain",
            "-c",
            str(processes),
            "-E",
            "--without-gossip",
            "--without-mingle",
            "--loglevel",
            "ERROR",
        ],
        stdout=log,
        stderr=log,
        env={**os.environ, "BENCH_BROKER": BROKER},
        start_new_session=True,
    )
    try:
        _ready()
        began = time.monotonic()
        for number in range(events):
            chain(*(step.si(number) for step in STEPS)).apply_async()
        while _ran() < events * len(STEPS):
            time.sleep(0.2)
        return events / (time.monotonic() - began)
    finally:
        worker.terminate()
        worker.wait(30)


def _ready() -> None:
    deadline = time.monotonic() + 30
    while not app.control.ping(timeout=0.5):
        if time.monotonic() > deadline:
            raise SystemExit("the plain Celery worker did not start")


def _ran() -> int:
    stats = app.control.inspect(timeout=1.0).stats() or {}
    return sum(sum(worker["total"].values()) for worker in stats.values())
