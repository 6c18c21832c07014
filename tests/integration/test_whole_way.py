"""The whole way of an event, through the real doors, on a site with policies and alerts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import select

from tasks.alert import task as alert_door
from tasks.catch import poll as polling
from tasks.catch import task as catch_door
from tasks.convert import task as convert_door
from tasks.conveyor import installation
from tasks.conveyor.installation import Installation
from tasks.conveyor.order import ORDER
from tasks.effects import task as effects_door
from tasks.ledger.effects import Effect
from tasks.ledger.events import DeadLetter, Event, Hold, Place
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import InventoryObject, RefreshTarget
from tasks.ledger.providers import Cursor, Provider
from tasks.ledger.session import Ledger
from tasks.ledger.why import why
from tasks.model.errors import ProviderDown
from tasks.model.event import Notification, ObjectRef
from tasks.policy import task as policy_door
from tasks.providers.contracts import Availability, Batch, ProviderConfig, Reading
from tasks.providers.table import kinds
from tasks.refresh import refresher
from tasks.refresh import task as refresh_door
from tasks.switchboard import task as switchboard_door
from tests.ground import REQUEST, Rung, count, exact, installed, notice, site, standing, versioned

POLICIES = """
policies:
  - name: stopped
    target: server
    on: [vm_poweroff]
    when: {field: event.tenant_id, is: red}
    then: [{log: {message: "${event.event_type} of ${event.resource_id}"}}]
    otherwise: [{log: {message: another tenant}}]
  - name: never
    target: server
    on: [vm_poweroff]
    when: {field: event.tenant_id, is: nobody}
    then: [{log: {message: never}}]
"""
ALERTS = """
alerts:
  - name: down
    severity: warning
    description: A server went down.
    on: [vm_poweroff]
    target: server
    delay: 30s
    notify: [{log: {message: down}}]
"""


class Source:
    """A provider: batches of notifications, and objects to be read."""

    def __init__(self) -> None:
        self.batches: list[list[Notification]] = []
        self.log: list[str] = []
        self.failure: Exception | None = None

    def monitor(self) -> type[Any]:
        source = self

        class Monitor:
            name: ClassVar[str] = "scripted"
            priority: ClassVar[int] = 99
            push: ClassVar[bool] = False

            def __init__(self, config: ProviderConfig) -> None: ...

            @classmethod
            def available(cls, config: ProviderConfig) -> Availability:
                return Availability(True)

            def start(self, cursor: dict[str, Any] | None) -> None:
                source.log.append(f"start {cursor}")

            def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
                if source.failure is not None:
                    raise source.failure
                if source.batches:
                    number, found = len(source.batches), source.batches.pop(0)
                    yield Batch(
                        found,
                        {"left": number - 1},
                        bool(source.batches),
                        lambda: source.log.append("ack"),
                        lambda: source.log.append("reject"),
                    )

            def stop(self) -> None:
                source.log.append("stop")

        return Monitor

    def reader(self) -> type[Any]:
        class Reader:
            kinds: ClassVar[tuple[str, ...]] = ("server",)

            def __init__(self, config: ProviderConfig) -> None: ...

            def read(self, ref: ObjectRef) -> Reading:
                return Reading(ref, f"name of {ref.id}", "red", {"status": "SHUTOFF"})

            def read_all(self, kind: str) -> Iterator[Reading]:
                yield Reading(ObjectRef("server", "s0"), "name of s0", "red", {"status": "ACTIVE"})

            def close(self) -> None: ...

        return Reader


DOORS: dict[str, Callable[..., None]] = {
    "catch.poll": catch_door.poll_provider,
    "convert.run": convert_door.run,
    "switchboard.run": switchboard_door.run,
    "policy.run": policy_door.run,
    "alert.run": alert_door.run,
    "refresh.run": refresh_door.run,
    "refresh.read": refresh_door.read,
    "effects.run": effects_door.run,
}


def work(rung: Rung, limit: int = 500) -> Counter[str]:
    """Be the workers: open the door of every message until no bell rings."""
    done: Counter[str] = Counter()
    while rung.chains:
        steps, argument = rung.chains.pop(0)
        for step in steps:
            DOORS[step](*([] if argument is None else [argument]))
            done[step] += 1
        assert sum(done.values()) < limit
    return done


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    scripted = Source()
    kind = replace(kinds()["openstack"], monitors=(scripted.monitor(),), inventory=scripted.reader())
    for module in (polling, refresher):
        monkeypatch.setattr(module, "kinds", lambda: {"openstack": kind})
    return scripted


both_ways = pytest.mark.parametrize("present", ["never", "always"], ids=["chained", "fused"], indirect=True)


@pytest.fixture
def present(request: pytest.FixtureRequest, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Installation:
    made = installed(
        ledger,
        site(
            policies=POLICIES,
            alerts=ALERTS,
            refresh={"settle_seconds": 0},
            conveyor={"fuse": getattr(request, "param", "backlog"), "attempts": 2},
            catch={"batch": 10},
        ),
    )
    monkeypatch.setattr(installation, "_installation", made)
    return made


def told(ledger: Ledger) -> list[Any]:
    """Why, of every event."""
    with ledger.reading() as session:
        return [why(session, event_id) for event_id in session.scalars(select(Event.id).order_by(Event.id)).all()]


def complete(ledger: Ledger) -> None:
    """See that every event is finished or dead with its reason, that nothing is left, and that why tells all."""
    exact(ledger)
    assert set(standing(ledger).values()) <= {"finished", "dead"}
    assert count(ledger, Place) == count(ledger, Hold) == 0
    for story in told(ledger):
        assert story.hold is None
        stages = [decision.stage for decision in story.decisions]
        if story.event.state == "dead":
            assert story.event.error
        elif story.event.raised:
            assert stages == list(ORDER[1:])
            assert story.causes
        else:
            assert stages == list(ORDER)
            assert story.notification is not None
        assert all(decision.findings or decision.stage == "alert" for decision in story.decisions)
        assert all(decision.error is None for decision in story.decisions)
        assert all(effect.effect.state == "done" and effect.tries for effect in story.effects)
        assert all(read.state == "read" for read in story.refresh)


@both_ways
def test_events_of_a_new_provider_go_the_whole_way_by_bells_alone(
    present: Installation, source: Source, rung: Rung
) -> None:
    ledger = present.ledger
    source.batches = [
        [
            notice(server="s1", message_id="stopped", _context_request_id=REQUEST),
            versioned(server="s1", message_id="twin", _context_request_id=REQUEST),
            notice(server="s2", message_id="other", payload={"tenant_id": "blue"}, seconds=1),
            Notification(b"garbage", "bus"),
        ],
        [notice("identity.authenticate", None), notice(server="s1", message_id="again", seconds=2)],
    ]
    catch_door.tick()
    assert rung.chains == [(("catch.poll",), "lab")]
    # Events wait for the first full refresh of their provider; what was owed from the start is read by the sweep.
    work(rung)
    assert {standing(ledger)[name] for name in ("stopped", "other", "again")} == {"switchboard"}
    rung.chains.append((("refresh.read",), None))
    done = work(rung)
    assert done["effects.run"] > 0
    complete(ledger)
    lines = exact(ledger)
    lab, internal = lines["lab"], lines["internal"]
    assert (lab.received, lab.stored, lab.duplicate, lab.rejected) == (6, 4, 1, 1)
    assert (lab.finished, lab.dead) == (3, 1)
    # Three that the switchboard raised, and one for each server that was read for the first time.
    assert (internal.stored, internal.finished) == (5, 5)
    assert source.log == [
        "start None",
        "ack",
        "stop",
        "start {'left': 1}",
        "ack",
        "stop",
    ]
    with ledger.reading() as session:
        assert session.scalars(select(Cursor.value)).one() == {"left": 0}
        assert {i.ref: i.count for i in session.scalars(select(Incident))} == {"s1": 2, "s2": 1}
        assert set(session.scalars(select(RefreshTarget.state))) == {"read"}
        assert {o.ref: o.state for o in session.scalars(select(InventoryObject))} == {
            "s0": "known",
            "s1": "known",
            "s2": "known",
        }


def test_why_tells_the_whole_line_of_an_event(present: Installation, source: Source, rung: Rung) -> None:
    source.batches = [[notice(server="s1", message_id="stopped")]]
    catch_door.tick()
    work(rung)
    rung.chains.append((("refresh.read",), None))
    work(rung)
    cause = next(story for story in told(present.ledger) if story.event.message_id == "stopped")
    child, created = cause.children
    assert (created.event.event_type, created.event.group) == ("vm_create", "inventory")
    assert (child.event.event_type, child.event.state) == ("vm_poweroff", "finished")
    verdicts = {f["name"]: f["verdict"] for d in child.decisions if d.stage == "policy" for f in d.findings}
    assert verdicts == {"stopped": "matched", "never": "not matched"}
    assert sorted(effect.effect.params["message"] for effect in child.effects) == ["down", "vm_poweroff of s1"]
    assert [(read.kind, read.ref, read.state) for read in cause.refresh] == [("server", "s1", "read")]
    assert [change.verdict for change in cause.changes] == ["created"]
    assert [incident.incident.alert for incident in child.incidents] == ["down"]
    with present.ledger.reading() as session:
        below = why(session, child.event.id)
    assert below is not None
    assert [line.message_id for line in below.causes] == ["stopped"]


@both_ways
def test_every_message_twice_changes_nothing(present: Installation, source: Source, rung: Rung) -> None:
    notices = [notice(server=f"s{n % 3}", message_id=str(n), seconds=n) for n in range(9)]
    source.batches = [notices, notices[::-1]]
    catch_door.tick()

    def work_twice() -> None:
        for _ in range(200):
            if not rung.chains:
                return
            chains, rung.chains = rung.chains, []
            for steps, argument in chains:
                for step in steps:
                    for _ in range(2):
                        DOORS[step](*([] if argument is None else [argument]))

    work_twice()
    rung.chains.append((("refresh.read",), None))
    work_twice()
    complete(present.ledger)
    lab = exact(present.ledger)["lab"]
    assert (lab.stored, lab.duplicate, lab.finished) == (9, 9, 9)
    with present.ledger.reading() as session:
        effects = session.scalars(select(Effect)).all()
        assert len(effects) == len({effect.key for effect in effects}) > 9
        assert all(effect.attempts == 1 for effect in effects)
        # The alert waits out its delay: one notice an object.
        assert Counter(e.rule for e in effects if e.rule.startswith("alert:")) == {"alert:down": 3}


def test_failed_catch_is_noted_and_the_next_one_goes_on(present: Installation, source: Source, rung: Rung) -> None:
    source.failure = ProviderDown("the bus is away")
    catch_door.poll_provider("lab")
    with present.ledger.reading() as session:
        row = session.scalars(select(Provider).where(Provider.name == "lab")).one()
        assert row.failure == "ProviderDown: the bus is away"
        assert (row.lease_owner, row.lease_until) == (None, None)
    source.failure = None
    source.batches = [[notice("image.update", None, message_id="a")]]
    catch_door.poll_provider("lab")
    with present.ledger.reading() as session:
        row = session.scalars(select(Provider).where(Provider.name == "lab")).one()
        assert (row.failure, row.monitor) == (None, "scripted")
    assert standing(present.ledger) == {"a": "convert"}


def test_batch_that_cannot_be_stored_goes_back_to_the_source(
    present: Installation, source: Source, rung: Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    source.batches = [[notice()]]
    with monkeypatch.context() as broken:
        broken.setattr(polling.Ingest, "_move", fail)
        with pytest.raises(OSError, match="full"):
            catch_door.poll_provider("lab")
    assert source.log == ["start None", "reject", "stop"]
    assert count(present.ledger, Event) == 0
    assert rung.chains == []


def test_catch_that_is_told_of_a_provider_the_site_has_no_more_does_nothing(present: Installation, rung: Rung) -> None:
    catch_door.poll_provider("gone")
    assert count(present.ledger, Provider) == 0
    assert rung.chains == []


@pytest.mark.corpus
def test_captured_notifications_all_go_the_whole_way(
    present: Installation, source: Source, rung: Rung, corpus: Path
) -> None:
    lines = [json.loads(line) for line in (corpus / "openstack/notifications.jsonl").read_text().splitlines()]
    notifications = [Notification(line["body"].encode(), "bus") for line in lines]
    source.batches = [notifications[start : start + 10] for start in range(0, len(notifications), 10)]
    catch_door.tick()
    work(rung)
    rung.chains.append((("refresh.read",), None))
    work(rung)
    ledger = present.ledger
    # The reader of this test reads servers only; what else the events name stays on the refresh desk.
    exact(ledger)
    assert set(standing(ledger).values()) == {"finished"}
    assert count(ledger, DeadLetter) == 0
    assert exact(ledger)["lab"].received >= len(notifications)
    for story in told(ledger):
        assert {d.stage for d in story.decisions} == set(ORDER[1:] if story.event.raised else ORDER)
    assert count(ledger, Event, Event.raised) > 0
