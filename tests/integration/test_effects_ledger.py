"""Effects are tried under a lease: one effect a cause, every try on record, whatever happens to the worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel
from sqlalchemy import select, update

from tasks.conveyor.advance import backoff
from tasks.conveyor.installation import Installation
from tasks.conveyor.retry import retry_effect
from tasks.effects import run as effects
from tasks.effects.contracts import Done, EffectContext
from tasks.effects.templates import read as read_templates
from tasks.ledger.effects import Effect, EffectTry
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import InventoryObject
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent, Transient
from tasks.model.event import ObjectRef
from tasks.model.outcome import Ask, Outcome
from tasks.site.contracts import SiteContext
from tasks.site.settings import Settings
from tests.ground import (
    START,
    STOPPED,
    Clock,
    Text,
    all_the_way,
    caught,
    installed,
    notice,
    only_postgresql,
    outcome_of,
    provider,
    site,
    take,
)


class Act:
    """An action that does what the test says, and notes how often."""

    name: ClassVar[str] = "act"
    params: ClassVar[type[BaseModel]] = Text
    limit_seconds: ClassVar[float] = 5.0

    def __init__(self, *does: Callable[[], Any] | BaseException | Done) -> None:
        self.does = list(does)
        self.contexts: list[EffectContext] = []

    def run(self, params: Any, context: EffectContext) -> Done:
        self.contexts.append(context)
        what = self.does.pop(0) if self.does else Done("done", {})
        if isinstance(what, BaseException):
            raise what
        if isinstance(what, Done):
            return what
        return Done("done", {"result": what()})


def asked(present: Installation, *asks: Ask) -> list[int]:
    """Effects asked for by one event."""
    with present.ledger.reading() as session:
        known = {e.id for e in session.scalars(select(Effect))}
    lab = provider(present.ledger, f"lab{len(known)}")
    store = caught(present, lab, notice(message_id="a", server="s1"))
    wanted = list(asks) or [Ask("act", "policy:p:true", {"text": "hello"}, ObjectRef("server", "s1"))]
    return take(present, "convert", outcome_of(lambda event: Outcome(asks=wanted)), lanes=list(store.lanes)).effects


def run(
    present: Installation, ids: Sequence[int], action: Act | None = None, actions: Mapping[str, Any] | None = None
) -> int:
    return effects.run(present, ids, actions if actions is not None else {"act": action or Act()}, backoff)


def effect(ledger: Ledger, effect_id: int) -> Effect:
    with ledger.reading() as session:
        return session.get_one(Effect, effect_id)


def tries(ledger: Ledger, effect_id: int) -> list[tuple[int, str, str | None, str | None]]:
    """Number, worker, verdict and summary of each try."""
    with ledger.reading() as session:
        rows = session.scalars(select(EffectTry).where(EffectTry.effect_id == effect_id).order_by(EffectTry.attempt))
        return [(row.attempt, row.worker, row.verdict, row.summary) for row in rows]


def other_worker(present: Installation) -> Installation:
    return Installation(present.ledger, present.sites, host="there")


def test_effect_is_done_once_though_it_is_rung_for_again_and_again(ledger: Ledger) -> None:
    present = installed(ledger)
    [one] = asked(present)
    action = Act(Done("sent", {"status": 202}))
    assert run(present, [one, one], action) == 1
    assert run(present, [one], action) == 0
    assert len(action.contexts) == 1
    row = effect(ledger, one)
    assert (row.state, row.attempts, row.lease_owner, row.error) == ("done", 1, None, None)
    assert row.ended_at is not None
    assert tries(ledger, one) == [(1, present.worker, "done", "sent")]


def test_action_is_told_of_event_target_and_key(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    [one] = asked(present)
    with ledger.transaction() as session:
        known = {"kind": "server", "ref": "s1", "state": "known", "name": "web", "attributes": {"vcpus": 2}}
        lab = session.scalars(select(Provider.id).where(Provider.name == "lab0")).one()
        session.add(InventoryObject(provider_id=lab, seen_at=START, **known))
    action = Act()
    run(present, [one], action)
    [context] = action.contexts
    assert context.key == effect(ledger, one).key
    assert context.key.endswith(":policy:p:true:act:server/s1:0")
    assert context.attempt == 1
    assert (context.event["message_id"], context.event["provider"]) == ("a", "lab0")
    assert context.event["occurred_at"] == "2031-05-04T12:00:00.000000Z"
    assert context.target == {
        "kind": "server",
        "id": "s1",
        "name": "web",
        "tenant_id": None,
        "state": "known",
        "attributes": {"vcpus": 2},
    }
    assert context.site_root == "/site"
    assert context.rule == {"kind": "policy", "name": "p", "severity": None, "summary": None}


def test_action_of_an_alert_is_told_of_its_incident_while_that_is_open(ledger: Ledger, hands: Clock) -> None:
    action = Act()
    alerts = """
alerts:
- {name: down, severity: error, description: "${event.resource_id} is down", on: [compute.*], notify: [act, act]}
"""
    present = installed(ledger, site(alerts=alerts, extra_actions={"act": action}))
    caught(present, provider(ledger), notice(server="s1"))
    all_the_way(present)
    with ledger.reading() as session:
        first, second = session.scalars(select(Effect.id).order_by(Effect.id))
    run(present, [first], action)
    with ledger.transaction() as session:
        session.execute(update(Incident).values(state="closed", open_key=None))
    run(present, [second], action)
    known = {"kind": "alert", "name": "down", "severity": "error", "summary": "s1 is down"}
    assert [dict(context.rule) for context in action.contexts] == [known, {**known, "severity": None, "summary": None}]


def test_mail_is_written_by_the_template_of_the_present_site(ledger: Ledger, hands: Clock) -> None:
    action = Act()
    found, _ = read_templates(
        {"templates/a.txt": b"Subject: {{ event.event_type }}\n\n"}, SiteContext(Settings(), {}, {})
    )
    present = installed(ledger, replace(site(), parts={**site().parts, "templates": found}))
    run(present, asked(present), action)
    [context] = action.contexts
    assert found.fill("a", context).subject == STOPPED


def test_failed_try_is_put_off_and_the_next_one_waits_its_time(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    [one] = asked(present)
    action = Act(Transient("busy"), OSError("reset"), Transient("slow down", after=100), Done("sent", {}))
    pauses = []
    for _ in range(3):
        assert run(present, [one], action) == 1
        row = effect(ledger, one)
        assert (row.state, row.lease_owner) == ("asked", None)
        pauses.append((row.due_at - hands.now).total_seconds())
        assert run(present, [one], action) == 0
        hands.now = row.due_at
    assert pauses == [pytest.approx(2, rel=0.11), pytest.approx(4, rel=0.11), pytest.approx(100, rel=0.01)]
    assert run(present, [one], action) == 1
    assert effect(ledger, one).state == "done"
    assert [(n, verdict, why) for n, _, verdict, why in tries(ledger, one)] == [
        (1, "again", "busy"),
        (2, "again", "OSError: reset"),
        (3, "again", "slow down"),
        (4, "done", "sent"),
    ]


@pytest.mark.parametrize("failure", [Transient("busy"), ValueError("a bug of the action")])
def test_effect_dies_when_its_tries_are_used_up(ledger: Ledger, hands: Clock, failure: Exception) -> None:
    present = installed(ledger, effects={"attempts": 3})
    [one] = asked(present)
    for _ in range(3):
        run(present, [one], Act(failure))
        hands.forward(1000)
    row = effect(ledger, one)
    assert (row.state, row.attempts, len(tries(ledger, one))) == ("dead", 3, 3)
    assert str(failure) in str(row.error)
    assert run(present, [one]) == 0


@pytest.mark.parametrize(
    ("ask", "does", "reason"),
    [
        (Ask("act", "r", {"text": "x"}), [Permanent("the address is refused")], "the address is refused"),
        (Ask("fax", "r", {"text": "x"}), [], "no action is called fax"),
        (Ask("act", "r", {"text": "x", "colour": "red"}), [], "parameters do not fit"),
    ],
    ids=["permanent", "unknown action", "unknown parameter"],
)
def test_what_will_not_go_better_dies_at_once(ledger: Ledger, ask: Ask, does: list[Any], reason: str) -> None:
    present = installed(ledger)
    [one] = asked(present, ask)
    assert run(present, [one], Act(*does)) == 1
    row = effect(ledger, one)
    assert (row.state, row.attempts) == ("dead", 1)
    assert reason in str(row.error)
    assert row.ended_at is not None


def test_one_failing_effect_does_not_keep_the_others(ledger: Ledger) -> None:
    present = installed(ledger)
    ids = asked(present, *(Ask("act", "r", {"text": str(n)}, ordinal=n) for n in range(3)))
    action = Act(Done("one", {}), RuntimeError("two"), Done("three", {}))
    assert run(present, ids, action) == 3
    assert [effect(ledger, i).state for i in ids] == ["done", "asked", "done"]


@only_postgresql
def test_messages_that_come_at_once_are_one_try(ledger: Ledger) -> None:
    present, workers = installed(ledger), 4
    [one] = asked(present)
    gate, action, tried = threading.Barrier(workers), Act(), list[int]()

    def work(n: int) -> None:
        mine = Installation(ledger, present.sites, host=f"host{n}")
        gate.wait()
        tried.append(run(mine, [one], action))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tried) == [0, 0, 0, 1]
    assert len(action.contexts) == len(tries(ledger, one)) == 1
    assert effect(ledger, one).state == "done"


def test_effect_of_a_silent_worker_is_tried_by_another(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, effects={"lease_seconds": 15})
    [one] = asked(present)

    class Killed(BaseException):
        """As if the process ended in the middle of the try."""

    with pytest.raises(Killed):
        run(present, [one], Act(Killed()))
    assert effect(ledger, one).lease_owner == present.worker
    there = other_worker(present)
    hands.forward(14)
    assert run(there, [one]) == 0
    hands.forward(2)
    assert run(there, [one]) == 1
    assert effect(ledger, one).state == "done"
    assert tries(ledger, one) == [(1, present.worker, None, None), (2, there.worker, "done", "done")]


def test_late_end_of_a_worker_that_lost_its_lease_changes_nothing(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, effects={"lease_seconds": 15})
    there = other_worker(present)
    [one] = asked(present)

    def sleep_and_be_overtaken() -> None:
        hands.forward(16)
        assert run(there, [one], Act(Done("by the other one", {}))) == 1
        raise Permanent("the first one wakes up and fails")

    assert run(present, [one], Act(sleep_and_be_overtaken)) == 1
    row = effect(ledger, one)
    assert (row.state, row.attempts, row.error) == ("done", 2, None)
    # Both tries are told, so that nobody wonders why it happened twice.
    assert [(worker, verdict, why) for _, worker, verdict, why in tries(ledger, one)] == [
        (present.worker, "dead", "the first one wakes up and fails"),
        (there.worker, "done", "by the other one"),
    ]


def test_lost_worker_may_not_end_the_try_of_its_successor(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, effects={"lease_seconds": 15})
    there = other_worker(present)
    [one] = asked(present)

    def first() -> None:
        hands.forward(16)

        def second() -> None:
            # The first one ends while the second one is at work.
            raise Transient("no luck either")

        assert run(there, [one], Act(second)) == 1
        with ledger.transaction() as session:
            session.execute(update(Effect).values(lease_owner=there.worker, lease_until=hands.now))

    assert run(present, [one], Act(first)) == 1
    row = effect(ledger, one)
    assert (row.state, row.lease_owner) == ("asked", there.worker)


def test_lease_is_kept_while_a_try_runs(ledger: Ledger) -> None:
    present = installed(ledger, effects={"lease_seconds": 1.2})
    there = other_worker(present)
    [one] = asked(present)
    found: list[int] = []

    def long() -> None:
        for _ in range(8):
            time.sleep(0.2)
            found.append(run(there, [one], Act(Done("doubled", {}))))

    assert run(present, [one], Act(long)) == 1
    assert found == [0] * 8
    assert effect(ledger, one).state == "done"
    assert len(tries(ledger, one)) == 1


def test_effect_that_takes_its_worker_down_each_time_ends_on_the_desk(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, effects={"attempts": 3})
    [one] = asked(present)

    class Killed(BaseException):
        """As if the process ended in the middle of the try."""

    for _ in range(3):
        with pytest.raises(Killed):
            run(present, [one], Act(Killed()))
        hands.forward(100)
    action = Act(Killed())
    assert run(present, [one], action) == 1
    assert action.contexts == []
    row = effect(ledger, one)
    assert row.state == "dead"
    assert "3 tries" in str(row.error)


def test_retried_effect_keeps_its_key_and_its_tries(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, effects={"attempts": 2})
    [one] = asked(present)
    for _ in range(2):
        run(present, [one], Act(Transient("busy")))
        hands.forward(100)
    key = effect(ledger, one).key
    with ledger.transaction() as session:
        assert retry_effect(session, one, hands.now)
        assert not retry_effect(session, one, hands.now)
    row = effect(ledger, one)
    assert (row.state, row.attempts, row.error, row.ended_at) == ("asked", 0, None, None)
    # It has all its tries again, and they are told after those before.
    for does in (Transient("still busy"), Done("sent", {})):
        assert run(present, [one], Act(does)) == 1
        hands.forward(100)
    row = effect(ledger, one)
    assert (row.state, row.key) == ("done", key)
    assert [(n, why) for n, _, _, why in tries(ledger, one)] == [
        (1, "busy"),
        (2, "busy"),
        (3, "still busy"),
        (4, "sent"),
    ]
    with ledger.transaction() as session:
        assert not retry_effect(session, one, hands.now)


STRANGE: dict[str, Any] = {
    "NUL": Done("a\x00b", {"out": "x\x00y"}),
    "half a character": Done("a\ud800b", {"out": "\udfff"}),
    "not a number": Done("fine", {"seconds": float("nan")}),
    "an object": Done("fine", {"when": START, 3: {1, 2}}),
    "no mapping": Done("fine", ["a", "b"]),  # type: ignore[arg-type]  # the fault
}


@pytest.mark.parametrize("what", STRANGE)
def test_strange_result_of_an_action_is_kept_so_that_the_effect_is_not_done_again(ledger: Ledger, what: str) -> None:
    present = installed(ledger)
    [one] = asked(present)
    action = Act(STRANGE[what])
    assert run(present, [one], action) == 1
    assert effect(ledger, one).state == "done"
    with ledger.reading() as session:
        [kept] = session.scalars(select(EffectTry))
        assert kept.verdict == "done"
        assert kept.detail
    assert run(present, [one], action) == 0


def test_strange_words_of_a_failure_are_kept(ledger: Ledger) -> None:
    present = installed(ledger)
    [one] = asked(present)
    failure = Permanent("bad\x00 word \udc00")
    failure.detail = "not a mapping"  # type: ignore[attr-defined]  # as an error of another library may have it
    assert run(present, [one], Act(failure)) == 1
    row = effect(ledger, one)
    assert (row.state, row.error) == ("dead", "bad\ufffd word \ufffd")
