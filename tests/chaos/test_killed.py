"""Processes are killed, stopped and told to end (spec field 4.1, numbers 1 to 6)."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random

import psutil
import pytest
from sqlalchemy import func, select

from tasks.ledger import health
from tasks.ledger.effects import ASKED, Effect
from tasks.ledger.events import Place
from tasks.ledger.session import Ledger
from tasks.model import clock
from tests.fault_stand import NEEDED, Stand

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(300)]


def unfinished(ledger: Ledger) -> set[int]:
    """Effects that somebody has begun and nobody has ended."""
    with ledger.reading() as session:
        query = select(Effect.id).where(Effect.state == ASKED, Effect.attempts > 0)
        return set(session.scalars(query))


def seconds_until(stand: Stand, holds: Callable[[], bool], limit: float) -> float:
    began = time.monotonic()
    stand.wait_until(holds, limit, "it does not go on")
    return time.monotonic() - began


def pending(ledger: Ledger) -> set[int]:
    """Events that are not through."""
    with ledger.reading() as session:
        return set(session.scalars(select(Place.event_id)))


@pytest.mark.quick
@pytest.mark.fault(1, "worker of the stages killed in the middle of its work, another one goes on")
def test_01_killed_stages(tmp_path: Path, database: str, record: Callable[..., None], seed: Random) -> None:
    with Stand(tmp_path, database, lines=(*NEEDED, "stages-2")) as stand:
        stand.publish(200)
        stand.wait_until(lambda: bool(pending(stand.ledger)), 30, "nothing is pending")
        time.sleep(seed.uniform(0, 0.2))
        stand.publish(200)
        stand.signal("stages", signal.SIGKILL)
        stand.processes.running.pop("stages").wait()
        left = pending(stand.ledger)
        recovery = seconds_until(stand, lambda: not left & pending(stand.ledger), 30)
        stand.quiet()
        record(stand.counters(), 400, recovery_seconds=recovery)


@pytest.mark.quick
@pytest.mark.fault(1, "worker of the effects killed in the middle of its work, another one goes on")
def test_01_killed_effects(tmp_path: Path, database: str, record: Callable[..., None], seed: Random) -> None:
    with Stand(tmp_path, database, pause=0.3, lines=(*NEEDED, "effects-2")) as stand:
        stand.publish(24)
        stand.wait_for_effects(3)
        time.sleep(seed.uniform(0, 0.5))
        stand.signal("effects", signal.SIGKILL)
        stand.processes.running.pop("effects").wait()
        stand.excuse_written()
        orphans = unfinished(stand.ledger)
        recovery = seconds_until(stand, lambda: not orphans & unfinished(stand.ledger), 30)
        stand.publish(20)
        stand.quiet()
        record(stand.counters(), 44, recovery_seconds_lease_of_4_included=recovery)


@pytest.mark.fault(1, "the only worker of a role killed, and started again")
def test_01_killed_and_started_again(tmp_path: Path, database: str, record: Callable[..., None], seed: Random) -> None:
    with Stand(tmp_path, database, pause=0.3) as stand:
        stand.publish(40)
        stand.wait_for_effects(3)
        time.sleep(seed.uniform(0, 0.5))
        stand.kill("stages")
        stand.kill("effects")
        stand.excuse_written()
        stand.publish(20)
        stand.quiet()
        record(stand.counters(), 60)


@pytest.mark.quick
@pytest.mark.fault(2, "pool child killed")
def test_02_killed_child(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database, pause=0.4) as stand:
        stand.publish(30)
        stand.wait_for_effects(3)
        stand.kill_child("effects")
        stand.excuse_written()
        stand.kill_child("stages")
        stand.quiet()
        record(stand.counters(), 30)


@pytest.mark.quick
@pytest.mark.parametrize("place", ["catch.before_commit", "catch.before_ack"])
@pytest.mark.fault(3, "catcher killed around its commit")
def test_03_killed_catcher(tmp_path: Path, database: str, place: str, record: Callable[..., None]) -> None:
    once = tmp_path / "once"
    with Stand(tmp_path, database, environment={"CATCHMENT_FAILPOINT": f"{place}:{once}"}) as stand:
        stand.publish(50)
        stand.wait_until(stand.revive, 60, "the listener was not killed")
        stand.quiet()
        assert once.exists()
        record(stand.counters(), 50)


@pytest.mark.fault(4, "worker stopped for twice its lease, then let go on")
def test_04_zombie(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database, pause=1.0, lines=(*NEEDED, "effects-2")) as stand:
        stand.publish(6)
        stand.wait_for_effects(1)
        with stand.ledger.reading() as session:
            victim = session.scalars(select(Effect.lease_owner).where(Effect.lease_owner.is_not(None))).first()
        assert victim is not None
        name = next(n for n in ("effects", "effects-2") if _is_child(stand, n, int(victim.rpartition(":")[2])))
        stand.signal(name, signal.SIGSTOP)
        time.sleep(8.5)  # The lease of the stand is 4 s.
        stand.signal(name, signal.SIGCONT)
        stand.quiet()
        found = stand.counters()
        with stand.ledger.reading() as session:
            twice = session.scalar(select(func.count()).select_from(Effect).where(Effect.attempts > 1)) or 0
            assert session.scalar(select(func.count()).select_from(Effect).where(Effect.state == "done")) == 6
        assert twice, "no effect was taken over"
        # The script of the stopped worker had begun and came to its end as well: tried at least once (DESIGN 3).
        assert found.duplicate_effects <= twice
        found.duplicate_effects = 0
        record(found, 6, taken_over=twice)


def _is_child(stand: Stand, name: str, pid: int) -> bool:
    return pid in {child.pid for child in psutil.Process(stand.processes.running[name].pid).children()}


@pytest.mark.fault(5, "catcher stopped")
def test_05_stopped_catcher(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database) as stand:
        stand.publish(10)
        stand.quiet()
        stand.signal("catch", signal.SIGSTOP)
        stand.signal("listener", signal.SIGSTOP)

        def word() -> str:
            with stand.ledger.reading() as session:
                [line] = health.providers(session, clock.now() + timedelta(seconds=50))
                return line.state

        seconds = seconds_until(stand, lambda: not _alive(stand), 40)
        assert word() == health.SILENT
        stand.signal("catch", signal.SIGCONT)
        stand.signal("listener", signal.SIGCONT)
        stand.publish(10)
        stand.quiet()
        record(stand.counters(), 20, noticed_after_seconds=seconds)


def _alive(stand: Stand) -> bool:
    with stand.ledger.reading() as session:
        [line] = health.providers(session, clock.now())
        return line.listener_alive


@pytest.mark.fault(6, "workers asked to end in the middle of a script, once and twice")
@pytest.mark.parametrize("signals", [1, 2], ids=["once", "twice"])
def test_06_asked_to_end(tmp_path: Path, database: str, signals: int, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database, pause=1.5) as stand:
        stand.publish(6)
        stand.wait_for_effects(1)
        process = stand.processes.running["effects"]
        for _ in range(signals):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        stand.wait_until(lambda: process.poll() is not None, 60, "the worker does not end")
        assert stand.revive() == ["effects"]
        stand.quiet()
        found = stand.counters()
        if signals == 2:
            # Told twice, a worker drops what it does; a script that had begun may be run again.
            found.duplicate_effects = max(0, found.duplicate_effects - 2)
        record(found, 6)
