"""What comes is wrong, twice, late, or leads in a circle (spec field 4.1, 23, 25, 28, 32, 34)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random

import pytest
from celery import Celery
from sqlalchemy import select

from tasks.conveyor import turn
from tasks.conveyor.order import ORDER
from tasks.ledger import migrate
from tasks.ledger.balance import balance
from tasks.ledger.effects import Effect
from tasks.ledger.events import DeadLetter
from tasks.ledger.session import Ledger
from tasks.ledger.why import why
from tasks.model import event as model
from tasks.model.event import ObjectRef
from tasks.model.outcome import Handler, Outcome, Raise, View
from tests.chaos.report import Fault
from tests.fault_stand import Stand, catchment, notification
from tests.ground import caught, installed, lanes, nothing, notice, provider

pytestmark = [pytest.mark.service("postgresql", "rabbitmq"), pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.quick
@pytest.mark.fault(23, "every message twice, in any order")
def test_23_twice_and_shuffled(tmp_path: Path, database: str, record: Callable[..., None], seed: Random) -> None:
    with Stand(tmp_path, database) as stand:
        stand.publish(60, twice=True, shuffle=seed)
        stand.quiet()
        found = stand.counters()
        with stand.ledger.reading() as session:
            cloud = next(line for line in balance(session) if line.provider == "cloud")
        assert (cloud.received, cloud.stored, cloud.duplicate) == (120, 60, 60)
        record(found, 60)


def _poison() -> list[bytes]:
    payload = {"instance_id": "server-1", "tenant_id": "p1"}
    deep = b'{"event_type":"a.b","payload":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}"
    return [
        b"no json at all",
        b"\xff\xfe\x00 not utf-8",
        b'"' + b"x" * 10_000_000 + b'"',
        deep,
        b'{"event_type": "a.b", "message_id": "nan", "payload": {"size": NaN}}',
        b'{"event_type": "a.b", "message_id": "huge", "payload": {"size": 1' + b"0" * 5000 + b"}}",
        json.dumps({"event_type": "a.b\x00", "message_id": "nul\x00", "payload": payload}).encode(),
        b'{"event_type": "a.b", "message_id": "\\ud800", "payload": {}}',
        b"[]",
        b"",
    ]


@pytest.mark.quick
@pytest.mark.fault(25, "poison among the messages")
def test_25_poison(tmp_path: Path, database: str, record: Callable[..., None], seed: Random) -> None:
    with Stand(tmp_path, database) as stand:
        bad = _poison()
        seed.shuffle(bad)
        for body in bad:
            stand.publish(2)
            stand.publish_bodies([body])
        stand.wait_until(lambda: stand.counters().stored >= 20 + len(bad), 60, "not all was stored")
        stand.quiet()
        with stand.ledger.reading() as session:
            letters = session.scalars(select(DeadLetter.error)).all()
        assert len(letters) >= 8
        assert all(letters)
        found = stand.counters()
        found.attempted += len(bad)
        found.lost = found.attempted - found.stored
        record(found, poison_quarantined=len(letters))
        assert found.effects == 20


@pytest.mark.quick
@pytest.mark.fault(28, "an event that causes itself again")
def test_28_circle(database: str, fault: Fault) -> None:
    ledger = Ledger(database)
    migrate.upgrade(ledger)
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, *(notice(message_id=f"m{n}", seconds=n) for n in range(20)))

    def again(event: model.Event, view: View) -> Outcome:
        return Outcome(raises=[Raise("vm_poweroff", ObjectRef("server", "s1"))])

    line: list[tuple[str, Handler]] = [(stage, again if stage == "switchboard" else nothing) for stage in ORDER]
    turn.take(present, line, lanes(present))
    with ledger.reading() as session:
        letters = session.execute(select(DeadLetter.event_id, DeadLetter.error)).all()
        stories = [why(session, event_id) for event_id, _ in letters]
        lines = balance(session)
    ledger.close()
    assert len(letters) == 20
    assert all("a rule sets off its own cause" in error for _, error in letters)
    # The chain is shown: from the first cause to the one that was cut.
    assert {len(story.causes) for story in stories if story} == {present.site.settings.conveyor.depth + 1}
    assert all(line.exact for line in lines)
    fault.figures["events cut"].append(len(letters))


@pytest.mark.quick
@pytest.mark.fault(32, "a script that forks, will not end, and prints without end")
def test_32_unruly_script(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database) as stand:
        pids, pwned = tmp_path / "pids", tmp_path / "site" / "pwn"
        script = tmp_path / "site" / "append"
        script.write_text(
            f"#!/bin/sh\ntrap '' TERM\n(trap '' TERM; sleep 300) &\necho $! >> {pids}\necho $$ >> {pids}\n"
            "yes unruly | head -c 200000000\nsleep 300\n"
        )
        policies = tmp_path / "site" / "policies" / "one.yaml"
        found = json.loads(policies.read_text())
        found["policies"][0]["then"][0]["script"] |= {
            "command": ["./append", "${event.resource_id}"],
            "timeout_seconds": 2,
        }
        policies.write_text(json.dumps(found))
        checked = catchment(stand, "check")
        assert checked.returncode == 0, checked.stdout
        time.sleep(2)
        body = json.loads(notification(0, 1, datetime.now().astimezone()))
        message = json.loads(body["oslo.message"])
        message["payload"]["instance_id"] = f'"; touch {pwned} #'
        stand.publish_bodies([json.dumps({**body, "oslo.message": json.dumps(message)}).encode()])

        def tried() -> Effect | None:
            with stand.ledger.reading() as session:
                return session.scalars(select(Effect).where(Effect.attempts > 0, Effect.error.is_not(None))).first()

        stand.wait_until(lambda: tried() is not None, 60, "the script was not ended")
        assert not pwned.exists()
        left = [pid for pid in pids.read_text().split() if Path(f"/proc/{pid}").exists() and not _zombie(pid)]
        assert left == []
        shown = catchment(stand, "why", "2", "--json").stdout
        assert len(shown) < 1_000_000
        record_free = stand.counters()
        record_free.lost = record_free.undecided = 0
        record(record_free)


def _zombie(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.quick
@pytest.mark.fault(34, "messages of another release: unknown tasks and unknown arguments")
def test_34_unknown_messages(tmp_path: Path, database: str, record: Callable[..., None]) -> None:
    with Stand(tmp_path, database) as stand:
        other = Celery(broker=stand.environment["CATCHMENT_BROKER"], set_as_current=False)
        other.conf.broker_transport_options = {"global_keyprefix": "catchment:"}
        for queue in ("convert", "effects", "catch", "control"):
            other.send_task("catchment.of.tomorrow", args=[1], queue=queue)
            other.send_task("convert.run", args=[[1], "more"], kwargs={"deep": True}, queue=queue)
            other.send_task("effects.run", args=["no list"], queue=queue)
        stand.publish(20)
        stand.quiet()
        assert not stand.processes.ended()
        record(stand.counters(), 20)
